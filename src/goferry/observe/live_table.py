"""The live table: a line a target or host with its state, elapsed time and size, redrawn in place.

      build   linux/amd64   ✓ done       18.2 s   7.9 MB
              linux/arm64   ━━━━━━━╸──   12.0 s   compiling 141 of 268 packages
      image                 · running     0.2 s

Finished inner steps without a target of their own fold into their parent, so nothing scrolls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from goferry.observe import figures
from goferry.observe.events import Event
from goferry.observe.plain import echoes, subject

BAR = 12
_STYLES = {"done": "green", "skipped": "dim", "": "cyan"}
_MARKS = {"done": ("✓", "+"), "skipped": ("○", "-"), "": ("·", "."), "failed": ("✗", "x")}


@dataclass
class Row:
    """One span as the table shows it: its newest event and the last thing that it said."""

    event: Event
    depth: int
    echo: bool = False
    said: str = ""

    @property
    def running(self) -> bool:
        """Whether the span is still open."""
        return self.event.kind != "end"

    @property
    def shown(self) -> bool:
        """Whether the row stays: roots, targets, hosts, what runs and what failed."""
        event = self.event
        if self.echo:
            return False
        return not event.parent or bool(event.target or event.host) or self.running or event.outcome not in _STYLES


class LiveTable:
    """A renderer that redraws its table about eight times a second while the block runs."""

    def __init__(
        self, file: TextIO, environ: Mapping[str, str], clock: Callable[[], float] = time.time, width: int | None = None
    ) -> None:
        """Draw on `file`; NO_COLOR and COLUMNS are taken from `environ`."""
        colours = not environ.get("NO_COLOR")
        self.console = Console(file=file, no_color=not colours, _environ=environ, width=width, highlight=False)
        self._clock = clock
        self._rows: dict[str, Row] = {}
        self._notes: list[Text] = []
        self._live = Live(
            get_renderable=self.draw,
            console=self.console,
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=False,
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
            style = {"warning": "yellow", "error": "red"}.get(event.level, "dim")
            self._notes.append(Text(f"  {subject(event)}: {figures.one_line(event.message, 2000)}", style=style))
            return
        row = self._rows.get(event.span)
        if row is None:
            above = self._rows.get(event.parent)
            row = self._rows[event.span] = Row(
                event, above.depth + 1 if above else 0, echoes(event, above.event.stage if above else "")
            )
        row.event = event if event.start else replace(event, start=row.event.start)
        if event.message:
            row.said = event.message

    def draw(self) -> Group:
        """Return the table as it stands, cut to the terminal's height from the top."""
        rows = [row for row in list(self._rows.values()) if row.shown]
        room = max(4, self.console.height - len(self._notes) - 1)
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        previous = ""
        for row in rows[-room:]:
            table.add_row(*self._cells(row, previous))
            previous = row.event.stage
        return Group(table, *self._notes)

    def _cells(self, row: Row, previous: str) -> list[Any]:
        event = row.event
        style = _STYLES.get(event.outcome, "bold red")
        stage = "" if event.stage == previous and (event.target or event.host) else event.stage
        elapsed = event.seconds if event.end else max(0.0, self._clock() - event.start)
        return [
            Text("  " + "  " * min(row.depth, 2) + figures.one_line(stage, 24), style="bold" if not row.depth else ""),
            Text(figures.one_line(event.target or event.host, 32)),
            self._state(row, style),
            Text("" if event.outcome == "skipped" else figures.seconds(elapsed), style="dim"),
            Text(self._detail(row), style="dim" if event.outcome in {"done", "skipped"} else ""),
        ]

    def _state(self, row: Row, style: str) -> Text:
        event, plain = row.event, self.console.encoding != "utf-8"
        total = event.numbers.get("total")
        done = event.numbers.get("done", 0)
        if row.running and isinstance(total, int) and total > 0 and isinstance(done, int):
            filled = min(BAR, BAR * done // total)
            return Text(("=" if plain else "━") * filled, style="cyan").append(
                ("." if plain else "─") * (BAR - filled), style="dim"
            )
        mark = _MARKS.get(event.outcome, _MARKS["failed"])[plain]
        return Text(f"{mark} {figures.one_line(event.outcome, 32) or 'running'}", style=style)

    @staticmethod
    def _detail(row: Row) -> str:
        if row.event.outcome == "done":
            return figures.numbers(row.event.numbers)
        return figures.one_line(row.said) if row.running or row.event.outcome == "skipped" else ""
