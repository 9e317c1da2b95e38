"""Drives the deploy machine over ports: journal the event, do its acts, take the event that follows from them.

The ports are protocols: files, supervisord and sockets here; a simulated host in the tests.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Callable, Protocol

from goferry.host.journal import JournalLine, Result
from goferry.kernel import extension, machine
from goferry.kernel.errors import Failed, GoferryError, RolledBack
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.outcomes import RollbackFailed, as_frame, of_defect

SCHEMA = 2
SCHEMAS = (1, 2)
"""Of a journal's first line. Schema 1 says no schema, no trace, and has no open places (kernel.extension)."""


class JournalUnreadable(Failed):
    """This agent does not know the format of a journal's first line, so it can't tell which operation was started.

    Usual causes: an older agent replaced the newer one that wrote it. Provision the host with the newer Goferry.
    """

    name = "journal-unreadable"


MEASURED = {"drain": "switch_ms", "return": "return_ms"}
"""Acts after which traffic is where it should be, and the number that says how long that took since the first act.

What follows says nothing of it: a candidate that is ended after the way back may take its time.
"""


class Silence(Exception):
    """Raised by a port that waits when the client has gone away."""


class JournalPort(Protocol):
    """The transaction's lines; `append` returns when the line survives a power cut."""

    def lines(self) -> list[JournalLine]:
        """Return the lines."""

    def append(self, line: JournalLine) -> None:
        """Add one."""


class StorePort(Protocol):
    """Files."""

    def stage(self, transaction: Transaction, change: Change) -> None:
        """Bring the candidate into the store, checked."""

    def record(self, transaction: Transaction, change: Change) -> None:
        """Note it as live."""

    def prune(self, transaction: Transaction, change: Change) -> None:
        """Remove what nothing names."""

    def discard(self, transaction: Transaction, change: Change) -> None:
        """Remove what the candidate left."""


class GuardPort(Protocol):
    """Processes."""

    def start(self, transaction: Transaction, change: Change) -> None:
        """Start the candidate."""

    def prove(self, transaction: Transaction, change: Change) -> None:
        """Wait until it is healthy and itself."""

    def watch(self, transaction: Transaction) -> None:
        """Watch all candidates while they bake."""

    def confirm(self, transaction: Transaction) -> None:
        """Look once more at all candidates, which waited for the client."""

    def tend(self, transaction: Transaction) -> None:
        """Look at all candidates in passing: it is called many times a second while they wait for the client."""

    def retire(self, transaction: Transaction, change: Change) -> None:
        """End the version before."""

    def stop(self, transaction: Transaction, change: Change) -> None:
        """End the candidate."""

    def tidy(self) -> None:
        """Drop what no service needs any more."""


class SwitchPort(Protocol):
    """Traffic."""

    def point(self, transaction: Transaction, change: Change) -> None:
        """Name the candidate live."""

    def unpoint(self, transaction: Transaction, change: Change) -> None:
        """Name the version before live again."""

    def accept(self, transaction: Transaction, change: Change) -> None:
        """Let the candidate take connections."""

    def drain(self, transaction: Transaction, change: Change) -> None:
        """Let the version before finish and take no more."""

    def reach(self, transaction: Transaction, change: Change) -> None:
        """Ask the candidate at its public address."""

    def give_back(self, transaction: Transaction, change: Change) -> None:
        """Let the version before take connections again."""


class Engine:
    """One transaction on one host.

    Attributes:
        transaction: where it stands.
        failure: what went wrong first, when something did.
        numbers: measured on the way, for the result: integers.
    """

    def __init__(
        self,
        journal: JournalPort,
        store: StorePort,
        guard: GuardPort,
        switch: SwitchPort,
        on_progress: Callable[[str], None] = lambda _: None,
        on_settled: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_progress` hears each act as it begins: `start shop`; `on_settled` is called when all is over."""
        self.journal, self.guard, self.on_progress, self._on_settled = journal, guard, on_progress, on_settled
        self.transaction = Transaction()
        self.failure: GoferryError | None = None
        self.numbers: dict[str, int] = {}
        self._phase_since = time.monotonic()
        self._do: dict[str, Callable[[Transaction, Change], None]] = {
            "stage": store.stage,
            "start": guard.start,
            "prove": guard.prove,
            "point": switch.point,
            "accept": switch.accept,
            "drain": switch.drain,
            "reach": switch.reach,
            "record": store.record,
            "retire": guard.retire,
            "prune": store.prune,
            "unpoint": switch.unpoint,
            "return": switch.give_back,
            "stop": guard.stop,
            "discard": store.discard,
        }

    def begin(self, transaction: Transaction, notes: Mapping[str, object] = MappingProxyType({})) -> None:
        """Start a transaction and go on until the client must speak, or it is over; `notes` are kept with it."""
        self.transaction = transaction
        places = extension.Extension(notes=notes).as_record()
        self.advance("begin", schema=SCHEMA, transaction=transaction.as_record(), **places)

    def advance(self, event: str, **details: object) -> None:
        """Take one event and everything that follows from it without the client.

        Raises:
            GoferryError: when an ending could not be finished; the next recovery tries it again.
        """
        if self.transaction.phase == machine.IDLE and event != "begin":
            return  # it ended by itself while the client was silent
        following: str | None = self._confirmed(event)
        while following is not None:
            following = self._take(following, details)
            details = {}

    def tend(self) -> None:
        """Look at the candidates while they wait for the client, and end it when one died or fell ill.

        Raises:
            GoferryError: as `advance` does.
        """
        try:
            self.guard.tend(self.transaction)
        except Exception as error:  # noqa: BLE001  whatever it is, the version before must serve
            self.advance(self._after(error))

    def _confirmed(self, event: str) -> str:
        """Return the event, or `failed` when it would go on with a candidate that died or fell ill while it waited."""
        if machine.goes_on(self.transaction, event):
            try:
                self.guard.confirm(self.transaction)
            except Exception as error:  # noqa: BLE001  whatever it is, the version before must serve
                return self._after(error)
        return event

    def _take(self, event: str, details: dict[str, Any]) -> str | None:
        transaction, acts = machine.step(self.transaction, event)
        if event == "settled":
            details = {"result": self.result()._asdict()}
        try:
            # The line before its acts: after a kill acts are done again, and none was done without a line.
            self.journal.append(JournalLine(event, transaction.phase, {**details, "at": time.time_ns() // 1_000_000}))
        except OSError as error:  # no act of it has begun
            # Nothing stands behind an ending, and before `begin` nothing is to be undone: these are raised.
            if transaction.phase in machine.ENDINGS or self.transaction.phase in (machine.IDLE, *machine.ENDINGS):
                raise
            return self._after(error)
        if (
            transaction.phase in (machine.SWITCHING, machine.ROLLING_BACK)
            and self.transaction.phase != transaction.phase
        ):
            self._phase_since = time.monotonic()
        # Only now: as long as the line is not on the disk, the transaction stands in the phase before.
        self.transaction = transaction
        if event == "settled":
            self._on_settled()
        try:
            for act in acts:
                self._perform(act)
        except Exception as error:  # noqa: BLE001  whatever it is, the version before must serve
            return self._after(error)
        if machine.waits(transaction):
            return None
        if transaction.phase in (machine.PRUNED, machine.ABORTED, machine.ROLLED_BACK):
            self.guard.tidy()
        return machine.COMPLETES[transaction.phase]

    def _perform(self, act: machine.Act) -> None:
        if act.name == "watch":
            self.on_progress("watch " + ", ".join(act.services))
            self.guard.watch(self.transaction)
            return
        for change in self.transaction.changes:
            self.on_progress(f"{act.name} {change.service}")
            self._do[act.name](self.transaction, change)
        if act.name in MEASURED:
            self.numbers[MEASURED[act.name]] = max(1, round((time.monotonic() - self._phase_since) * 1000))

    def _after(self, error: Exception) -> str:
        if isinstance(error, Silence):
            return "silence"
        known = of_defect(error)
        # A failed ending is not undone: the journal names it, and the next recovery does its acts again.
        if self.transaction.phase in machine.ENDINGS:
            raise known from error
        if self.failure is None:
            self.failure = known
        return "failed"

    def result(self) -> Result:
        """Return what the transaction came to."""
        outcome = {machine.PRUNED: "committed", machine.ABORTED: "aborted"}.get(self.transaction.phase, "rolled-back")
        return Result(outcome, as_frame(self.failure) if self.failure else None, dict(self.numbers))


def rolled_back(
    engine: Engine,
    failure: GoferryError,
    place: str,
    unreached: Mapping[str, str] = MappingProxyType({}),
    gaps: Mapping[str, int] = MappingProxyType({}),
) -> RolledBack:
    """Return the error of a deploy that was undone after its switch; `place` is how a client names the target.

    `unreached` says of each service why nobody is served by the version before, where that is so; `gaps` for how many
    milliseconds nobody was.
    """
    versions = [f"{c.service} {c.old_version}" for c in engine.transaction.changes if c.old_slot >= 0]
    serving = f"{', '.join(versions)} {'serves' if len(versions) == 1 else 'serve'} again."
    closed = [f"{name}: {why}" for name, why in sorted(unreached.items()) if why]
    if closed:
        are = "is" if len(versions) == 1 else "are"
        serving = "\n  ".join([f"{', '.join(versions)} {are} live again, and nobody is served:", *closed])
    state = [serving if versions else "Nothing serves: there was no version before."]
    state += [f"{name}: nobody was served for {gap} ms." for name, gap in sorted(gaps.items())]
    kind = RollbackFailed if closed else RolledBack
    return kind(
        failure.what,
        state="\n".join([*state, failure.state]),
        advice=[*failure.advice, "what is live:  goferry status " + place],
        cause=failure.name,
        gap_ms=dict(gaps),
        **engine.numbers,
    )


def replay(lines: Sequence[JournalLine]) -> Transaction:
    """Return where a journal's transaction stands; IDLE when it never began or is over.

    Raises:
        JournalUnreadable, CriticalUnknown: when a newer agent began it.
    """
    transaction = Transaction()
    for line in lines:
        if line.event == "begin":
            transaction = begun(line)
        transaction, _ = machine.step(transaction, line.event)
    return transaction


def begun(line: JournalLine) -> Transaction:
    """Return the transaction of a journal's first line.

    Raises:
        JournalUnreadable, CriticalUnknown: when a newer agent wrote it.
    """
    schema = line.more.get("schema", 1)
    if type(schema) is not int or schema not in SCHEMAS:
        raise JournalUnreadable(f"a journal of schema {ascii(schema)[:40]}; this agent reads {SCHEMAS}")
    try:
        extension.read(line.more, "a journal")
        # A newer agent's field is a TypeError here: its journal is left alone rather than half understood.
        return Transaction.from_record(line.transaction)
    except (KeyError, TypeError, ValueError) as error:
        raise JournalUnreadable(f"a journal's first line: {error}") from error


def resume(engine: Engine) -> bool:
    """Bring an unfinished transaction to an end; return whether there was one."""
    engine.transaction = replay(engine.journal.lines())
    if engine.transaction.phase == machine.IDLE:
        return False
    engine.advance("recover")
    return True
