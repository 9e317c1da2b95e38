"""The timeline of a run as geometry: which spans get a bar, where it lies, where its label goes. Pure; no drawing.

Lengths are in the units of the SVG's viewBox. Every root span has a row; below it stand its targets and hosts, and the
inner work that took at least two hundredths of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from goferry.observe import humanize
from goferry.observe.events import Event
from goferry.observe.plain import echoes

WIDTH = 960.0
LABELS = 210.0
TAIL = 74.0
ROW = 24.0
HEAD = 26.0
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)
_SHARE = 0.02
_MOST_ROWS = 80


class Bar(Struct, frozen=True):
    """One row: `x`, `y`, `width` of its bar; `time_x` is where the time is written, `depth` how far it is set in."""

    label: str
    time: str
    outcome: str
    depth: int
    x: float
    y: float
    width: float
    time_x: float


class Tick(Struct, frozen=True):
    """A line of the time axis."""

    label: str
    x: float


class Timeline(Struct, frozen=True):
    """The whole picture."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    height: float
    width: float = WIDTH
    labels: float = LABELS
    head: float = HEAD
    row: float = ROW


def lay_out(events: Sequence[Event]) -> Timeline:
    """Return the timeline of a run's events; spans that never ended are left out."""
    # Of spans that began together the longest comes first: it is the one that the others are in.
    ended = sorted((event for event in events if event.kind == "end"), key=lambda event: (event.start, -event.end))
    if not ended:
        return Timeline((), (), HEAD)
    begin, finish = min(event.start for event in ended), max(event.end for event in ended)
    # The scale divides by it, and a run may take no time at all.
    whole = max(finish - begin, 0.001)
    rows = _rows(ended, whole)[:_MOST_ROWS]
    scale = (WIDTH - LABELS - TAIL) / whole
    bars = tuple(_bar(*row, index=index, begin=begin, scale=scale) for index, row in enumerate(rows))
    ticks = tuple(Tick(_clock(at), LABELS + at * scale) for at in _ticks(whole))
    return Timeline(bars, ticks, HEAD + ROW * len(bars) + 6)


def _rows(ended: Sequence[Event], whole: float) -> list[tuple[Event, int, str]]:
    """Return the spans that get a row, each after its parent, with their depth and label."""
    children: dict[str, list[Event]] = {}
    known = {event.span for event in ended}
    stages = {event.span: event.stage for event in ended}
    for event in ended:
        # A parent that never ended has no row; its children then stand at the top.
        children.setdefault(event.parent if event.parent in known else "", []).append(event)
    rows: list[tuple[Event, int, str]] = []

    def visit(parent: str, depth: int) -> None:
        for event in children.get(parent, ()):
            if echoes(event, stages.get(parent, "")):
                visit(event.span, depth)
            elif not depth or event.target or event.host or event.seconds >= whole * _SHARE:
                rows.append((event, depth, _label(event, stages.get(parent, ""))))
                if depth < 2:
                    visit(event.span, depth + 1)

    visit("", 0)
    return rows


def _bar(event: Event, depth: int, label: str, *, index: int, begin: float, scale: float) -> Bar:
    left = LABELS + (event.start - begin) * scale
    # Narrower bars can't be seen.
    width = max(event.seconds * scale, 2.5)
    return Bar(
        label=humanize.one_line(label, 30 - 2 * depth),
        time=humanize.seconds(event.seconds) if event.outcome != "skipped" else "skipped",
        outcome=event.outcome if event.outcome in {"done", "skipped"} else "failed",
        depth=depth,
        x=round(left, 1),
        y=HEAD + ROW * index,
        width=round(width, 1),
        time_x=round(left + width + 7, 1),
    )


def _label(event: Event, above: str) -> str:
    """Return the stage with its target; within a stage of the same name the target or host alone."""
    place = event.target or event.host
    if event.stage == above and place:
        return place
    return f"{event.stage} {event.target}".strip()


def _ticks(whole: float) -> list[float]:
    step = next((step for step in _STEPS if whole / step <= 8), _STEPS[-1])
    return [step * index for index in range(int(whole / step) + 1)]


def _clock(at: float) -> str:
    if at >= 60:
        return f"{int(at) // 60}:{int(at) % 60:02d} min"
    return f"{at:g} s"
