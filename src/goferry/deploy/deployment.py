"""The result of a deploy or a rollback, as `--json`, the job summary and the report show it; one producer for all.

Every target makes it from the same parts: the hosts of a rollout and their answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from goferry.deploy._rollout import Host
from goferry.deploy._rollout_table import HostOutcome
from goferry.deploy.answers import DeployStep, Prepared, ServiceChange
from goferry.deploy.live import Services
from goferry.deploy.reading import versions
from goferry.deploy.serving import served
from goferry.kernel.errors import GoferryError


class HostRecord(Struct, frozen=True):
    """One host's part.

    Attributes:
        version, previous: what serves there now, and what served before; empty if nothing does, or if it is unknown.
        switch_ms: milliseconds, None when the host gave none. gap_ms: service → milliseconds.
        services: what changed there and serves. uploaded: bytes, None when nothing was to be sent.
    """

    outcome: HostOutcome
    version: str
    previous: str
    switch_ms: int | None
    gap_ms: Mapping[str, int]
    services: Services
    uploaded: int | None
    no_way_back: Mapping[str, str]
    failure: GoferryError | None

    @classmethod
    def of(cls, host: Host) -> HostRecord:
        """Return the record of a host in any state."""
        serves = host.outcome in (HostOutcome.DEPLOYED, HostOutcome.UNCHANGED)
        services = host.committed.services if serves and host.committed else {}
        prepared = host.prepared or Prepared("", "")
        before = versions(change.before for change in prepared.changes)
        now = versions(each.version for each in services.values()) or prepared.version
        times = [answer.switch_ms for answer in (host.committed, host.switched) if answer]
        return cls(
            outcome=host.outcome,
            version=now if serves else "" if host.outcome in (HostOutcome.OPEN, HostOutcome.UNKNOWN) else before,
            previous=versions(each.previous for each in services.values()) or before,
            switch_ms=next((each for each in times if each is not None), None),
            gap_ms=host.committed.gap_ms if host.committed else {},
            services=services,
            uploaded=host.uploaded,
            no_way_back=prepared.no_way_back,
            failure=host.failure,
        )

    def as_json(self) -> dict[str, object]:
        """Return the record of one host of several."""
        whole: dict[str, object] = {
            "version": self.version,
            "previous": self.previous,
            "switch_ms": self.switch_ms,
            "gap_ms": dict(self.gap_ms),
            "outcome": str(self.outcome),
            "uploaded": self.uploaded,
            "services": {name: each.as_json() for name, each in self.services.items()},
        }
        if self.services:
            whole |= {"serving": served(self.services)}
        if self.no_way_back:
            whole |= {"no_way_back": dict(self.no_way_back)}
        if self.failure is not None:
            whole |= {"error": self.failure.name, "what": self.failure.what}
        return whole

    def as_only(self) -> dict[str, object]:
        """Return the record of a target that is not a host among several: the deployment's own says the rest."""
        return {
            "version": self.version,
            "previous": self.previous,
            "outcome": str(self.outcome),
            "switch_ms": self.switch_ms,
            "gap_ms": dict(self.gap_ms),
            "serving": served(self.services),
        }


def hosts_as_json(hosts: Iterable[Host]) -> dict[str, object]:
    """Return host → its record."""
    return {host.name: HostRecord.of(host).as_json() for host in hosts}


class Deployment(Struct, frozen=True):
    """A deploy or a rollback that ended well.

    Attributes:
        changes, previous, services: of the first host that changed. outcome: `deployed` or `unchanged`.
        switch_ms, gap_ms: the slowest host's. seconds: of the whole.
        hosts: by name, in the order of the fleet. alone: the target is not a host among several, its name is `local`.
    """

    project: str
    version: str
    changes: tuple[ServiceChange, ...]
    previous: str
    unchanged: bool
    switch_ms: int | None
    gap_ms: Mapping[str, int]
    seconds: float
    services: Services
    outcome: HostOutcome
    hosts: Mapping[str, HostRecord]
    alone: bool = False

    @classmethod
    def of(cls, hosts: Sequence[Host], seconds: float, *, alone: bool = False) -> Deployment:
        """Return the record of hosts that are all committed or unchanged."""
        records = {host.name: HostRecord.of(host) for host in hosts}
        # A host that had the version already knows of no changes, so one that changed speaks for all.
        lead = next((host for host in hosts if host.outcome is HostOutcome.DEPLOYED), hosts[0])
        prepared, mine = lead.prepared or Prepared("", ""), records[lead.name]
        gaps: dict[str, int] = {}
        for record in records.values():
            for name, gap in record.gap_ms.items():
                # Hosts serve side by side, so their gaps do not add up: the worst one is the deploy's.
                gaps[name] = max(gaps.get(name, 0), gap)
        times = [record.switch_ms for record in records.values() if record.switch_ms is not None]
        unchanged = lead.outcome is HostOutcome.UNCHANGED
        return cls(
            project=prepared.project,
            version=prepared.version or mine.version,
            changes=prepared.changes,
            previous=mine.previous,
            unchanged=unchanged,
            # 0 says that nothing had to be switched; None that no host told how long it took.
            switch_ms=max(times, default=0 if unchanged else None),
            gap_ms=gaps,
            seconds=round(seconds, 3),
            services=mine.services,
            outcome=lead.outcome,
            hosts=records,
            alone=alone,
        )

    def warnings(self) -> list[str]:
        """Return what needs attention although the deploy went well."""
        return [f"{name} does not take its socket from Goferry: {gap} ms gap" for name, gap in self.gap_ms.items()]

    def as_json(self) -> dict[str, object]:
        """Return the record that `--json` prints."""
        alone = next(iter(self.hosts.values())) if self.alone else None
        return {
            "project": self.project,
            "version": self.version,
            "changes": [change.as_json() for change in self.changes],
            "previous": self.previous,
            "unchanged": self.unchanged,
            "switch_ms": self.switch_ms,
            "gap_ms": dict(self.gap_ms),
            "seconds": self.seconds,
            "services": {name: service.as_json() for name, service in self.services.items()},
            "outcome": str(self.outcome),
            "hosts": {"local": alone.as_only()}
            if alone
            else {name: each.as_json() for name, each in self.hosts.items()},
        }


class Foreseen(Struct, frozen=True):
    """A dry run: what would happen on each host; `alone` as in Deployment."""

    hosts: Mapping[str, Prepared]
    alone: bool = False

    @property
    def project(self) -> str:
        """Whose release it is."""
        return next(iter(self.hosts.values())).project

    @property
    def version(self) -> str:
        """What would serve."""
        return next(iter(self.hosts.values())).version

    @property
    def changes(self) -> tuple[ServiceChange, ...]:
        """The longest list of any host."""
        return max((each.changes for each in self.hosts.values()), key=len)

    @property
    def acts(self) -> tuple[DeployStep, ...]:
        """The longest list of any host."""
        return max((each.acts for each in self.hosts.values()), key=len)

    def as_json(self) -> dict[str, object]:
        """Return the record that `--json` prints: of several hosts the longest plan, and each one's."""
        record = {
            "project": self.project,
            "version": self.version,
            "changes": [change.as_json() for change in self.changes],
            "dry_run": True,
            "acts": [step.as_json() for step in self.acts],
        }
        if self.alone:
            return record
        return {
            **record,
            "hosts": {
                name: {
                    "changes": [change.as_json() for change in each.changes],
                    "acts": [step.as_json() for step in each.acts],
                }
                for name, each in self.hosts.items()
            },
        }


def done(found: Deployment | Foreseen) -> Deployment:
    """Return what a deploy or rollback that was no dry run came to, as what it is.

    Raises:
        TypeError: it was a dry run.
    """
    if isinstance(found, Foreseen):
        raise TypeError("nothing was deployed in a dry run")
    return found
