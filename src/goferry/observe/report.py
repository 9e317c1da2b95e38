"""The report of a run as one HTML file: no script, no network, dark and light, printable.

A section without facts is left out, and a figure that nobody measured is a dash.

All of it is untrusted: jinja2 escapes it, and control and bidi characters are written out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jinja2
from msgspec import Struct

from goferry.kernel.errors import printable
from goferry.kernel.files import write_atomically
from goferry.observe import humanize
from goferry.observe._outcome import sentence, stopped, traffic, warnings
from goferry.observe._timeline import lay_out
from goferry.observe.events import Event
from goferry.observe.record import Run

TEMPLATE = "report.html.j2"


class ReportTile(Struct, frozen=True):
    """A figure that a reader looks for first: `value` as it is written, `label` below it."""

    value: str
    label: str


def write(path: Path, run: Run, events: Sequence[Event]) -> None:
    """Write the report to `path`, whole or not at all."""
    write_atomically(path, render(run, events).encode("utf-8"))


def pages() -> jinja2.Environment:
    """Return what draws the HTML pages of this room: it escapes what it is given, and writes out what nobody sees."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        # A misspelt name in the template fails, instead of drawing nothing.
        undefined=jinja2.StrictUndefined,
        # Not isinstance: what is safe already is Markup, a subclass of str, and would lose that.
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(size=_size, seconds=_seconds, ms=_milliseconds, count=humanize.count)
    return environment


def render(run: Run, events: Sequence[Event]) -> str:
    """Return the report's HTML."""
    return (
        pages()
        .get_template(TEMPLATE)
        .render(
            run=run,
            sentence=sentence(run),
            tiles=tiles(run),
            timeline=lay_out(events),
            warnings=warnings(run, events),
            stopped=stopped(events),
        )
    )


def tiles(run: Run) -> list[ReportTile]:
    """Return the few figures that a reader looks for first."""
    found = []
    if load := traffic(run):
        found.append(ReportTile(humanize.count(load.lost), "requests lost in the switch"))
    if times := [service.switch_ms for service in run.services if service.switch_ms]:
        found.append(ReportTile(_milliseconds(max(times)), "to switch"))
    if back := [service.rollback_seconds for service in run.services if service.rollback_seconds]:
        found.append(ReportTile(_seconds(max(back)), "to roll back"))
    if run.seconds is not None:
        found.append(ReportTile(_seconds(run.seconds), "in all"))
    return found


def _size(count: float) -> str:
    return humanize.size(count).replace(" ", "\u00a0")  # a number and its unit stay on one line


def _seconds(value: float) -> str:
    return humanize.seconds(value).replace(" ", "\u00a0")


def _milliseconds(value: float) -> str:
    return _seconds(value / 1000)
