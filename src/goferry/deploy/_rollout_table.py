"""The table of a rollout: a fleet's phases, a host's states, and what leads from one to the next (`rollout`)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum, auto


class Phase(Enum):
    """Where the whole fleet is."""

    START = auto()
    PREPARE = auto()
    ABORT = auto()
    SHOW = auto()
    SWITCH = auto()
    UNDO = auto()
    COMMIT = auto()
    RECHECK = auto()
    BRING_BACK = auto()
    SETTLE = auto()
    END = auto()


class RolloutState(Enum):
    """Where one host is."""

    NEW = auto()
    CONNECTING = auto()
    WAITING = auto()
    UPLOADING = auto()
    PREPARING = auto()
    PREPARED = auto()
    UNCHANGED = auto()
    SHOWING = auto()
    ABORTING = auto()
    ABORTED = auto()
    FAILED = auto()
    SWITCHING = auto()
    SWITCHED = auto()
    UNDOING = auto()
    ROLLED_BACK = auto()
    COMMITTING = auto()
    COMMITTED = auto()
    UNKNOWN = auto()
    LOOKING = auto()
    BRINGING_BACK = auto()


class AskKind(StrEnum):
    """What can be asked of the performer; the last two are clocks that end in TIMED_OUT."""

    CONNECT = auto()
    UPLOAD = auto()
    PREPARE = auto()
    WARN = auto()
    SWITCH = auto()
    COMMIT = auto()
    ABORT = auto()
    HELLO = auto()
    SHOW = auto()
    HANG_UP = auto()
    LOOK = auto()
    LOOK_AGAIN = auto()
    BRING_BACK = auto()
    AWAIT_LOCK = auto()
    AWAIT_RECOVERY = auto()


class EventKind(StrEnum):
    """What can happen: an ask was answered, refused, undone by the host itself, or lost; the others answer nothing."""

    BEGIN = auto()
    ANSWERED = auto()
    REFUSED = auto()
    UNDONE = auto()
    LOST = auto()
    LOCKED = auto()
    TIMED_OUT = auto()
    TICK = auto()
    INTERRUPTED = auto()


class HostOutcome(StrEnum):
    """How a host ended, as the record says it."""

    OPEN = ""
    DEPLOYED = "deployed"
    UNCHANGED = "unchanged"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled-back"
    FAILED = "failed"
    UNKNOWN = "unknown"


OUTCOMES: Mapping[RolloutState, HostOutcome] = {
    RolloutState.COMMITTED: HostOutcome.DEPLOYED,
    RolloutState.UNCHANGED: HostOutcome.UNCHANGED,
    RolloutState.ABORTED: HostOutcome.ABORTED,
    RolloutState.ROLLED_BACK: HostOutcome.ROLLED_BACK,
    RolloutState.FAILED: HostOutcome.FAILED,
    RolloutState.UNKNOWN: HostOutcome.UNKNOWN,
}
"""The states in which a host can end; any other one is still open."""

FAILURES = (EventKind.REFUSED, EventKind.UNDONE, EventKind.LOST)
BEFORE_LOCK = (
    RolloutState.NEW,
    RolloutState.CONNECTING,
    RolloutState.WAITING,
    RolloutState.UPLOADING,
    RolloutState.PREPARING,
)
IDLE = (RolloutState.NEW, RolloutState.PREPARED, RolloutState.SWITCHED, *OUTCOMES)
"""The states in which a host is asked nothing but a greeting; in any other one it is working."""

MOVES: Mapping[tuple[RolloutState, EventKind], RolloutState] = {
    (RolloutState.CONNECTING, EventKind.ANSWERED): RolloutState.WAITING,
    (RolloutState.UPLOADING, EventKind.ANSWERED): RolloutState.PREPARING,
    (RolloutState.PREPARING, EventKind.ANSWERED): RolloutState.PREPARED,  # or UNCHANGED, as the host says
    **{
        (state, kind): RolloutState.FAILED
        for state in (RolloutState.CONNECTING, RolloutState.UPLOADING, RolloutState.PREPARING)
        for kind in FAILURES
    },
    (RolloutState.PREPARED, EventKind.ANSWERED): RolloutState.PREPARED,  # greeted
    (RolloutState.PREPARED, EventKind.REFUSED): RolloutState.PREPARED,  # what is open there can still be aborted
    (RolloutState.PREPARED, EventKind.UNDONE): RolloutState.PREPARED,
    (RolloutState.PREPARED, EventKind.LOST): RolloutState.ABORTED,  # without us it goes no further
    **{(RolloutState.ABORTING, kind): RolloutState.ABORTED for kind in (EventKind.ANSWERED, *FAILURES)},
    **{(RolloutState.SHOWING, kind): RolloutState.UNCHANGED for kind in (EventKind.ANSWERED, *FAILURES)},
    (RolloutState.SWITCHING, EventKind.ANSWERED): RolloutState.SWITCHED,  # or UNKNOWN, when it was let go meanwhile
    # Of a switch only `rolled-back` proves that traffic is where it was; any other error leaves it open.
    (RolloutState.SWITCHING, EventKind.UNDONE): RolloutState.ROLLED_BACK,
    (RolloutState.SWITCHED, EventKind.ANSWERED): RolloutState.SWITCHED,  # greeted
    (RolloutState.SWITCHED, EventKind.UNDONE): RolloutState.ROLLED_BACK,
    **{
        (state, kind): RolloutState.UNKNOWN
        for state in (RolloutState.SWITCHING, RolloutState.SWITCHED)
        for kind in (EventKind.REFUSED, EventKind.LOST)
    },
    (RolloutState.UNDOING, EventKind.ANSWERED): RolloutState.ROLLED_BACK,
    **{(RolloutState.UNDOING, kind): RolloutState.UNKNOWN for kind in FAILURES},
    (RolloutState.COMMITTING, EventKind.ANSWERED): RolloutState.COMMITTED,
    # Also a refusal: the agent may have written the commit and have failed while it made its answer.
    **{(RolloutState.COMMITTING, kind): RolloutState.UNKNOWN for kind in FAILURES},
    **{
        (RolloutState.LOOKING, kind): RolloutState.UNKNOWN for kind in (EventKind.ANSWERED, *FAILURES)
    },  # or what is seen to serve
    (RolloutState.BRINGING_BACK, EventKind.ANSWERED): RolloutState.ROLLED_BACK,
    # A way back that was refused, or was undone itself, leaves the host at what it had committed.
    (RolloutState.BRINGING_BACK, EventKind.REFUSED): RolloutState.COMMITTED,
    (RolloutState.BRINGING_BACK, EventKind.UNDONE): RolloutState.COMMITTED,
    (RolloutState.BRINGING_BACK, EventKind.LOST): RolloutState.UNKNOWN,
}
"""A host's next state, by its state and the kind of event; see `_take` for what an answer adds."""

ENTERS: Mapping[Phase, tuple[RolloutState, RolloutState, AskKind]] = {
    Phase.PREPARE: (RolloutState.NEW, RolloutState.CONNECTING, AskKind.CONNECT),
    Phase.ABORT: (RolloutState.PREPARED, RolloutState.ABORTING, AskKind.ABORT),
    Phase.SHOW: (RolloutState.UNCHANGED, RolloutState.SHOWING, AskKind.SHOW),
    Phase.SWITCH: (RolloutState.PREPARED, RolloutState.SWITCHING, AskKind.SWITCH),
    # Only hosts whose watch has ended; those that still watched were hung up on when the first one failed.
    Phase.UNDO: (RolloutState.SWITCHED, RolloutState.UNDOING, AskKind.ABORT),
    Phase.COMMIT: (RolloutState.SWITCHED, RolloutState.COMMITTING, AskKind.COMMIT),
    Phase.RECHECK: (RolloutState.UNKNOWN, RolloutState.LOOKING, AskKind.LOOK),
    Phase.BRING_BACK: (RolloutState.COMMITTED, RolloutState.BRINGING_BACK, AskKind.BRING_BACK),
    Phase.SETTLE: (RolloutState.UNKNOWN, RolloutState.LOOKING, AskKind.LOOK),
}
"""Phase → which hosts are asked as it begins, what they do then, and what they are asked."""
