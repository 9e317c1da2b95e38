"""What serves on a target, as its agent tells it in `status` and after a commit; read with suspicion (`reading`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from goferry.deploy.reading import Row, milliseconds, need, rows, text, texts, whole

_FIELDS: Mapping[str, Callable[[object], Any]] = {
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


@dataclass(frozen=True, kw_only=True)
class Service:
    """What is live of one service, or what was when it was taken down; `more` are a newer host's fields as they are."""

    project: str = ""
    service: str = ""
    version: str = ""
    previous: str = ""
    digest: str = ""
    url: str = ""
    mode: str = ""
    state: str = ""
    why: str = ""
    log: str = ""
    sequence: int | None = None
    port: int | None = None
    slot: int | None = None
    pid: int | None = None
    gap_ms: int | None = None
    held: tuple[str, ...] = ()
    barred: bool = False
    more: Row = field(default_factory=dict)

    @classmethod
    def read(cls, row: Row) -> Service:
        """Read one row with suspicion."""
        known = {name: read(row.get(name)) for name, read in _FIELDS.items()}
        return cls(**known, more={name: value for name, value in row.items() if name not in _FIELDS})

    def as_json(self) -> dict[str, Any]:
        """Return all fields by name."""
        return {**{name: getattr(self, name) for name in _FIELDS}, "held": list(self.held), **self.more}


Services = Mapping[str, Service]
"""Service → what is live of it; by `project/service` where several projects have one of that name."""


def services(found: object) -> dict[str, Service]:
    """Return service → what is live of it; what is none is left out."""
    rows = found.items() if isinstance(found, dict) else ()
    return {name: Service.read(row) for name, row in rows if isinstance(row, dict)}


@dataclass(frozen=True)
class Status:
    """What a target shows of itself.

    Attributes:
        live, stopped: what serves, and what was taken down; an older agent tells of nothing that was.
        recovered: what an earlier deploy had left and this question brought to its end. busy: another has the lock.
        floors: project → `{"sequence", "error", "lowered"}` as host.view says it; of an older agent none.
        has_policy: whether the host has one for this key's project. notes: what its root should know.
    """

    live: Services
    recovered: tuple[str, ...] = ()
    busy: bool = False
    stopped: Services = field(default_factory=dict)
    floors: Mapping[str, Row] = field(default_factory=dict)
    has_policy: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, answer: Row) -> Status:
        """Read the answer to `status`.

        Raises:
            AgentLost: it is no status at all: nothing would be drawn, and that would say that nothing is deployed.
        """
        need(answer, "live", dict, "status")
        need(answer, "recovered", list, "status")
        return cls(
            live=services(answer["live"]),
            recovered=texts(answer["recovered"]),
            busy=need(answer, "busy", bool, "status"),
            stopped=services(answer.get("stopped")),
            floors=_floors(answer.get("floors")),
            has_policy=isinstance(answer.get("policy"), dict),
            notes=texts(answer.get("notes")),
        )

    def of(self, project: str) -> dict[str, Service]:
        """Return what is live of one project."""
        return {name: each for name, each in self.live.items() if each.project == project}

    def as_json(self) -> dict[str, Any]:
        """Return `{"live": {service: {…}}, "stopped", "recovered": [text], "busy": bool, "floors": {project: {…}}}`."""
        stopped = {name: each.as_json() for name, each in self.stopped.items()}
        return {
            "live": {name: each.as_json() for name, each in self.live.items()},
            "stopped": {
                name: {key: each[key] for key in ("project", "service", "version", "held")}
                for name, each in stopped.items()
            },
            "recovered": list(self.recovered),
            "busy": self.busy,
            "floors": {project: dict(floor) for project, floor in self.floors.items()},
        }


def _floors(found: object) -> dict[str, Row]:
    return {
        text(project): {
            "sequence": whole(floor.get("sequence")) or 0,
            "error": text(floor.get("error")),
            "lowered": [_lowering(each) for each in rows(floor.get("lowered"))],
        }
        for project, floor in (found.items() if isinstance(found, dict) else ())
        if isinstance(floor, dict)
    }


def _lowering(each: Row) -> Row:
    numbers = {key: whole(each.get(key)) or 0 for key in ("from", "to")}
    return {**numbers, **{key: text(each.get(key)) for key in ("at", "reason")}}
