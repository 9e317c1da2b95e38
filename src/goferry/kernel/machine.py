"""The deploy machine: a pure function `(transaction, event) → (transaction, acts)`; everything else performs the acts.

    IDLE ─begin→ STAGING ─staged→ VERIFIED ─started→ STARTED ─proven→ HEALTHY
                    │                │                  │                │ switch
                    └─ failed, abort, silence, recover ─┴────────┐       ▼
                                                                 │   SWITCHING      the `live` link is renamed here
                                       IDLE ←settled─ ABORTED ←──┘       │ pointed
                                                                         ▼
                                                                     SWITCHED       candidate accepts, old drains
                                                                         │ routed
    IDLE ←settled─ ROLLED_BACK ←returned─ ROLLING_BACK ←─ failed, ───    ▼
                                                          abort, …    BAKING        old stays warm
                                                                         │ baked, then commit
                                                                         ▼
    IDLE ←settled─ PRUNED ←retired───────────────────────────────── COMMITTED       old is stopped

An event is journalled and synced before its acts begin, so the journal's last line always names the acts that may have
been done in part. Every act is idempotent; `recover` before the switch undoes, after it goes back, and in a phase that
is already an ending does that phase's acts again. Before anything goes on with candidates that waited (`switch`,
`commit`, or a silence or recovery that commits), they are looked at once more, and one that is dead or ill makes a
`failed` of the event. `reach` asks the public address, after the switch and once more before the commit. Several
services of one release are one transaction and move together. A rollback is the same machine with a release that the
store holds already, and a restart with the one that serves.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

from goferry.kernel.fields import Fields

IDLE, STAGING, VERIFIED, STARTED, HEALTHY = "IDLE", "STAGING", "VERIFIED", "STARTED", "HEALTHY"
SWITCHING, SWITCHED, BAKING, COMMITTED, PRUNED = "SWITCHING", "SWITCHED", "BAKING", "COMMITTED", "PRUNED"
ABORTED, ROLLING_BACK, ROLLED_BACK = "ABORTED", "ROLLING_BACK", "ROLLED_BACK"

BEFORE_SWITCH = (STAGING, VERIFIED, STARTED, HEALTHY)
AFTER_SWITCH = (SWITCHING, SWITCHED, BAKING)
ENDINGS = (COMMITTED, PRUNED, ABORTED, ROLLING_BACK, ROLLED_BACK)
PHASES = (IDLE, *BEFORE_SWITCH, *AFTER_SWITCH, *ENDINGS)

TRANSITIONS: dict[tuple[str, str], str] = {
    (IDLE, "begin"): STAGING,
    (STAGING, "staged"): VERIFIED,
    (VERIFIED, "started"): STARTED,
    (STARTED, "proven"): HEALTHY,
    (HEALTHY, "switch"): SWITCHING,
    (SWITCHING, "pointed"): SWITCHED,
    (SWITCHED, "routed"): BAKING,
    (BAKING, "baked"): BAKING,
    (BAKING, "commit"): COMMITTED,
    (COMMITTED, "retired"): PRUNED,
    (PRUNED, "settled"): IDLE,
    (ABORTED, "settled"): IDLE,
    (ROLLING_BACK, "returned"): ROLLED_BACK,
    (ROLLED_BACK, "settled"): IDLE,
    **{(phase, event): ABORTED for phase in BEFORE_SWITCH for event in ("failed", "abort", "silence", "recover")},
    **{(phase, event): ROLLING_BACK for phase in AFTER_SWITCH for event in ("failed", "abort", "silence", "recover")},
    **{(phase, "recover"): phase for phase in ENDINGS},
}

ACTS: dict[str, tuple[str, ...]] = {
    IDLE: (),
    STAGING: ("stage",),
    VERIFIED: ("start",),
    STARTED: ("prove",),
    HEALTHY: (),
    SWITCHING: ("point",),
    # The candidate accepts before the other one stops to: there is no moment in which nobody does.
    SWITCHED: ("accept", "drain", "reach"),
    BAKING: ("watch", "reach"),
    # `record` first: the version before is ended only when what took its place is on the disk.
    COMMITTED: ("record", "retire"),
    PRUNED: ("prune",),
    ABORTED: ("stop", "discard"),
    # Traffic goes back before anything else; that a candidate takes its time to end delays nobody.
    ROLLING_BACK: ("unpoint", "return", "stop"),
    ROLLED_BACK: ("discard",),
}
"""What entering a phase does, in order; each act is done for every service before the next one begins."""

COMPLETES: dict[str, str] = {
    STAGING: "staged",
    VERIFIED: "started",
    STARTED: "proven",
    SWITCHING: "pointed",
    SWITCHED: "routed",
    BAKING: "baked",
    COMMITTED: "retired",
    PRUNED: "settled",
    ABORTED: "settled",
    ROLLING_BACK: "returned",
    ROLLED_BACK: "settled",
}
"""The event that says a phase's acts are done; IDLE and HEALTHY wait for the client, BAKING for it once baked."""


class IllegalEvent(ValueError):
    """The event has no place in this phase."""


@dataclass(frozen=True)
class Change:
    """What happens to one service.

    Attributes:
        service: its name.
        mode: `socket` (follows the app contract) or `plain`.
        slot: the slot, 0 or 1, that the candidate takes. old_slot: the live one's, or -1 when nothing is live.
        sequence, version, sha256: of the candidate's release and binary.
        old_sequence, old_version, old_sha256: of the live one; 0 and empty when nothing is live.
        port: the public port on 127.0.0.1.
        size: the binary's bytes.
        source: the binary's file name in the release.
    """

    service: str
    mode: str
    slot: int
    old_slot: int
    sequence: int
    version: str
    sha256: str
    old_sequence: int = 0
    old_version: str = ""
    old_sha256: str = ""
    port: int = 0
    size: int = 0
    source: str = ""

    @classmethod
    def from_record(cls, record: object) -> Change:
        """Read one of a transaction's.

        Raises:
            TypeError, ValueError: when it is none.
        """
        fields = Fields(record, "a change")
        fields.only((), cls.__dataclass_fields__)
        return cls(
            service=fields.text("service"),
            mode=fields.text("mode"),
            slot=fields.number("slot"),
            old_slot=fields.number("old_slot"),
            sequence=fields.number("sequence"),
            version=fields.text("version"),
            sha256=fields.text("sha256"),
            old_sequence=fields.number("old_sequence", cls.old_sequence),
            old_version=fields.text("old_version", cls.old_version),
            old_sha256=fields.text("old_sha256", cls.old_sha256),
            port=fields.number("port", cls.port),
            size=fields.number("size", cls.size),
            source=fields.text("source", cls.source),
        )


@dataclass(frozen=True)
class Transaction:
    """One deploy, rollback or restart on one host.

    Attributes:
        id: chosen by the client; the same id again returns the stored result.
        kind: `deploy`, `rollback` or `restart`. project: whose services change.
        on_silence: `rollback` or `commit`: what happens when no commit is heard in time.
        digest: the release manifest's SHA-256, for the floor.
        changes: one a service; empty while IDLE.
        trace: the trace id of the run that asked, 32 hex digits, or empty.
        phase: one of PHASES. baked: the bake went well and the client may commit.
    """

    id: str = ""
    kind: str = "deploy"
    project: str = ""
    on_silence: str = "rollback"
    digest: str = ""
    changes: tuple[Change, ...] = ()
    trace: str = ""
    phase: str = IDLE
    baked: bool = False

    def as_record(self) -> dict[str, object]:
        """Return what the journal's first line keeps; JSON types."""
        # Where it stands follows from the lines after the first, which must have no other say in it.
        kept = {name: value for name, value in asdict(self).items() if name not in ("phase", "baked")}
        return {**kept, "changes": [asdict(change) for change in self.changes]}

    @classmethod
    def from_record(cls, record: object) -> Transaction:
        """Read the journal's first line back; the phase is IDLE.

        Raises:
            TypeError, ValueError: when it is none.
        """
        fields = Fields(record, "the transaction")
        fields.only(("changes",), [name for name in cls.__dataclass_fields__ if name not in ("phase", "baked")])
        return cls(
            id=fields.text("id", cls.id),
            kind=fields.text("kind", cls.kind),
            project=fields.text("project", cls.project),
            on_silence=fields.text("on_silence", cls.on_silence),
            digest=fields.text("digest", cls.digest),
            changes=tuple(Change.from_record(each) for each in fields.items("changes")),
            trace=fields.text("trace", cls.trace),
        )


class Act(NamedTuple):
    """One thing to do: its name and the services it is done for, in order."""

    name: str
    services: tuple[str, ...]


def step(transaction: Transaction, event: str) -> tuple[Transaction, list[Act]]:
    """Return the transaction after `event` and what is to be done then.

    Raises:
        IllegalEvent: when the event has no place in this phase.
    """
    phase = _target(transaction, event)
    after = replace(transaction, phase=phase, baked=transaction.baked or event == "baked")
    # It stays in its phase, whose acts would else be done again.
    if event == "baked":
        return after, []
    services = tuple(change.service for change in transaction.changes)
    return after, [Act(name, services) for name in ACTS[phase]]


def _target(transaction: Transaction, event: str) -> str:
    phase = transaction.phase
    if (phase, event) not in TRANSITIONS:
        raise IllegalEvent(f"{event} in {phase}")
    if phase == BAKING and event == "commit" and not transaction.baked:
        raise IllegalEvent("commit before the bake is done")
    # Silence commits only what was watched to the end.
    if phase == BAKING and transaction.baked and transaction.on_silence == "commit" and event in ("silence", "recover"):
        return COMMITTED
    return TRANSITIONS[phase, event]


def waits(transaction: Transaction) -> bool:
    """Whether the client speaks next (or the deadline does)."""
    return transaction.phase in (IDLE, HEALTHY) or (transaction.phase == BAKING and transaction.baked)


def goes_on(transaction: Transaction, event: str) -> bool:
    """Whether `event` ends a time in which the candidates waited for the client, and brings them on."""
    if not waits(transaction) or (transaction.phase, event) not in TRANSITIONS:
        return False
    return _target(transaction, event) in (SWITCHING, COMMITTED)


def outlook(transaction: Transaction) -> list[Act]:
    """Return the acts of the way on which all goes well, in order: what a dry run shows."""
    found: list[Act] = []
    event = "begin"
    while True:
        transaction, acts = step(transaction, event)
        found += acts
        if transaction.phase == IDLE:
            return found
        if waits(transaction):
            event = "switch" if transaction.phase == HEALTHY else "commit"
        else:
            event = COMPLETES[transaction.phase]
