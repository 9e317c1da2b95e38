"""A host's answers to the requests of a deploy, each read once, on arrival, into a frozen class.

An answer that lacks what a deploy depends on raises AgentLost; see `reading` for all else.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from goferry.deploy.live import LiveService, Services, services
from goferry.deploy.reading import Answer, Row, rows, text, texts, unlike
from goferry.kernel.errors import printable


class Hello(Struct, frozen=True):
    """What an agent can do: what it runs, and what need not be sent to it.

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
    def read(cls, answer: Answer) -> Hello:
        """Read the answer to `hello`.

        Raises:
            AgentLost: without a platform, or with a list that is none.
        """
        # An older agent sends no such lists; one of another type means that this does not answer `hello`.
        critical, held = (_listed(answer, key) for key in ("critical", "held"))
        row = Row(answer)
        return cls(
            agent=row.whole("agent"),
            platform=row.need("platform", str),
            critical=critical,
            held=held,
            project=row.text("project"),
            has_policy=row.given("policy"),
        )


def _listed(answer: Answer, key: str) -> frozenset[str]:
    value = answer.get(key) or []
    if type(value) is not list:
        raise unlike(key, value)
    return frozenset(texts(value))


class ServiceChange(Struct, frozen=True):
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
    said: Answer = {}

    @classmethod
    def read(cls, said: Answer) -> ServiceChange:
        """Read one row; malformed fields count as absent."""
        row = Row(said)
        return cls(
            service=row.text("service"),
            before=row.text("from"),
            to=row.text("to"),
            sequence=row.count("sequence"),
            before_sequence=row.count("from_sequence"),
            slot=row.whole("slot"),
            port=row.whole("port", 65535),
            said=said,
        )

    @property
    def restarts(self) -> bool:
        """Whether it is a restart: the release that serves takes its own place."""
        return self.before_sequence == self.sequence

    def serves(self, live: LiveService) -> bool:
        """Whether what is live is what it was to be; after a restart the slot alone tells it from what was."""
        return live.sequence == self.sequence and not (self.restarts and live.slot != self.slot)

    def as_json(self) -> dict[str, object]:
        """Return the row with all that is drawn of it."""
        read = {"service": self.service, "from": self.before, "to": self.to, "slot": self.slot, "port": self.port}
        # What was read comes last: a host can't have shown what was not judged.
        return {**self.said, **read}


def _names_a_release(row: Row) -> bool:
    return bool(row.text("service")) and row.whole("sequence") is not None


class DeployStep(Struct, frozen=True):
    """One act that a deploy would do, and the services that it is done for; `said` as of a Change."""

    act: str
    services: tuple[str, ...]
    said: Answer = {}

    @classmethod
    def read(cls, said: Answer) -> DeployStep:
        """Read one row; malformed fields count as absent."""
        row = Row(said)
        return cls(row.text("act"), row.texts("services"), said)

    def as_json(self) -> dict[str, object]:
        """Return the row with all that is drawn of it."""
        return {**self.said, "act": self.act, "services": list(self.services)}


class Prepared(Struct, frozen=True):
    """A host that is ready to switch, or what a dry run shows of it.

    Attributes:
        changes: one per service; none when `unchanged`. acts: of a dry run, what would be done.
        no_way_back: service → why it can't be rolled back to what it serves now.
    """

    project: str
    version: str
    changes: tuple[ServiceChange, ...] = ()
    unchanged: bool = False
    no_way_back: Mapping[str, str] = {}
    acts: tuple[DeployStep, ...] = ()

    @classmethod
    def read(cls, answer: Answer, *, dry_run: bool = False) -> Prepared:
        """Read the answer to `prepare` or `rollback`; nothing depends on that of a dry run.

        Raises:
            AgentLost: it does not say of which project it is, or which release of which service comes.
        """
        row = Row(answer)
        if not dry_run:
            row.need("project", str)
            # By these sequences a lost host is judged later: what serves there is compared with them.
            for each in row.need("changes", list):
                if not (isinstance(each, dict) and _names_a_release(Row(each))):
                    raise unlike("changes", each)
        return cls(
            project=row.text("project"),
            version=row.text("version"),
            changes=tuple(ServiceChange.read(each) for each in row.rows("changes")),
            unchanged=row.flag("unchanged"),
            no_way_back={name: printable(text(why)) for name, why in row.named("no_way_back").items()},
            acts=tuple(DeployStep.read(each) for each in row.rows("acts")),
        )

    def final(self, where: str = "") -> list[str]:
        """Return the warnings, for before the switch, about what can't be undone; `where` says on which host."""
        lines, before = [], {change.service: change.before for change in self.changes}
        for name, why in sorted(self.no_way_back.items()):
            what = printable(f"{name} {before.get(name, '')}", 200)
            lines.append(f"once this is committed, no rollback{where} leads back to {what}: {why}")
        return lines

    def earlier(self) -> dict[int, list[str]]:
        """Return the releases that served before, by sequence, each with its services; 0 where the host did not say."""
        found: dict[int, list[str]] = {}
        for change in self.changes:
            found.setdefault(change.before_sequence, []).append(change.service)
        return found


class Switched(Struct, frozen=True):
    """A host whose candidates take traffic and were watched; `gap_ms` is of services that answered nobody meanwhile."""

    switch_ms: int | None = None
    gap_ms: Mapping[str, int] = {}

    @classmethod
    def read(cls, answer: Answer) -> Switched:
        """Read the answer to `switch`, on which nothing depends."""
        row = Row(answer)
        return cls(row.milliseconds("switch_ms"), row.gaps())


class Committed(Struct, frozen=True):
    """A host on which the new version stays; as `Switched`, with the services that changed as they are live now."""

    switch_ms: int | None = None
    gap_ms: Mapping[str, int] = {}
    services: Services = {}

    @classmethod
    def read(cls, answer: Answer) -> Committed:
        """Read the answer to `commit`, on which nothing depends."""
        row = Row(answer)
        return cls(row.milliseconds("switch_ms"), row.gaps(), services(row.named("services")))


class Stopped(Struct, frozen=True):
    """A target that was taken down, or would be in a dry run: the services that ran."""

    stopped: tuple[str, ...]
    dry_run: bool = False

    @classmethod
    def read(cls, answer: Answer, *, dry_run: bool) -> Stopped:
        """Read the answer to `down`.

        Raises:
            AgentLost: it is none.
        """
        return cls(texts(Row(answer).need("stopped", list)), dry_run)

    def as_json(self) -> dict[str, object]:
        """Return `{"stopped": [service], "dry_run"}`."""
        return {"stopped": list(self.stopped), "dry_run": self.dry_run}


class Removed(Struct, frozen=True):
    """A file, link or folder that was removed, with the files in it and their bytes."""

    path: str
    files: int
    bytes: int

    @classmethod
    def read(cls, said: Answer) -> Removed:
        """Read one row; malformed fields count as absent."""
        row = Row(said)
        return cls(row.text("path"), row.count("files"), row.count("bytes"))

    def as_json(self) -> dict[str, object]:
        """Return `{"path", "files", "bytes"}`."""
        return {"path": self.path, "files": self.files, "bytes": self.bytes}


class Purged(Struct, frozen=True):
    """What was removed for good, or would be in a dry run; `stopped` are the services that ran of it."""

    removed: tuple[Removed, ...]
    stopped: tuple[str, ...]
    dry_run: bool = False

    @classmethod
    def read(cls, answer: Answer, *, dry_run: bool) -> Purged:
        """Read the answer to `purge`.

        Raises:
            AgentLost: it is none.
        """
        row = Row(answer)
        removed = tuple(Removed.read(each) for each in rows(row.need("removed", list)))
        return cls(removed, texts(row.need("stopped", list)), dry_run)

    def as_json(self) -> dict[str, object]:
        """Return `{"removed": [{"path", "files", "bytes"}], "stopped": [service], "dry_run"}`."""
        return {
            "removed": [each.as_json() for each in self.removed],
            "stopped": list(self.stopped),
            "dry_run": self.dry_run,
        }


def logs(answer: Answer) -> dict[str, list[str]]:
    """Read the answer to `logs`: service → its last lines.

    Raises:
        AgentLost: it is none.
    """
    found = Row(answer).need("logs", dict)
    for name, lines in found.items():
        if type(lines) is not list:
            raise unlike(f"logs of {name}", lines)
    return {name: [str(line) for line in lines] for name, lines in found.items()}
