"""The error of a rollout that did not end well: one for the whole fleet, with every host's part in it; pure."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from goferry.deploy._rollout import Host, Rollout
from goferry.deploy._rollout_table import HostOutcome, RolloutState
from goferry.deploy.answers import ServiceChange
from goferry.deploy.deployment import hosts_as_json
from goferry.kernel.errors import Failed, FleetSplit, GoferryError, RolledBack, Unreachable, printable
from goferry.kernel.outcomes import AgentLost

WELL = (RolloutState.COMMITTED, RolloutState.UNCHANGED)


def error(fleet: Rollout, stage: str) -> GoferryError | None:
    """Return what ends a rollout that is over, or None when it ended well; `stage` is the command.

    It is the most serious host's error with every host's part in it, or FleetSplit where the hosts may have ended
    differently.
    """
    if fleet.among(RolloutState.ABORTED, RolloutState.FAILED):
        return _of_worst(fleet, fleet.failed, "nothing was switched on any host")
    if len(fleet.among(RolloutState.UNCHANGED)) == len(fleet.hosts):
        return next((host.failure for host in fleet.failed), None)  # it was only asked what serves
    if fleet.dry_run or len(fleet.among(*WELL)) == len(fleet.hosts):
        return None
    # A single host can't be split from anything: its own error says more than FleetSplit would.
    if [host.outcome for host in fleet.hosts] == [HostOutcome.UNKNOWN]:
        return _of_lost(fleet, stage)
    if fleet.among(RolloutState.UNKNOWN, RolloutState.COMMITTED):
        return _of_divided(fleet, stage)
    return _of_worst(fleet, fleet.failed or fleet.hosts, "every host serves the version before")


def _of_worst(fleet: Rollout, failed: Sequence[Host], rest: str) -> GoferryError:
    """Return the most serious host's error, told for the whole fleet; `rest` says what serves elsewhere."""
    worst = max(failed, key=_weight)
    found = worst.failure or AgentLost(f"{worst.name} did not commit")
    what, state = found.what, found.state
    if len(fleet.hosts) > 1:
        # The messages of ssh name the host already; those of its agent can't, as it does not know that name.
        what = what if worst.name in what else f"{worst.name}: {what}"
        state = "\n".join([state, *_lines(fleet), f"So {rest}."]).lstrip("\n")
    return _for_all(found, fleet, worst.outcome or HostOutcome.FAILED, what=what, state=state)


def _weight(host: Host) -> tuple[bool, int]:
    """Rank a host by its failure: what the host itself decided counts more than a lost connection."""
    failure = host.failure
    kind = 0 if isinstance(failure, Unreachable) else 1 if isinstance(failure, Failed) else 2
    return isinstance(failure, RolledBack), kind


def _of_lost(fleet: Rollout, stage: str) -> GoferryError:
    """Return the failure of the only host when it is unknown what it serves."""
    (host,) = fleet.hosts
    found = host.failure or AgentLost(f"{host.name} did not answer")
    (line,) = _lines(fleet)
    return _for_all(found, fleet, HostOutcome.UNKNOWN, state=line, advice=tuple(_advice(fleet, stage)))


def _for_all(found: GoferryError, fleet: Rollout, outcome: str, **parts: object) -> GoferryError:
    """Return a host's error as the fleet's, with every host's part in its facts."""
    return retold(found, facts={**found.facts, "hosts": hosts_as_json(fleet.hosts), "outcome": str(outcome)}, **parts)


def retold(found: GoferryError, **parts: object) -> GoferryError:
    """Return a copy of an error, of its class and name, with other `what`, `state`, `advice` or `facts`."""
    # A copy, since the host's record shows the error in its own words beside what is said of the fleet.
    made = copy.copy(found)
    made.__dict__.update(parts)
    return made


def _of_divided(fleet: Rollout, stage: str) -> FleetSplit:
    return FleetSplit(
        "the hosts came to different ends: " + ", ".join(sorted({host.outcome for host in fleet.hosts})),
        state="\n".join(_lines(fleet)),
        advice=_advice(fleet, stage),
        hosts=hosts_as_json(fleet.hosts),
        outcome="split",
    )


def _advice(fleet: Rollout, stage: str) -> list[str]:
    """Return what to type; a rollback gets `--to`, for without it hosts that went back would go back again."""
    hosts = "".join(f" --host {host.name}" for host in fleet.hosts)
    again = "bring all to one version: run the same command again"
    if fleet.restarts:
        again = "start all with the values of now: run the same command again"
    if stage == "rollback":
        versions = {change.to for host in fleet.hosts for change in _changes(host)}
        to = printable(versions.pop(), 80) if len(versions) == 1 else "VERSION"
        again = f"bring all to one version:  goferry rollback --to {to} --target ssh{hosts}"
    return [again, f"see what serves on each:  goferry status --target ssh{hosts}"]


def _lines(fleet: Rollout) -> list[str]:
    """Return how each host ended, and what it serves."""
    reasons = {host.name: f" ({host.failure.what})" if host.failure else "" for host in fleet.hosts}
    return [f"{host.name}: {host.outcome}, {_serving(host)}{reasons[host.name]}" for host in fleet.hosts]


def _serving(host: Host) -> str:
    changes = _changes(host)
    if not changes:
        return "what served before serves"
    old = ", ".join(sorted({change.before or "nothing" for change in changes}))
    new = ", ".join(sorted({change.to for change in changes}))
    sentences = {HostOutcome.DEPLOYED: f"{new} serves", HostOutcome.UNKNOWN: f"{old} or {new} serves"}
    return sentences.get(host.outcome, f"{old} serves")


def _changes(host: Host) -> tuple[ServiceChange, ...]:
    return host.prepared.changes if host.prepared else ()
