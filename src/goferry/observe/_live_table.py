"""The live table: a line a target or host with its state, elapsed time and size, redrawn in place.

      build          · running    18.4 s
        linux/amd64  ✓ done       18.2 s  7.9 MB
        linux/arm64  · running    12.0 s  compiling 141 of 268 packages
      image          · running     0.2 s

Finished inner steps without a target of their own fold into their parent, so nothing scrolls. On a narrow terminal the
details give way first, then the ends of long names; state and time never do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TextIO

from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from goferry.observe import humanize
from goferry.observe.events import Event
from goferry.observe.plain import echoes, subject

GAP = 2
_SHORTEST = 10
_ROOMY = 60
_TIME = 2
_STYLES = {"done": "green", "skipped": "dim", "": "cyan"}
_MARKS = {"done": ("✓", "+"), "skipped": ("○", "-"), "": ("·", "."), "failed": ("✗", "x")}


class TableRow(Struct):
    """One span as the table shows it: its newest event and the last thing that it said."""

    event: Event
    depth: int
    above: str = ""
    said: str = ""

    @property
    def running(self) -> bool:
        """Whether the span is still open."""
        return self.event.kind != "end"

    @property
    def shown(self) -> bool:
        """Whether the row stays: roots, targets, hosts, what runs and what failed."""
        event = self.event
        if echoes(event, self.above):
            return False
        return not event.parent or bool(event.target or event.host) or self.running or event.outcome not in _STYLES


class LiveTable:
    """A renderer that redraws its table about eight times a second while the block runs."""

    def __init__(
        self, file: TextIO, environ: Mapping[str, str], clock: Callable[[], float] = time.time, width: int | None = None
    ) -> None:
        """Draw on `file`; NO_COLOR and COLUMNS are taken from `environ`."""
        colours = not environ.get("NO_COLOR")
        # rich would read os.environ by itself, and the settings of a run come from one place.
        self.console = Console(file=file, no_color=not colours, _environ=environ, width=width, highlight=False)
        self._clock = clock
        self._rows: dict[str, TableRow] = {}
        self._notes: list[Text] = []
        self._live = Live(
            get_renderable=self.draw,
            console=self.console,
            refresh_per_second=8,
            # Else rich puts itself in the place of sys.stdout, to which the command prints its answer.
            redirect_stdout=False,
            redirect_stderr=False,
            # The cursor can't go up beyond the top of the terminal: a taller table would be drawn twice.
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        """Start drawing."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Draw the last state and leave it on the terminal."""
        self._live.stop()

    def __call__(self, event: Event) -> None:
        """Take one event; the next redraw shows it."""
        if event.kind == "note":
            style = "yellow" if event.level == "warning" else "dim"
            self._notes.append(Text(f"  {subject(event)}: {humanize.one_line(event.message, 2000)}", style=style))
            return
        row = self._rows.get(event.span)
        if row is None:
            above = self._rows.get(event.parent)
            depth, stage = (above.depth + 1, above.event.stage) if above else (0, "")
            row = self._rows[event.span] = TableRow(event, depth, stage)
        row.event = event if event.start else replace(event, start=row.event.start)
        if event.message:
            row.said = event.message

    def draw(self) -> Group:
        """Return the table as it stands, cut to the terminal's height from the top."""
        width = self.console.width
        # In cells, since some characters take two of them; a long note wraps to several lines.
        below = sum(max(1, -(-note.cell_len // width)) for note in self._notes)
        room = max(4, self.console.height - below - 1)
        # A copy, since rich draws in a thread of its own while stages add rows.
        rows = [self._cells(row) for row in [row for row in list(self._rows.values()) if row.shown][-room:]]
        fits = widths([max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)], width)
        return Group(*(_line(row, fits) for row in rows), *self._notes)

    def _cells(self, row: TableRow) -> list[Text]:
        event = row.event
        style = _STYLES.get(event.outcome, "bold red")
        place = humanize.one_line(event.target or event.host, 64)
        stage = "" if event.stage == row.above and place else humanize.one_line(event.stage, 24)
        elapsed = event.seconds if event.end else max(0.0, self._clock() - event.start)
        return [
            Text(self._indent(row) + f"{stage} {place}".strip(), style="bold" if not row.depth else ""),
            self._state(row, style),
            Text("" if event.outcome == "skipped" else humanize.seconds(elapsed), style="dim"),
            Text(self._detail(row), style="dim" if event.outcome in {"done", "skipped"} else ""),
        ]

    def _indent(self, row: TableRow) -> str:
        """Return what a name is set in by; a narrow terminal has no room for a margin."""
        return "  " * (min(row.depth, 2) + (self.console.width >= _ROOMY))

    def _state(self, row: TableRow, style: str) -> Text:
        outcome, plain = row.event.outcome, self.console.encoding != "utf-8"
        mark = _MARKS.get(outcome, _MARKS["failed"])[plain]
        return Text(f"{mark} {humanize.one_line(outcome, 32) or 'running'}", style=style)

    @staticmethod
    def _detail(row: TableRow) -> str:
        if row.event.outcome == "done":
            return humanize.numbers(row.event.numbers)
        return humanize.one_line(row.said) if row.running or row.event.outcome == "skipped" else ""


def widths(needed: Sequence[int], total: int) -> list[int]:
    """Return the widths of the columns name, state, time and detail on a terminal of `total`; pure.

    Each gets what it needs while there is room; 0 means that the column is left out.
    """
    if not needed:
        return []
    name, state, clock, detail = needed
    least = max(_SHORTEST, min(name, total // 3))
    state = min(state, max(_SHORTEST, total // 4 if total < _ROOMY else total - least - clock - 2 * GAP))
    name = min(name, max(_SHORTEST, total - state - clock - 2 * GAP))
    left = total - name - state - clock - 3 * GAP
    return [name, state, clock, min(detail, left) if min(detail, _SHORTEST) <= left else 0]


def _line(row: Sequence[Text], fits: Sequence[int]) -> Text:
    # A line that wrapped would be two, of which the next redraw clears one.
    line = Text(no_wrap=True, overflow="crop")
    for column, (cell, width) in enumerate(zip(row, fits, strict=True)):
        if not width:
            continue
        cell.truncate(width, overflow="ellipsis")
        if column == _TIME:
            cell.align("right", width)
        elif column != len(row) - 1:
            cell.align("left", width)
        line.append_text(Text(" " * GAP if column else "")).append_text(cell)
    return line
