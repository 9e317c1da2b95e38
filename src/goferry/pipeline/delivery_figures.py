"""How deploys do, from what hosts recorded of them: the figures of `observe.delivery`, as docs/metrics.md defines them.

A fleet's deploy is one, by its trace id, whatever the number of its hosts.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from goferry.deploy.past_deploys import PastDeploy, shown_time
from goferry.observe.delivery import SHOWN, Delivery, DeliveryEntry, Spread, Totals

DEPLOY, BACK = "deploy", "rollback"
"""Kinds of transactions that count."""


class FleetDeploy(Struct, frozen=True):
    """One deploy or rollback on all of its hosts.

    Attributes:
        releases: (service, sequence) of what it brought. before: the same of what served. versions: of all services.
        exposed: when its first host had traffic, milliseconds since the epoch; 0 for none, or where nobody noted it.
        live: when its last host had; else when it ended. ended: on the last host.
        committed_at: of its commit, seconds since the epoch, 0 where that is not known.
        failed, recovered: whether it counts as a failed change, and when the next good version had the traffic.
        first: whether its release came into service for the first time.
    """

    project: str
    kind: str
    outcome: str
    hosts: int
    releases: frozenset[tuple[str, int]]
    before: frozenset[tuple[str, int]]
    versions: tuple[str, ...]
    exposed: int
    live: int
    ended: int
    committed_at: int
    failed: bool = False
    recovered: int = 0
    first: bool = False

    @property
    def lead_seconds(self) -> float | None:
        """From its commit to its traffic; None where that is not known, or it was there before."""
        seconds = self.live / 1000 - self.committed_at
        return seconds if self.first and self.committed_at and self.outcome == "committed" and seconds >= 0 else None

    @property
    def recovery_seconds(self) -> float | None:
        """From its traffic to the next good one's; None where nothing is to be recovered from, or was not yet."""
        known = self.failed and 0 < self.exposed <= self.recovered
        return (self.recovered - self.exposed) / 1000 if known else None

    @property
    def had_traffic(self) -> bool:
        """Whether it is a deployment: one that was given up before is none."""
        return self.kind == DEPLOY and self.outcome in ("committed", "rolled-back")


def of_fleets(deploys: Iterable[PastDeploy]) -> list[FleetDeploy]:
    """Return each deploy once, the oldest first."""
    groups: dict[tuple[str, str, str], list[PastDeploy]] = {}
    for each in sorted(deploys, key=lambda each: (each.ended, each.number)):
        # The first agents were sent no trace; a transaction's id is the same on every host too.
        groups.setdefault((each.project, each.kind, each.trace or each.id), []).append(each)
    # What a client brought back as another host had failed is a rollback to that host, and a part of that deploy's end.
    found = []
    for (project, kind, trace), parts in groups.items():
        back = groups.get((project, BACK, trace), []) if kind == DEPLOY else []
        if kind != BACK or (project, DEPLOY, trace) not in groups:
            found.append(_joined(parts, back))
    return sorted(found, key=lambda each: each.ended)


def _joined(parts: Sequence[PastDeploy], back: Sequence[PastDeploy]) -> FleetDeploy:
    outcomes = {each.outcome for each in parts} | {"rolled-back" for each in back if each.outcome == "committed"}
    # All go together, so one host that had to go back makes it a failure of the whole.
    outcome = next((each for each in ("rolled-back", "committed") if each in outcomes), "aborted")
    switched = [each.switched for each in parts if each.switched]
    ended = max(each.ended for each in (*parts, *back))
    changes = [change for each in parts for change in each.changes]
    return FleetDeploy(
        project=parts[0].project,
        kind=parts[0].kind,
        outcome=outcome,
        hosts=len({each.host for each in parts}),
        releases=frozenset((change.service, change.sequence) for change in changes),
        before=frozenset((change.service, change.before_sequence) for change in changes),
        versions=tuple(sorted({change.to for change in changes} - {""})),
        exposed=min(switched, default=0),
        live=max(switched, default=ended),
        ended=ended,
        committed_at=max(each.committed_at for each in parts),
    )


def judged(deploys: Sequence[FleetDeploy]) -> list[FleetDeploy]:
    """Return the deploys of one project with what became of each: whether it failed, and what mended it."""
    found = list(deploys)
    seen: set[tuple[str, int]] = set()
    for at, each in enumerate(found):
        if each.had_traffic and each.outcome == "rolled-back":
            # It went back by itself, and its end is the end of the way back.
            found[at] = replace(each, failed=True, recovered=each.ended)
        elif each.had_traffic:
            found[at] = replace(each, first=not each.releases <= seen)
            seen |= each.releases
        elif each.kind == BACK and each.outcome == "committed":
            undone = _undone(found[:at], each)
            if undone >= 0 and not found[undone].failed:
                found[undone] = replace(found[undone], failed=True, recovered=each.live)
    return found


def _undone(earlier: Sequence[FleetDeploy], rollback: FleetDeploy) -> int:
    """Return which deployment brought what a rollback leaves: the newest that stayed; -1 for none."""
    after = dict(rollback.releases)
    # Forward again, after a rollback that was none of the newer version's fault, blames nothing.
    left = {(service, number) for service, number in rollback.before if after.get(service, 0) <= number}
    found = (
        at
        for at, each in enumerate(earlier)
        if each.had_traffic and each.outcome == "committed" and each.releases & left
    )
    return max(found, default=-1)


def figures(deploys: Iterable[PastDeploy], *, now: float, seconds: float) -> list[Delivery]:
    """Return each project's figures of the last `seconds` until `now`, in the order of their names."""
    projects: dict[str, list[FleetDeploy]] = {}
    for each in of_fleets(deploys):
        projects.setdefault(each.project, []).append(each)
    return [_figures(name, judged(found), now, seconds) for name, found in sorted(projects.items())]


def _figures(project: str, found: Sequence[FleetDeploy], now: float, seconds: float) -> Delivery:
    inside = [each for each in found if (now - seconds) * 1000 <= each.ended]
    deployments = [each for each in inside if each.had_traffic]
    return Delivery(
        project=project,
        seconds=seconds,
        window=_totals(inside),
        ever=_totals(found),
        failed=sum(each.failed for each in deployments),
        lead_time=_spread(each.lead_seconds for each in deployments),
        recovery_time=_spread(each.recovery_seconds for each in deployments),
        last=max((each.ended / 1000 for each in found if each.had_traffic), default=0.0),
        recent=tuple(_entry(each) for each in found if each.kind == DEPLOY)[-SHOWN:],
    )


def _totals(found: Iterable[FleetDeploy]) -> Totals:
    every = list(found)
    deploys = [each for each in every if each.kind == DEPLOY]
    counts = {outcome: sum(each.outcome == outcome for each in deploys) for outcome in ("committed", "rolled-back")}
    return Totals(
        committed=counts["committed"],
        rolled_back=counts["rolled-back"],
        aborted=len(deploys) - sum(counts.values()),
        rollbacks=sum(each.kind == BACK and each.outcome == "committed" for each in every),
    )


def _spread(values: Iterable[float | None]) -> Spread | None:
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    # Nearest rank: a time that was measured, and none between two of them.
    return Spread(len(known), statistics.median(known), known[math.ceil(0.9 * len(known)) - 1])


def _entry(each: FleetDeploy) -> DeliveryEntry:
    return DeliveryEntry(
        at=shown_time(each.ended),
        what=", ".join(each.versions),
        hosts=each.hosts,
        outcome=each.outcome,
        failed=each.failed,
        lead_seconds=each.lead_seconds,
        recovery_seconds=each.recovery_seconds,
    )
