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
from goferry.observe.timeline import lay_out

_LIVE = "runs on this machine"


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
        "stopped": [event for event in events if event.kind == "end" and _stopped(event, events)],
    }
    return environment.get_template("report.html.j2").render(view)


def sentence(record: Mapping[str, Any]) -> str:
    """Return what the run came to, in one sentence."""
    subject = f"{record['project']} {record.get('version', '')}".strip()
    services = record.get("services", [])
    sent, lost = _sum(services, "sent"), _sum(services, "lost")
    parts = [f"{subject} {_LIVE}" if services else f"{subject} is built"]
    if record.get("trust", {}).get("signers") and not services:
        parts[0] += ", signed and verified"
    if sent:
        parts.append(f"{figures.count(lost)} of {figures.count(sent)} requests lost")
    if record.get("seconds"):
        parts.append(f"{_seconds(record['seconds'])} from the first step to the last")
    return "; ".join(parts) + "."


def tiles(record: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the few figures that a reader looks for first."""
    services = record.get("services", [])
    found = []
    if _sum(services, "sent"):
        found.append(_tile(figures.count(_sum(services, "lost")), "requests lost in the switch"))
    for key, label in (("switch_seconds", "to switch"), ("rollback_seconds", "to roll back")):
        times = [service[key] for service in services if service.get(key)]
        if times:
            found.append(_tile(_seconds(max(times)), label))
    if record.get("seconds"):
        found.append(_tile(_seconds(record["seconds"]), "in all"))
    return found


def warnings(record: Mapping[str, Any], events: Sequence[Event]) -> list[str]:
    """Return what a person must look at, each once: the record's own and the stream's warnings."""
    found = [str(text) for text in record.get("warnings", [])]
    for event in events:
        if event.kind == "note" and event.level in {"warning", "error"}:
            about = " ".join(part for part in (event.stage, event.target, event.host) if part)
            found.append(f"{about}: {event.message}")
    if record.get("dirty"):
        found.append("The work tree differed from the commit: this release cannot be built again from git alone.")
    if record.get("toolchain", {}).get("proof") == "unproven":
        found.append("The Go toolchain was on the machine already and is unproven.")
    return list(dict.fromkeys(found))


def _stopped(event: Event, events: Sequence[Event]) -> bool:
    """Tell whether a span failed of itself, not through one inside it."""
    failed = event.outcome not in {"done", "skipped"}
    return failed and not any(
        other.kind == "end" and other.parent == event.span and other.outcome == event.outcome for other in events
    )


def _size(count: float) -> str:
    return figures.size(count).replace(" ", "\u00a0")  # a number and its unit stay on one line


def _seconds(value: float) -> str:
    return figures.seconds(value).replace(" ", "\u00a0")


def _sum(services: Sequence[Mapping[str, Any]], key: str) -> int:
    return sum(int(service.get(key) or 0) for service in services)


def _tile(value: str, label: str) -> dict[str, str]:
    return {"value": value, "label": label}
