"""What a run came to, in words: one sentence, and what a person has to look at. Pure; report and summary share it.

`record` is the one that observe.report documents, with these keys besides:

    {"environment": name, "release": reference, "dry_run": bool,
     "outcome": `deployed`, `unchanged` or `rolled-back`,
     "hosts": {host: {"version", "previous", "switch_ms", "outcome", "sent", "lost"}},
     "since_push": seconds from the push,
     "expiring": [{"what", "until"}]   keys and certificates that end soon,
     "misses": [{"what", "why"}]       caches that did not help}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from goferry.observe import figures
from goferry.observe.events import Event

_SERVING = frozenset({"", "deployed", "unchanged", "rolled-back", "done"})


def sentence(record: Mapping[str, Any]) -> str:
    """Return what the run came to, in one sentence."""
    parts = [_head(record)]
    sent = total(record, "sent")
    if sent:
        parts.append(f"{figures.count(total(record, 'lost'))} of {figures.count(sent)} requests lost")
    if record.get("since_push"):
        parts.append(f"{figures.seconds(record['since_push'])} from push")
    elif record.get("seconds"):
        parts.append(f"{figures.seconds(record['seconds'])} from the first step to the last")
    return "; ".join(parts) + "."


def warnings(record: Mapping[str, Any], events: Sequence[Event]) -> list[str]:
    """Return what a person must look at, each once: the record's own and the stream's warnings."""
    found = [str(text) for text in record.get("warnings", [])]
    for event in events:
        if event.kind == "note" and event.level in {"warning", "error"}:
            about = " ".join(part for part in (event.stage, event.target, event.host) if part)
            found.append(f"{about}: {event.message}")
    if record.get("dirty"):
        found.append("The work tree differed from the commit: this release cannot be built again from git alone.")
    if (record.get("toolchain") or {}).get("proof") == "unproven":
        found.append("The Go toolchain was on the machine already and is unproven.")
    found += [f"{each['what']} expires on {each['until']}" for each in record.get("expiring", [])]
    found += [f"{each['what']} was not cached: {each['why']}" for each in record.get("misses", [])]
    return list(dict.fromkeys(found))


def stopped(events: Sequence[Event]) -> list[Event]:
    """Return the ends of the spans that failed of themselves, not through one inside them."""
    ended = [event for event in events if event.kind == "end"]
    through = {(event.parent, event.outcome) for event in ended}
    return [
        event
        for event in ended
        if event.outcome not in {"done", "skipped"} and (event.span, event.outcome) not in through
    ]


def total(record: Mapping[str, Any], key: str) -> int:
    """Return the sum of a count over services and hosts."""
    rows = [*record.get("services", []), *(record.get("hosts") or {}).values()]
    return sum(int(row.get(key) or 0) for row in rows)


def _head(record: Mapping[str, Any]) -> str:
    project, version = str(record.get("project", "")), str(record.get("version", ""))
    subject = f"{project} {version}".strip()
    if record.get("dry_run"):
        return f"{subject}: planned only, nothing was changed"
    where = _where(record)
    if where and record.get("outcome") == "rolled-back":
        return f"{project} went back to {version} on {where}"
    if where:
        return f"{subject} {'already ran' if record.get('outcome') == 'unchanged' else 'runs'} on {where}"
    if record.get("release"):
        return f"{subject} is released"
    signed = (record.get("trust") or {}).get("signers")
    return f"{subject} is built, signed and verified" if signed else f"{subject} is built"


def _where(record: Mapping[str, Any]) -> str:
    """Return where it runs, or nothing when it was not deployed."""
    hosts = record.get("hosts") or {}
    environment = f" in {record['environment']}" if record.get("environment") else ""
    if hosts:
        serving = sum(host.get("outcome", "") in _SERVING for host in hosts.values())
        return f"{serving} of {len(hosts)} host{'s' if len(hosts) > 1 else ''}{environment}"
    return f"this machine{environment}" if record.get("services") else ""
