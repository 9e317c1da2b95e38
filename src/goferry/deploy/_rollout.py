"""A rollout: the pure machine `decide(fleet, event) → (fleet, asks)`; a `Performer` does what is asked.

Several hosts go as one: all are prepared before any is switched, and either all are committed or all go back.

    START ─ PREPARE ┬ SWITCH ──────┬ COMMIT ────┬──────────────────────────────────────────── END   all committed
                    ├ ABORT ─ END  └ UNDO ┐     └ RECHECK ┬────────────────────────────────── END   it came to that
                    ├ SHOW ── END         │               └ BRING_BACK ┐
                    └ END (dry run)       └────────────────────────────┴ SETTLE ───────────── END

A phase begins by asking the hosts that ENTERS names, all at once, and is over when none of them works any more;
FOLLOWS says what comes next. How an event changes its host is in MOVES (`_rollout_table`). A host that waits for the
others is greeted at each TICK, so that it does not give up on this client. Three rules go beyond one host:

    PREPARE   the others wait until the first host has its lock: fleets that share that host then queue there
    SWITCH    when one host fails, those that still watch theirs are let go at once, so that none serves a version to
              the end of its watch that was found bad elsewhere; not where silence commits
    RECHECK, SETTLE   a host whose state is unknown is looked at over a new connection, which also lets it recover;
              while its lock is held it is looked at again, since the holder may be our own transaction

Nothing is remembered here that the hosts do not know: if this client crashes they follow `on_silence`, and running the
command again brings them to one version. A host whose connection was lost is only looked at.

Waves and a canary fleet are data for this machine: a list of groups of hosts instead of `hosts`, and `ENTERS` asks
those of the group whose turn it is; after COMMIT (or a watch that the canary asks for) PREPARE follows for the next
group, and a failure in any group leads to UNDO in that group and BRING_BACK in those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from goferry.deploy._rollout_table import (
    BEFORE_LOCK,
    ENTERS,
    FAILURES,
    IDLE,
    MOVES,
    OUTCOMES,
    AskKind,
    EventKind,
    HostOutcome,
    Phase,
    RolloutState,
)
from goferry.deploy.answers import Committed, Prepared, Switched
from goferry.deploy.live import Status
from goferry.kernel.errors import GoferryError
from goferry.kernel.outcomes import ClientSilent

Answer = Prepared | Switched | Committed | Status | int | None
"""What an ask can bring: a host's answer, the bytes that were uploaded, or nothing."""


class Ask(Struct, frozen=True):
    """One thing for the performer to do; `host` is empty for a timer of the whole fleet."""

    act: AskKind
    host: str = ""


class RolloutEvent(Struct, frozen=True):
    """One thing that happened, to `host` or to the fleet; `failure` is a host's error, or says how it was lost."""

    kind: EventKind
    host: str = ""
    answer: Answer = None
    failure: GoferryError | None = None


class Host(Struct, frozen=True):
    """What is known about one host.

    Attributes:
        prepared, switched, committed: its answers; None before. uploaded: bytes that were sent, None when none were.
        failure: what ended it here, if anything did.
        lost: its connection is gone. let_go: it was hung up on, because of another host. greeted: it has yet to reply.
    """

    name: str
    state: RolloutState = RolloutState.NEW
    prepared: Prepared | None = None
    switched: Switched | None = None
    committed: Committed | None = None
    uploaded: int | None = None
    failure: GoferryError | None = None
    lost: bool = False
    let_go: bool = False
    greeted: bool = False

    @property
    def outcome(self) -> HostOutcome:
        """How it ended; empty while it is open."""
        return OUTCOMES.get(self.state, HostOutcome.OPEN)

    @property
    def works(self) -> bool:
        """Whether it has yet to answer something."""
        return self.greeted or self.state not in IDLE

    @property
    def reached(self) -> bool:
        """Whether there is a connection over which it can be asked."""
        return self.state not in (RolloutState.NEW, RolloutState.CONNECTING, RolloutState.FAILED) and not (
            self.lost or self.let_go
        )


class Rollout(Struct, frozen=True):
    """The state of a change to several hosts.

    Attributes:
        hosts: in the order in which fleets lock them. on_silence: `rollback` or `commit`.
        uploads: whether something is sent before a host prepares. dry_run: it ends where the switch would be.
        locked: the first host has its lock. late: time is up for looking at a busy host again in this phase.
    """

    hosts: tuple[Host, ...]
    on_silence: str = "rollback"
    uploads: bool = True
    dry_run: bool = False
    phase: Phase = Phase.START
    locked: bool = False
    late: bool = False

    def host(self, name: str) -> Host:
        """Return one host."""
        return next(each for each in self.hosts if each.name == name)

    def having(self, *hosts: Host) -> Rollout:
        """Return the rollout with these hosts in place of those of their names."""
        known = {each.name: each for each in hosts}
        return replace(self, hosts=tuple(known.get(each.name, each) for each in self.hosts))

    def among(self, *states: RolloutState) -> list[Host]:
        """Return the hosts that are in any of these states."""
        return [each for each in self.hosts if each.state in states]

    @property
    def restarts(self) -> bool:
        """Whether it brings up what serves already."""
        changes = [change for host in self.hosts if host.prepared for change in host.prepared.changes]
        return bool(changes) and all(change.restarts for change in changes)

    @property
    def failed(self) -> list[Host]:
        """The hosts that failed."""
        return [each for each in self.hosts if each.failure is not None]


Asks = tuple[Ask, ...]
Condition = Callable[[Rollout], object]


class IllegalRolloutEvent(ValueError):
    """The event answers nothing that was asked of the host."""


def _always(_: Rollout) -> bool:
    return True


def _divided(fleet: Rollout) -> bool:
    # With a host unknown, bringing the others back might not end the split, so that is left to a person.
    # After a restart both serve one release, and the values that the one had before are gone.
    return bool(fleet.among(RolloutState.COMMITTED) and fleet.among(RolloutState.ROLLED_BACK)) and not (
        fleet.among(RolloutState.UNKNOWN) or fleet.restarts
    )


FOLLOWS: Mapping[Phase, tuple[tuple[Condition, Phase], ...]] = {
    Phase.START: ((_always, Phase.PREPARE),),
    Phase.PREPARE: (
        (lambda fleet: fleet.failed, Phase.ABORT),
        (lambda fleet: fleet.dry_run, Phase.END),
        (lambda fleet: fleet.among(RolloutState.PREPARED), Phase.SWITCH),
        # Nothing is prepared anywhere: all hosts serve the release, and are only asked what to report.
        (_always, Phase.SHOW),
    ),
    Phase.ABORT: ((_always, Phase.END),),
    Phase.SHOW: ((_always, Phase.END),),
    Phase.SWITCH: ((lambda fleet: fleet.failed, Phase.UNDO), (_always, Phase.COMMIT)),
    # A host that was let go during its watch is still unknown here: only another look tells how it settled.
    Phase.UNDO: ((_always, Phase.SETTLE),),
    Phase.COMMIT: ((lambda fleet: fleet.among(RolloutState.UNKNOWN), Phase.RECHECK), (_always, Phase.END)),
    Phase.RECHECK: ((_divided, Phase.BRING_BACK), (_always, Phase.END)),
    Phase.BRING_BACK: ((_always, Phase.SETTLE),),
    Phase.SETTLE: ((_always, Phase.END),),
}
"""Phase → what comes when none of its hosts works any more: the first whose condition holds."""


def decide(fleet: Rollout, event: RolloutEvent) -> tuple[Rollout, Asks]:
    """Return the rollout after `event`, and what is to be done then.

    Raises:
        IllegalEvent: it answers nothing that was asked.
    """
    if fleet.phase is Phase.END:
        return fleet, ()
    fleet, asks = _HANDLERS[event.kind](fleet, event)
    fleet, more = _go_on(fleet)
    return fleet, (*asks, *more)


def _go_on(fleet: Rollout) -> tuple[Rollout, Asks]:
    """Begin the next phase when nobody works any more, and the one after it when nobody is to be asked in that."""
    asks: list[Ask] = []
    while fleet.phase is not Phase.END and not any(host.works for host in fleet.hosts):
        phase = next(phase for condition, phase in FOLLOWS[fleet.phase] if condition(fleet))
        if fleet.phase is Phase.PREPARE and phase is not Phase.ABORT:
            prepared = fleet.among(RolloutState.PREPARED)
            asks += [Ask(AskKind.WARN, each.name) for each in prepared if each.prepared and each.prepared.no_way_back]
        # A clock of an earlier look may have run out in between; it must not cut the next look short.
        fleet = replace(fleet, phase=phase, late=False)
        if phase in ENTERS:
            before, state, act = ENTERS[phase]
            asked = [each for each in fleet.among(before) if act in (AskKind.CONNECT, AskKind.LOOK) or each.reached]
            asks += [Ask(act, each.name) for each in asked]
            asks += [Ask(AskKind.AWAIT_RECOVERY)] if act is AskKind.LOOK and asked else []
            fleet = fleet.having(*(replace(each, state=state) for each in asked))
    return fleet, tuple(asks)


def _begun(fleet: Rollout, _event: RolloutEvent) -> tuple[Rollout, Asks]:
    return fleet, ()


def _answered(fleet: Rollout, event: RolloutEvent) -> tuple[Rollout, Asks]:
    """Handle the result of an ask."""
    host = fleet.host(event.host)
    if (host.state, event.kind) not in MOVES or not host.works:
        raise IllegalRolloutEvent(f"{event.kind} of {host.name}, which is {host.state.name}")
    # The lock may be held by our own transaction, still on its way: what serves now need not stay.
    if host.state is RolloutState.LOOKING and isinstance(event.answer, Status) and event.answer.busy:
        if not fleet.late:
            return fleet, (Ask(AskKind.LOOK_AGAIN, host.name),)
        # Busy to the end: without an answer the host stays unknown, which is all that can be said of it.
        event = replace(event, answer=None)
    after = _take(_moved(host, event), event.answer)
    fleet, asks = _let_through(fleet.having(after))
    if fleet.host(host.name).state is RolloutState.WAITING:
        asks += (Ask(AskKind.AWAIT_LOCK, host.name),)
    if host.state is RolloutState.UPLOADING and after.state is RolloutState.PREPARING:
        asks += (Ask(AskKind.PREPARE, host.name),)
    # The agent reads no request while it watches, but it notices at once when its client is gone: so hosts
    # are hung up on. Where silence commits that would keep the bad version: there they are aborted later.
    if fleet.phase is Phase.SWITCH and event.kind in FAILURES and fleet.on_silence != "commit":
        watching = [each for each in fleet.among(RolloutState.SWITCHING) if each.reached]
        fleet = fleet.having(*(replace(each, let_go=True) for each in watching))
        asks += tuple(Ask(AskKind.HANG_UP, each.name) for each in watching)
    return fleet, asks


def _moved(host: Host, event: RolloutEvent) -> Host:
    """Return the host after the answer to the last ask; its first failure is the one that is kept."""
    looking, failure = host.state is RolloutState.LOOKING, host.failure or event.failure
    went = event.kind is EventKind.UNDONE and event.failure and event.failure.facts.get("cause") == ClientSilent.name
    if looking or (host.let_go and went):  # it did what we let it go for, so it is not what failed
        failure = host.failure
    lost = host.lost or (event.kind is EventKind.LOST and not looking)
    return replace(host, state=MOVES[host.state, event.kind], greeted=False, failure=failure, lost=lost)


def _take(host: Host, answer: Answer) -> Host:
    """Return a host that moved, with what its answer says filled in."""
    match answer:
        case Prepared():
            return replace(host, prepared=answer, state=RolloutState.UNCHANGED if answer.unchanged else host.state)
        case Switched():
            # When the watch ended just as we hung up, the answer does not say what the host did then.
            return replace(host, switched=answer, state=RolloutState.UNKNOWN if host.let_go else host.state)
        case Committed():
            return replace(host, committed=answer)
        case Status() if host.state is RolloutState.UNCHANGED:
            return replace(host, committed=Committed(services=answer.of(_project(host))))
        case Status():
            return _seen(host, answer)
        case int():
            return replace(host, uploaded=answer)
        case None:
            return host


def _seen(host: Host, status: Status) -> Host:
    """Return how a host ended, judged by the release that it serves now."""
    live = status.of(_project(host))
    serves = {each.service: each for each in live.values()}
    wanted = {change.service: change for change in host.prepared.changes} if host.prepared else {}
    # Only a host that serves all of it counts as deployed: not a part, nor another deploy's version.
    if not all(service in serves and change.serves(serves[service]) for service, change in wanted.items()):
        return replace(host, state=RolloutState.ROLLED_BACK)
    switched = host.switched or Switched()
    changed = {name: each for name, each in live.items() if each.service in wanted}
    done = Committed(switched.switch_ms, switched.gap_ms, changed)
    # What went wrong on the way, such as a line that was cut, does not count once the version serves.
    return replace(host, state=RolloutState.COMMITTED, failure=None, committed=done)


def _project(host: Host) -> str:
    return host.prepared.project if host.prepared else ""


def _locked(fleet: Rollout, _event: RolloutEvent) -> tuple[Rollout, Asks]:
    return _let_through(replace(fleet, locked=True))


def _let_through(fleet: Rollout) -> tuple[Rollout, Asks]:
    """Let the hosts go on that no longer have to wait for the lock; the first one never waits."""
    first = fleet.hosts[0]
    # A first host that failed, or was done before it reported its lock, must not hold the others back either.
    every = fleet.locked or first.state not in BEFORE_LOCK
    return _begin(fleet, [each for each in fleet.among(RolloutState.WAITING) if every or each is first])


def _begin(fleet: Rollout, hosts: list[Host]) -> tuple[Rollout, Asks]:
    state, act = (
        (RolloutState.UPLOADING, AskKind.UPLOAD) if fleet.uploads else (RolloutState.PREPARING, AskKind.PREPARE)
    )
    return fleet.having(*(replace(each, state=state) for each in hosts)), tuple(Ask(act, each.name) for each in hosts)


def _timed_out(fleet: Rollout, event: RolloutEvent) -> tuple[Rollout, Asks]:
    if not event.host:
        return replace(fleet, late=True), ()
    # Clocks are never stopped: for a host that went on long ago this finds nothing to begin.
    return _begin(fleet, [each for each in fleet.among(RolloutState.WAITING) if each.name == event.host])


def _ticked(fleet: Rollout, _event: RolloutEvent) -> tuple[Rollout, Asks]:
    """Greet the hosts that wait for the others."""
    waiting = [
        each for each in fleet.among(RolloutState.PREPARED, RolloutState.SWITCHED) if not (each.greeted or each.failure)
    ]
    # One greeting at a time: a host that is slow to answer must not be sent one after the other.
    greeted = fleet.having(*(replace(each, greeted=True) for each in waiting))
    return greeted, tuple(Ask(AskKind.HELLO, each.name) for each in waiting)


def _interrupted(fleet: Rollout, _event: RolloutEvent) -> tuple[Rollout, Asks]:
    """Hang up on all hosts; each follows `on_silence`."""
    # Nothing is awaited here: the performer waits for each agent as it closes the connections.
    return replace(fleet, phase=Phase.END), tuple(
        Ask(AskKind.HANG_UP, each.name) for each in fleet.hosts if each.reached
    )


_HANDLERS: Mapping[EventKind, Callable[[Rollout, RolloutEvent], tuple[Rollout, Asks]]] = {
    EventKind.BEGIN: _begun,
    **dict.fromkeys((EventKind.ANSWERED, *FAILURES), _answered),
    EventKind.LOCKED: _locked,
    EventKind.TIMED_OUT: _timed_out,
    EventKind.TICK: _ticked,
    EventKind.INTERRUPTED: _interrupted,
}
