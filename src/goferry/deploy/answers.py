"""A host's answers to the requests of a deploy, each read once, where it arrives, into a frozen class.

An answer that lacks what a deploy goes by is AgentLost, and nothing goes on from it; see `reading` for all else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from goferry.deploy.live import Services, services
from goferry.deploy.reading import Row, gaps, milliseconds, need, rows, text, texts, unlike, whole
from goferry.kernel.errors import printable


@dataclass(frozen=True)
class Hello:
    """Who answers: what it can run, and what need not be sent.

    Attributes:
        agent: the version of its requests. platform: as Go writes it, `linux/amd64`.
        critical: names in a release's `critical` that it knows. held: SHA-256 of the binaries in its store.
        project: the one that the key deploys, or empty. has_policy: whether it has one for that project.
    """

    agent: int | None
    platform: str
    critical: frozenset[str]
    held: frozenset[str]
    project: str
    has_policy: bool

    @classmethod
    def read(cls, answer: Row) -> Hello:
        """Read the answer to `hello`.

        Raises:
            AgentLost: without a platform, or with a list that is none.
        """
        lists = {key: answer.get(key) or [] for key in ("critical", "held")}
        for key, value in lists.items():
            if type(value) is not list:
                raise unlike(key, value)
        return cls(
            agent=whole(answer.get("agent")),
            platform=need(answer, "platform", str),
            critical=frozenset(texts(lists["critical"])),
            held=frozenset(texts(lists["held"])),
            project=text(answer.get("project")),
            has_policy=answer.get("policy") is not None,
        )


@dataclass(frozen=True)
class ServiceChange:
    """What is to happen to one service.

    Attributes:
        before, to: versions; `before` is empty when nothing was live. sequence, before_sequence: of their releases,
            the second 0 where nothing was live or an older agent did not say.
        slot, port: None where the host named none that can be.
        said: the row as the host sent it; a newer host's fields reach `--json` from here.
    """

    service: str
    before: str
    to: str
    sequence: int
    before_sequence: int
    slot: int | None
    port: int | None
    said: Row = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, row: Row) -> ServiceChange:
        """Read one row with suspicion."""
        return cls(
            service=text(row.get("service")),
            before=text(row.get("from")),
            to=text(row.get("to")),
            sequence=whole(row.get("sequence")) or 0,
            before_sequence=whole(row.get("from_sequence")) or 0,
            slot=whole(row.get("slot")),
            port=whole(row.get("port"), 65535),
            said=row,
        )

    def as_json(self) -> dict[str, Any]:
        """Return the row with all that is drawn of it."""
        read = {"service": self.service, "from": self.before, "to": self.to, "slot": self.slot, "port": self.port}
        return {**self.said, **read}


@dataclass(frozen=True)
class DeployStep:
    """One act that a deploy would do, and the services that it is done for; `said` as of a Change."""

    act: str
    services: tuple[str, ...]
    said: Row = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, row: Row) -> DeployStep:
        """Read one row with suspicion."""
        return cls(text(row.get("act")), texts(row.get("services")), row)

    def as_json(self) -> dict[str, Any]:
        """Return the row with all that is drawn of it."""
        return {**self.said, "act": self.act, "services": list(self.services)}


@dataclass(frozen=True)
class Prepared:
    """A host at which only the switch is missing, or what a dry run shows of it.

    Attributes:
        changes: one per service; none when `unchanged`. acts: of a dry run, what would be done.
        no_way_back: service → why nothing will lead back to what it serves now.
    """

    project: str
    version: str
    changes: tuple[ServiceChange, ...] = ()
    unchanged: bool = False
    no_way_back: Mapping[str, str] = field(default_factory=dict)
    acts: tuple[DeployStep, ...] = ()

    @classmethod
    def read(cls, answer: Row, *, dry_run: bool = False) -> Prepared:
        """Read the answer to `prepare` or `rollback`; nothing goes by that of a dry run.

        Raises:
            AgentLost: it does not say of which project it is, or which release of which service comes.
        """
        if not dry_run:
            need(answer, "project", str)
            for row in need(answer, "changes", list):
                if not (isinstance(row, dict) and text(row.get("service")) and whole(row.get("sequence")) is not None):
                    raise unlike("changes", row)
        said = answer.get("no_way_back")
        closed = said if isinstance(said, dict) else {}
        return cls(
            project=text(answer.get("project")),
            version=text(answer.get("version")),
            changes=tuple(ServiceChange.read(row) for row in rows(answer.get("changes"))),
            unchanged=bool(answer.get("unchanged")),
            no_way_back={name: printable(text(why)) for name, why in closed.items()},
            acts=tuple(DeployStep.read(row) for row in rows(answer.get("acts"))),
        )

    def final(self, where: str = "") -> list[str]:
        """Return what a person is told before the switch of what can't be undone; `where` says on which host."""
        lines, before = [], {change.service: change.before for change in self.changes}
        for name, why in sorted(self.no_way_back.items()):
            what = printable(f"{name} {before.get(name, '')}", 200)
            lines.append(f"once this is committed, no rollback{where} leads back to {what}: {why}")
        return lines

    def earlier(self) -> dict[int, list[str]]:
        """Return the releases that served before, by sequence, each with its services; 0 where nobody said which."""
        found: dict[int, list[str]] = {}
        for change in self.changes:
            found.setdefault(change.before_sequence, []).append(change.service)
        return found


@dataclass(frozen=True)
class Switched:
    """A host whose candidates take traffic and were watched; `gap_ms` is of services that answered nobody meanwhile."""

    switch_ms: int | None = None
    gap_ms: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, answer: Row) -> Switched:
        """Read the answer to `switch`, of which nothing decides anything."""
        return cls(milliseconds(answer.get("switch_ms")), gaps(answer))


@dataclass(frozen=True)
class Committed:
    """A host on which the new version stays; as `Switched`, with the services that changed as they are live now."""

    switch_ms: int | None = None
    gap_ms: Mapping[str, int] = field(default_factory=dict)
    services: Services = field(default_factory=dict)

    @classmethod
    def read(cls, answer: Row) -> Committed:
        """Read the answer to `commit`, of which nothing decides anything."""
        return cls(milliseconds(answer.get("switch_ms")), gaps(answer), services(answer.get("services")))


@dataclass(frozen=True)
class Stopped:
    """A target that was taken down, or would be in a dry run: the services that ran."""

    stopped: tuple[str, ...]
    dry_run: bool = False

    @classmethod
    def read(cls, answer: Row, *, dry_run: bool) -> Stopped:
        """Read the answer to `down`.

        Raises:
            AgentLost: it is none.
        """
        return cls(texts(need(answer, "stopped", list)), dry_run)

    def as_json(self) -> dict[str, Any]:
        """Return `{"stopped": [service], "dry_run"}`."""
        return {"stopped": list(self.stopped), "dry_run": self.dry_run}


@dataclass(frozen=True)
class Removed:
    """A file, link or folder that was removed, with the files in it and their bytes."""

    path: str
    files: int
    bytes: int

    @classmethod
    def read(cls, row: Row) -> Removed:
        """Read one row with suspicion."""
        return cls(text(row.get("path")), whole(row.get("files")) or 0, whole(row.get("bytes")) or 0)

    def as_json(self) -> dict[str, Any]:
        """Return `{"path", "files", "bytes"}`."""
        return {"path": self.path, "files": self.files, "bytes": self.bytes}


@dataclass(frozen=True)
class Purged:
    """What was removed for good, or would be in a dry run; `stopped` are the services that ran of it."""

    removed: tuple[Removed, ...]
    stopped: tuple[str, ...]
    dry_run: bool = False

    @classmethod
    def read(cls, answer: Row, *, dry_run: bool) -> Purged:
        """Read the answer to `purge`.

        Raises:
            AgentLost: it is none.
        """
        removed = tuple(Removed.read(row) for row in rows(need(answer, "removed", list)))
        return cls(removed, texts(need(answer, "stopped", list)), dry_run)

    def as_json(self) -> dict[str, Any]:
        """Return `{"removed": [{"path", "files", "bytes"}], "stopped": [service], "dry_run"}`."""
        return {
            "removed": [each.as_json() for each in self.removed],
            "stopped": list(self.stopped),
            "dry_run": self.dry_run,
        }


def logs(answer: Row) -> dict[str, list[str]]:
    """Read the answer to `logs`: service → its last lines.

    Raises:
        AgentLost: it is none.
    """
    found = need(answer, "logs", dict)
    for name, lines in found.items():
        if type(lines) is not list:
            raise unlike(f"logs of {name}", lines)
    return {name: [str(line) for line in lines] for name, lines in found.items()}
