"""The report of a run as one HTML file: no script, no network, dark and light, printable.

`record` has JSON types; every key but `project` is optional, and a section without facts is left out:

    {"project", "version", "commit", "dirty": bool, "snapshot": bool, "created", "seconds": float,
     "sentence": what the run came to, else one is made from the facts,
     "artifacts": [{"name", "kind", "target", "size": bytes, "sha256"}], "images": [{"name", "digest", "platforms"}],
     "toolchain": {"version", "source", "proof"},
     "trust": {"signers": [{"format", "id"}], "commands": ["goferry verify …"], "refused": [{"what", "refusal"}]},
     "services": [{"name", "host", "url", "before", "now", "switch_seconds", "rollback_seconds", "sent", "lost",
                   "rollback_command"}],
     "comparison": {"sent", "lost"},   the same load over a bare restart
     "warnings": [text]}               besides the warnings of the event stream

All of it is untrusted: jinja2 escapes it, and control and bidi characters are written out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from goferry.kernel.errors import printable
from goferry.kernel.files import write_atomically
from goferry.observe import figures
from goferry.observe.events import Event
from goferry.observe.outcome import sentence, stopped, total, warnings
from goferry.observe.timeline import lay_out


def write(path: Path, record: Mapping[str, Any], events: Sequence[Event]) -> None:
    """Write the report to `path`, whole or not at all."""
    write_atomically(path, render(record, events).encode("utf-8"))


def render(record: Mapping[str, Any], events: Sequence[Event]) -> str:
    """Return the report's HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(size=_size, seconds=_seconds, count=figures.count)
    view = {
        "facts": dict(record),
        "sentence": record.get("sentence") or sentence(record),
        "tiles": tiles(record),
        "timeline": lay_out(events),
        "warnings": warnings(record, events),
        "stopped": stopped(events),
    }
    return environment.get_template("report.html.j2").render(view)


def tiles(record: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the few figures that a reader looks for first."""
    services = record.get("services", [])
    found = []
    if total(record, "sent"):
        found.append(_tile(figures.count(total(record, "lost")), "requests lost in the switch"))
    for key, label in (("switch_seconds", "to switch"), ("rollback_seconds", "to roll back")):
        times = [service[key] for service in services if service.get(key)]
        if times:
            found.append(_tile(_seconds(max(times)), label))
    if record.get("seconds"):
        found.append(_tile(_seconds(record["seconds"]), "in all"))
    return found


def _size(count: float) -> str:
    return figures.size(count).replace(" ", "\u00a0")  # a number and its unit stay on one line


def _seconds(value: float) -> str:
    return figures.seconds(value).replace(" ", "\u00a0")


def _tile(value: str, label: str) -> dict[str, str]:
    return {"value": value, "label": label}
