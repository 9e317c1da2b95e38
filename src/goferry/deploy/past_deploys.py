"""What was deployed and rolled back, as each host's own record says it: who, what, when, how long, and what came of it.

Who asked is what the client said of itself, unless the host knows the fingerprint of the deploy key (`key`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from msgspec import Struct

from goferry.deploy._session import HostSession
from goferry.deploy.reading import Answer, Row, whole
from goferry.kernel.errors import GoferryError

PAGE, MOST = 500, 100_000
"""Deploys that are asked for at once, and that are read of one host."""
LATEST = 253_370_764_800_000
"""Milliseconds since the epoch of the year 9999, beyond which no time is believed."""
Source = Callable[[], AbstractContextManager[HostSession]]


class PastChange(Struct, frozen=True):
    """What one service went from and to, by version and sequence; empty and 0 where there was nothing before."""

    service: str
    before: str
    to: str
    sequence: int
    before_sequence: int

    @classmethod
    def read(cls, record: Answer) -> PastChange:
        """Read one row; malformed fields count as absent."""
        row = Row(record)
        return cls(
            row.text("service"), row.text("from"), row.text("to"), row.count("sequence"), row.count("from_sequence")
        )

    def as_json(self) -> dict[str, object]:
        """Return `{"service", "from", "to"}`."""
        return {"service": self.service, "from": self.before, "to": self.to}

    def __str__(self) -> str:
        """Return `api v1.0.0 → v2.0.0`."""
        return f"{self.service} {self.before or 'nothing'} → {self.to}"


class PastDeploy(Struct, frozen=True):
    """A deploy or a rollback that is over on one host.

    Attributes:
        host: its name. number: the host's own count. trace: of the run that asked, the same on every host.
        kind: `deploy`, `rollback` or `restart`. outcome: `committed`, `aborted` or `rolled-back`.
        begun, switched, ended: milliseconds since the epoch; 0: not known, or nothing was switched.
        error, what: why it was undone. by, run: who asked, as the client said. key: as the host knows.
        commit, committed_at: of the release, the second in seconds since the epoch, 0: not known.
    """

    host: str
    number: int
    id: str
    trace: str
    kind: str
    project: str
    environment: str
    changes: tuple[PastChange, ...]
    begun: int
    switched: int
    ended: int
    outcome: str
    error: str
    what: str
    by: str
    run: str
    key: str
    commit: str
    committed_at: int

    @classmethod
    def read(cls, host: str, record: Answer) -> PastDeploy:
        """Read one row; malformed fields count as absent."""
        row = Row(record)
        noted = Row(row.named("noted"))
        begun, switched, ended = (whole(record.get(name), LATEST) or 0 for name in ("begun", "switched", "ended"))
        return cls(
            host=host,
            number=row.count("number"),
            id=row.text("id"),
            trace=row.text("trace"),
            kind=row.text("kind"),
            project=row.text("project"),
            environment=noted.text("environment"),
            changes=tuple(PastChange.read(each) for each in row.rows("changes")),
            begun=begun,
            switched=switched,
            ended=ended,
            outcome=row.text("outcome"),
            error=row.text("error"),
            what=row.text("what"),
            by=noted.text("by"),
            run=noted.text("run"),
            key=noted.text("key"),
            commit=noted.text("commit"),
            committed_at=whole(noted.said.get("commit-time"), LATEST // 1000) or 0,
        )

    @property
    def seconds(self) -> float | None:
        """How long it took; None where the host did not note when it began."""
        return (self.ended - self.begun) / 1000 if 0 < self.begun <= self.ended else None

    def as_json(self) -> dict[str, object]:
        """Return its fields, times as RFC 3339 in UTC and empty where they are not known, and how long it took."""
        return {
            "host": self.host,
            "id": self.id,
            "trace": self.trace,
            "kind": self.kind,
            "project": self.project,
            "environment": self.environment,
            "changes": [change.as_json() for change in self.changes],
            "begun": shown_time(self.begun),
            "switched": shown_time(self.switched),
            "ended": shown_time(self.ended),
            "seconds": self.seconds,
            "outcome": self.outcome,
            "error": self.error,
            "what": self.what,
            "by": self.by,
            "run": self.run,
            "key": self.key,
            "commit": self.commit,
            "committed_at": shown_time(self.committed_at * 1000),
        }


class PastDeploys(Struct, frozen=True):
    """What the hosts have, the newest first, and the hosts that could not be asked."""

    deploys: tuple[PastDeploy, ...]
    failures: Mapping[str, GoferryError] = {}

    def as_json(self) -> dict[str, object]:
        """Return `{"deploys": [{…}]}`."""
        return {"deploys": [each.as_json() for each in self.deploys]}

    def raise_failure(self) -> None:
        """Raise the first failure, with what the others answered in its facts."""
        for failure in self.failures.values():
            failure.facts = {**failure.facts, **self.as_json()}
            raise failure


def shown_time(milliseconds: int) -> str:
    """Return a time as RFC 3339 in UTC with whole seconds; empty for none."""
    if not milliseconds:
        return ""
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(sources: Mapping[str, Source], *, project: str = "", since: float = 0.0, limit: int = MOST) -> PastDeploys:
    """Return the newest deploys of all hosts, `limit` of each; all hosts are asked at once."""

    def one(host: str) -> list[PastDeploy] | GoferryError:
        try:
            with sources[host]() as session:
                return _of(host, session, project, int(since * 1000), limit)
        except GoferryError as error:
            return error

    with ThreadPoolExecutor(max(1, len(sources)), thread_name_prefix="host") as pool:
        found = dict(zip(sources, pool.map(one, sources), strict=True))
    deploys = [each for answer in found.values() if not isinstance(answer, GoferryError) for each in answer]
    failures = {host: answer for host, answer in found.items() if isinstance(answer, GoferryError)}
    return PastDeploys(tuple(sorted(deploys, key=lambda each: (-each.ended, each.host))), failures)


def _of(host: str, session: HostSession, project: str, since_ms: int, limit: int) -> list[PastDeploy]:
    """Read a host's, page by page; what was deployed meanwhile is not there twice."""
    found: dict[tuple[str, int, str], PastDeploy] = {}
    skip, more = 0, True
    while more and len(found) < limit:
        wanted = min(PAGE, limit - len(found))
        answer = session.ask("history", project=project, since_ms=since_ms, skip=skip, limit=wanted)
        rows = [row for row in Row(answer).need("deploys", list) if isinstance(row, dict)]
        for row in rows:
            each = PastDeploy.read(host, row)
            found[each.project, each.number, each.id] = each
        skip += len(rows)
        more = Row(answer).flag("more") and bool(rows)
    return list(found.values())
