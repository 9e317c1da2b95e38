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


class State(Enum):
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


class Act(StrEnum):
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


class Kind(StrEnum):
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


class Outcome(StrEnum):
    """What came of a host, as the record says it."""

    OPEN = ""
    DEPLOYED = "deployed"
    UNCHANGED = "unchanged"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled-back"
    FAILED = "failed"
    UNKNOWN = "unknown"


OUTCOMES: Mapping[State, Outcome] = {
    State.COMMITTED: Outcome.DEPLOYED,
    State.UNCHANGED: Outcome.UNCHANGED,
    State.ABORTED: Outcome.ABORTED,
    State.ROLLED_BACK: Outcome.ROLLED_BACK,
    State.FAILED: Outcome.FAILED,
    State.UNKNOWN: Outcome.UNKNOWN,
}
"""The states in which a host's course can end; any other one is still open."""

FAILURES = (Kind.REFUSED, Kind.UNDONE, Kind.LOST)
BEFORE_LOCK = (State.NEW, State.CONNECTING, State.WAITING, State.UPLOADING, State.PREPARING)
IDLE = (State.NEW, State.PREPARED, State.SWITCHED, *OUTCOMES)
"""The states in which nothing is asked of a host but a greeting; in any other one it works."""

MOVES: Mapping[tuple[State, Kind], State] = {
    (State.CONNECTING, Kind.ANSWERED): State.WAITING,
    (State.UPLOADING, Kind.ANSWERED): State.PREPARING,
    (State.PREPARING, Kind.ANSWERED): State.PREPARED,  # or UNCHANGED, as the host says
    **{
        (state, kind): State.FAILED
        for state in (State.CONNECTING, State.UPLOADING, State.PREPARING)
        for kind in FAILURES
    },
    (State.PREPARED, Kind.ANSWERED): State.PREPARED,  # greeted
    (State.PREPARED, Kind.REFUSED): State.PREPARED,  # what is open there can still be aborted
    (State.PREPARED, Kind.UNDONE): State.PREPARED,
    (State.PREPARED, Kind.LOST): State.ABORTED,  # without us it goes no further
    **{(State.ABORTING, kind): State.ABORTED for kind in (Kind.ANSWERED, *FAILURES)},
    **{(State.SHOWING, kind): State.UNCHANGED for kind in (Kind.ANSWERED, *FAILURES)},
    (State.SWITCHING, Kind.ANSWERED): State.SWITCHED,  # or UNKNOWN, when it was let go meanwhile
    (State.SWITCHING, Kind.UNDONE): State.ROLLED_BACK,
    (State.SWITCHED, Kind.ANSWERED): State.SWITCHED,  # greeted
    (State.SWITCHED, Kind.UNDONE): State.ROLLED_BACK,
    **{
        (state, kind): State.UNKNOWN
        for state in (State.SWITCHING, State.SWITCHED)
        for kind in (Kind.REFUSED, Kind.LOST)
    },
    (State.UNDOING, Kind.ANSWERED): State.ROLLED_BACK,
    **{(State.UNDOING, kind): State.UNKNOWN for kind in FAILURES},
    (State.COMMITTING, Kind.ANSWERED): State.COMMITTED,
    **{(State.COMMITTING, kind): State.UNKNOWN for kind in FAILURES},
    **{(State.LOOKING, kind): State.UNKNOWN for kind in (Kind.ANSWERED, *FAILURES)},  # or what is seen to serve
    (State.BRINGING_BACK, Kind.ANSWERED): State.ROLLED_BACK,
    (State.BRINGING_BACK, Kind.REFUSED): State.COMMITTED,
    (State.BRINGING_BACK, Kind.UNDONE): State.COMMITTED,
    (State.BRINGING_BACK, Kind.LOST): State.UNKNOWN,
}
"""What the answer to the last ask makes of a host, by what the host was doing; see `_take` for what an answer adds."""

ENTERS: Mapping[Phase, tuple[State, State, Act]] = {
    Phase.PREPARE: (State.NEW, State.CONNECTING, Act.CONNECT),
    Phase.ABORT: (State.PREPARED, State.ABORTING, Act.ABORT),
    Phase.SHOW: (State.UNCHANGED, State.SHOWING, Act.SHOW),
    Phase.SWITCH: (State.PREPARED, State.SWITCHING, Act.SWITCH),
    Phase.UNDO: (State.SWITCHED, State.UNDOING, Act.ABORT),
    Phase.COMMIT: (State.SWITCHED, State.COMMITTING, Act.COMMIT),
    Phase.RECHECK: (State.UNKNOWN, State.LOOKING, Act.LOOK),
    Phase.BRING_BACK: (State.COMMITTED, State.BRINGING_BACK, Act.BRING_BACK),
    Phase.SETTLE: (State.UNKNOWN, State.LOOKING, Act.LOOK),
}
"""Phase → which hosts are asked as it begins, what they do then, and what they are asked."""
