"""What serves on a target, as its agent reports it in `status` and after a commit; read with suspicion (`reading`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from goferry.deploy.held import Held
from goferry.deploy.reading import Answer, Row, milliseconds, text, texts, whole

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
    "newer_values": bool,
}
"""The fields of a live service that are known here (host.view), and how each is read."""


class LiveService(Struct, frozen=True, kw_only=True):
    """What is live of one service, or was when it was taken down; `more` has the fields that a newer host adds."""

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
    newer_values: bool = False
    more: Answer = {}

    @classmethod
    def read(cls, row: Answer) -> LiveService:
        """Read one row; malformed fields count as absent."""
        known = {name: read(row.get(name)) for name, read in _FIELDS.items()}
        return cls(**known, more={name: value for name, value in row.items() if name not in _FIELDS})

    @property
    def unreached(self) -> str:
        """Why it can't be reached at its public address; empty if it can, or if that was not checked."""
        return Row(self.more).text("unreached")

    def as_json(self) -> dict[str, object]:
        """Return all fields by name."""
        return {**{name: getattr(self, name) for name in _FIELDS}, "held": list(self.held), **self.more}


Services = Mapping[str, LiveService]
"""Service → what is live of it; by `project/service` where several projects have one of that name."""


def services(found: object) -> dict[str, LiveService]:
    """Return service → what is live of it; what is none is left out."""
    rows = found.items() if isinstance(found, dict) else ()
    return {name: LiveService.read(row) for name, row in rows if isinstance(row, dict)}


class FloorLowering(Struct, frozen=True):
    """One time that a host's root lowered a floor: when, from which sequence to which, and why."""

    at: str
    before: int
    to: int
    reason: str

    @classmethod
    def read(cls, record: Answer) -> FloorLowering:
        """Read one row; malformed fields count as absent."""
        row = Row(record)
        return cls(row.text("at"), row.count("from"), row.count("to"), row.text("reason"))

    def as_json(self) -> dict[str, object]:
        """Return `{"from", "to", "at", "reason"}`."""
        return {"from": self.before, "to": self.to, "at": self.at, "reason": self.reason}


class ServiceFloor(Struct, frozen=True):
    """The sequence below which a host takes nothing of a project; `error` says why it can't be read."""

    sequence: int
    error: str
    lowered: tuple[FloorLowering, ...] = ()

    @classmethod
    def read(cls, record: Answer) -> ServiceFloor:
        """Read one row; malformed fields count as absent."""
        row = Row(record)
        lowered = tuple(FloorLowering.read(each) for each in row.rows("lowered"))
        return cls(row.count("sequence"), row.text("error"), lowered)

    def as_json(self) -> dict[str, object]:
        """Return `{"sequence", "error", "lowered": [{"from", "to", "at", "reason"}]}`."""
        return {"sequence": self.sequence, "error": self.error, "lowered": [each.as_json() for each in self.lowered]}


class Status(Struct, frozen=True):
    """A target's status.

    Attributes:
        live, stopped: what serves, and what was taken down; an older agent reports none.
        recovered: unfinished deploys that this request brought to an end. busy: another command has the lock.
        floors: by project; none from an older agent.
        has_policy: whether the host has one for this key's project. notes: what root on the host should know.
        held: what the target holds, where that was asked for; None from an older agent.
    """

    live: Services
    recovered: tuple[str, ...] = ()
    busy: bool = False
    stopped: Services = {}
    floors: Mapping[str, ServiceFloor] = {}
    has_policy: bool = False
    notes: tuple[str, ...] = ()
    held: Held | None = None

    @classmethod
    def read(cls, answer: Answer) -> Status:
        """Read the answer to `status`.

        Raises:
            AgentLost: it is not a status at all: nothing would be drawn, and that would say that nothing is deployed.
        """
        row = Row(answer, "a status")
        return cls(
            live=services(row.need("live", dict)),
            recovered=texts(row.need("recovered", list)),
            busy=row.need("busy", bool),
            stopped=services(row.named("stopped")),
            floors=_floors(row.named("floors")),
            has_policy=row.has("policy"),
            notes=row.texts("notes"),
            held=Held.read(row.named("details")) if row.has("details") else None,
        )

    @property
    def holds(self) -> Mapping[str, Held]:
        """What is held, by the host's name, which is empty for this machine; nothing where it was not asked for."""
        return {} if self.held is None else {"": self.held}

    def of(self, project: str) -> dict[str, LiveService]:
        """Return what is live of one project."""
        return {name: each for name, each in self.live.items() if each.project == project}

    def as_json(self) -> dict[str, object]:
        """Return `{"live": {service: {…}}, "stopped", "recovered": [text], "busy": bool, "floors": {project: {…}}}`.

        With `details`, where they were asked for: what the target holds (`held.Held`).
        """
        stopped = {
            name: {"project": one.project, "service": one.service, "version": one.version, "held": list(one.held)}
            for name, one in self.stopped.items()
        }
        return {
            "live": {name: each.as_json() for name, each in self.live.items()},
            "stopped": stopped,
            "recovered": list(self.recovered),
            "busy": self.busy,
            "floors": {project: floor.as_json() for project, floor in self.floors.items()},
            **({"details": _details(self.held)} if self.held else {}),
        }


def _details(held: Held) -> dict[str, object]:
    return held.as_json()


def _floors(found: Answer) -> dict[str, ServiceFloor]:
    return {text(project): ServiceFloor.read(row) for project, row in found.items() if isinstance(row, dict)}
