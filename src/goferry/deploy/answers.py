"""A host's answers, read with suspicion: a figure is one that can be, a text is a text, all else is left out.

A deploy that happened is not called a failure because its host described it badly: what can't be drawn is not drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from goferry.kernel.errors import printable
from goferry.kernel.outcomes import AgentLost

DAY = 24 * 3600 * 1000
"""Milliseconds of the longest time that is believed."""
MOST = 2**53 - 1
"""The largest whole number that JSON carries everywhere (RFC 8259, section 6)."""
TEXT = 1000
"""Characters of a text that are kept."""


def whole(value: object, most: int = MOST) -> int | None:
    """Return a whole number from 0 to `most`, or None for anything else: also for `true`, 1.5 and "7"."""
    return value if type(value) is int and 0 <= value <= most else None


def milliseconds(value: object) -> int | None:
    """Return a time in milliseconds, at most a day, or None."""
    return whole(value, DAY)


def text(value: object) -> str:
    """Return a text, cut to TEXT characters; anything else is empty."""
    return value[:TEXT] if isinstance(value, str) else ""


def texts(value: object) -> list[str]:
    """Return the texts of a list; anything else is empty."""
    return [text(each) for each in value if isinstance(each, str)] if isinstance(value, list) else []


_FIELDS: Mapping[str, Callable[[object], object]] = {
    "project": text,
    "service": text,
    "version": text,
    "previous": text,
    "digest": text,
    "url": text,
    "mode": text,
    "state": text,
    "why": text,
    "log": text,
    "sequence": whole,
    "port": partial(whole, most=65535),
    "slot": whole,
    "pid": partial(whole, most=2**22),  # proc_pid_max(5)
    "gap_ms": milliseconds,
    "held": texts,
    "barred": bool,
}
"""The fields of a live service that are known here (host.view), and how each is read."""
_NOTHING = {name: read(None) for name, read in _FIELDS.items()}


def services(answer: Mapping[str, Any] | None, key: str = "services") -> dict[str, dict[str, Any]]:
    """Return service → its fields; those that are known here are always there, a newer host's others as they are."""
    found = (answer or {}).get(key)
    if not isinstance(found, dict):
        return {}
    return {name: _service(each) for name, each in found.items() if isinstance(each, dict)}


def _service(each: Mapping[str, Any]) -> dict[str, Any]:
    read = {key: _FIELDS[key](value) if key in _FIELDS else value for key, value in each.items()}
    return {**_NOTHING, **read}


def gaps(answer: Mapping[str, Any] | None) -> dict[str, int]:
    """Return service → milliseconds in which it answered nobody; what is no time is left out."""
    found = (answer or {}).get("gap_ms")
    read = {name: milliseconds(value) for name, value in found.items()} if isinstance(found, dict) else {}
    return {name: value for name, value in read.items() if value is not None}


def floors(answer: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return project → `{"sequence", "error", "lowered"}` as host.view says it; nothing of a host of before that."""
    found = answer.get("floors")
    return {
        text(project): {
            "sequence": whole(floor.get("sequence")) or 0,
            "error": text(floor.get("error")),
            "lowered": [_lowering(each) for each in _rows(floor.get("lowered"))],
        }
        for project, floor in (found.items() if isinstance(found, dict) else ())
        if isinstance(floor, dict)
    }


def _lowering(each: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {key: whole(each.get(key)) or 0 for key in ("from", "to")}
    return {**numbers, **{key: text(each.get(key)) for key in ("at", "reason")}}


def status(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"live": {service: {…}}, "stopped", "recovered": [text], "busy": bool, "floors": {project: {…}}}`.

    `stopped` is service → `{"project", "service", "version", "held"}` of what was taken down; of a host of before that
    there is none.

    Raises:
        AgentLost: it is no status at all: nothing would be drawn, and that would say that nothing is deployed.
    """
    for key, kind in (("live", dict), ("recovered", list), ("busy", bool)):
        if not isinstance(answer.get(key), kind):
            raise AgentLost(
                f"the host answered something that is no status: {key} is {printable(repr(answer.get(key)), 80)}",
                advice=["provision it again with this version:  goferry provision HOST"],
            )
    return {
        "live": services(answer, "live"),
        "stopped": {
            name: {key: each[key] for key in ("project", "service", "version", "held")}
            for name, each in services(answer, "stopped").items()
        },
        "recovered": texts(answer.get("recovered")),
        "busy": answer.get("busy") is True,
        "floors": floors(answer),
    }


def plan(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"changes", "acts"}` of a dry run, each entry with all that is drawn of it."""
    return {
        "changes": [{**each, **_step(each)} for each in changes(answer)],
        "acts": [
            {**act, "act": text(act.get("act")), "services": texts(act.get("services"))}
            for act in _rows(answer.get("acts"))
        ],
    }


def _step(change: Mapping[str, Any]) -> dict[str, Any]:
    told = {key: text(change.get(key)) for key in ("service", "from", "to")}
    return {**told, **{key: _FIELDS[key](change.get(key)) for key in ("slot", "port")}}


def changes(answer: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the changes of a plan."""
    return _rows((answer or {}).get("changes"))


def _rows(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def no_way_back(answer: Mapping[str, Any] | None) -> dict[str, str]:
    """Return service → why nothing will lead back to what it serves now; nothing of a host of before that."""
    found = (answer or {}).get("no_way_back")
    return {name: printable(text(why)) for name, why in found.items()} if isinstance(found, dict) else {}


def final(answer: Mapping[str, Any] | None, where: str = "") -> list[str]:
    """Return what a person is told of that before the switch: a line a service; `where` says on which host."""
    told, before = [], {text(each.get("service")): text(each.get("from")) for each in changes(answer)}
    for name, why in sorted(no_way_back(answer).items()):
        what = printable(f"{name} {before.get(name, '')}", 200)
        told.append(f"once this is committed, no rollback{where} leads back to {what}: {why}")
    return told


def versions(rows: Iterable[Mapping[str, Any]], key: str) -> str:
    """Return the versions that stand under `key`, each once; one where they are alike, as in a release."""
    return ", ".join(sorted({text(row.get(key)) for row in rows} - {""}))
