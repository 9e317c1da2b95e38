"""Which release each service would go back to, from what the host holds alone; pure. host.history says what is held."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Callable, NamedTuple

from goferry.host import history
from goferry.host.deploy_plan import between
from goferry.host.history import HistoryEntry
from goferry.host.state import State
from goferry.kernel.errors import printable
from goferry.kernel.machine import Change
from goferry.kernel.outcomes import NothingToRollBackTo
from goferry.kernel.protocol import Request


class RollbackWanted(NamedTuple):
    """What a rollback is to bring back.

    Attributes:
        services: these alone; else, without a release, those that were deployed last, and with one all that it has.
        version: a release that the services' histories hold, the newest of that version.
        sequence: that release exactly; 0 and an empty version: each service's version before.
    """

    services: Sequence[str] = ()
    version: str = ""
    sequence: int = 0

    @classmethod
    def of(cls, request: Request) -> RollbackWanted:
        """Return what a request asks for."""
        return cls(request.services, request.to, request.sequence)

    def means(self, entry: HistoryEntry) -> bool:
        """Whether it is the release."""
        return entry.sequence == self.sequence if self.sequence else entry.version == self.version

    @property
    def shown(self) -> str:
        """The release for a message."""
        return printable(self.version or f"of sequence {self.sequence}", 80)


ServicesOf = Callable[[str, int], Collection[str]]
"""(service, sequence) → the services that this stored release declares."""


def plan(
    states: Mapping[str, State], wanted: RollbackWanted, services_of: ServicesOf = lambda _name, _sequence: ()
) -> list[Change]:
    """Return one change for each service that goes back; none where the release that is wanted serves already.

    `states` are those of every service of the project; `services_of` looks into the store.

    Raises:
        NothingToRollBackTo: when a service does not have it.
    """
    named = wanted.version or wanted.sequence
    targets = _named(states, wanted, services_of) if named else _steps(states, wanted.services)
    return [_change(name, states[name], target) for name, target in sorted(targets.items())]


def _steps(states: Mapping[str, State], wanted: Sequence[str]) -> dict[str, HistoryEntry]:
    """Return each service's version before."""
    able = {name: target for name, state in states.items() for target in [_before(state)] if target}
    missing = [name for name in wanted if name not in able]
    if missing or not able:
        who = _names(missing or sorted(states)) or "this target"
        raise _nothing(f"{who} has no earlier version to go back to", states, missing or [*states])
    last = max(_sequence(states[name]) for name in able)
    return {name: able[name] for name in wanted or able if wanted or _sequence(states[name]) == last}


def _sequence(state: State) -> int:
    return state.live.sequence if state.live else 0


def _before(state: State) -> HistoryEntry | None:
    return history.before(state.history, _sequence(state)) if state.live and state.running >= 0 else None


def _named(states: Mapping[str, State], wanted: RollbackWanted, services_of: ServicesOf) -> dict[str, HistoryEntry]:
    """Return the release that is wanted, by service; those that serve it already are left out."""
    asked = [name for name in states if name in (wanted.services or states)]
    held = [(entry.sequence, name) for name in asked for entry in states[name].history if wanted.means(entry)]
    if not held:
        raise _nothing(f"no release {wanted.shown} is held here", states, asked or [*states])
    sequence, first = max(held)
    having = {name for number, name in held if number == sequence}
    missing = sorted({*(wanted.services or services_of(first, sequence))} - having)
    if missing:
        raise _nothing(f"release {wanted.shown} of {_names(missing)} is not held here", states, missing, having)
    found = {name: history.find(states[name].history, sequence) for name in having}
    return {name: entry for name, entry in found.items() if entry and not _serves(states[name], sequence)}


def _serves(state: State, sequence: int) -> bool:
    return bool(state.live) and _sequence(state) == sequence and state.running >= 0


def _change(name: str, state: State, target: HistoryEntry) -> Change:
    live = state.live
    return between(
        name,
        mode=target.mode,
        # The version goes back, the place does not: the port of now, unless the kind is another.
        port=live.port if live and live.mode == target.mode else target.port,
        state=state,
        sequence=target.sequence,
        version=target.version,
        sha256=target.sha256,
    )


def _nothing(
    what: str, states: Mapping[str, State], names: Collection[str], having: Collection[str] = ()
) -> NothingToRollBackTo:
    """Return the error, with what is held of the services in `names`; those in `having` could go back alone."""
    held = {name: [entry.version for entry in states[name].history] for name in sorted(names) if name in states}
    lines = [f"  {name}: {printable(', '.join(versions))}" for name, versions in held.items() if versions]
    others = any(not _serves(states[name], entry.sequence) for name in held for entry in states[name].history)
    alone = "".join(f" --service {name}" for name in sorted(having))
    return NothingToRollBackTo(
        what,
        state="\n".join(["Nothing was changed.", *(["Held here, the newest first:", *lines] if lines else [])]),
        advice=[
            *([f"take those alone that have it:  goferry rollback --to VERSION{alone}"] if having else []),
            *(["name a version that is held:  goferry rollback --to VERSION"] if others else []),
            "deploy the release that you want:  goferry deploy DIST",
        ],
        held=held,
    )


def _names(services: Collection[str]) -> str:
    return printable(", ".join(sorted(services)))
