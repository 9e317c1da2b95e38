"""The guard over processes: starts candidates in their slots, proves who they are, watches them, ends them."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Callable, TypeVar

from goferry.host import (
    control,
    excerpt,
    health_failure,
    own_files,
    processes,
    shim,
    slot_environment,
    slots,
    state,
    store,
)
from goferry.host.driver import Driver
from goferry.host.engine import Silence
from goferry.host.gather import gather
from goferry.host.health_check import BAD, GOOD, LATE, OVER, CheckResult
from goferry.host.health_failure import NO_FAILURE, HealthFailure
from goferry.host.layout import ServiceFolder
from goferry.host.processes import Process
from goferry.host.shim import Slot
from goferry.host.watch import Watch
from goferry.kernel import services
from goferry.kernel.errors import GoferryError, printable
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.outcomes import CandidateCrashed, CandidateUnhealthy, GuardFailed, HealthIdentity, PortTaken
from goferry.kernel.services import Declared

if TYPE_CHECKING:
    from goferry.host.target import HostTarget

MOVES = 8
"""Ports that may be taken from a slot, one after the other, before its start is given up."""
EVIDENCE = 3.0
"""Seconds that a log may take to be read for an error."""
Asked = tuple[ServiceFolder, Slot]


LoggedError = TypeVar("LoggedError", bound=GoferryError)


class Guard:
    """The processes of one target; whatever controls them is behind `driver`."""

    def __init__(self, root: HostTarget, driver: Driver, gone: Callable[[], bool] = lambda: False) -> None:
        """`gone` says that the client went away."""
        self.root, self.driver, self.gone = root, driver, gone
        self._started: dict[tuple[str, int], float] = {}
        self._healthy_at: dict[tuple[str, int], float] = {}
        self._awaiting_log: dict[tuple[str, int], GoferryError] = {}
        self._tended: Watch | None = None

    def start(self, transaction: Transaction, change: Change) -> None:
        """Start the candidate in its slot, where no traffic reaches it."""
        folder = self.root.service(transaction.project, change.service)
        self.end(folder, change.slot)
        self.launch(folder, change, self.driver.listen(folder, change))

    def launch(self, folder: ServiceFolder, change: Change, listen: int) -> Slot:
        """Describe the slot and start it."""
        slot = self.describe(folder, change, listen)
        slot_environment.prepare(folder, slot)
        slots.write(folder, slot)
        self.launch_slot(folder, slot)
        return slot

    def describe(self, folder: ServiceFolder, change: Change, listen: int) -> Slot:
        """Return what the slot is to run, as the stored release declares it."""
        release = store.stored_release(folder, change.sequence)
        declared, filled = Declared.of(release.services[change.service]), services.CRITICAL in release.critical
        return slots.describe(folder, change, declared, self.driver.environ, listen, filled=filled)

    def launch_slot(self, folder: ServiceFolder, slot: Slot) -> None:
        """Start what a slot's file describes."""
        self.driver.arm(folder, slot)
        self.begin(folder, slot)

    def begin(self, folder: ServiceFolder, slot: Slot) -> None:
        """Start a slot that is armed; its time to become ready begins here."""
        self._started[_key(folder, slot.slot)] = time.monotonic()
        self.driver.start(folder, slot)

    def prove(self, transaction: Transaction, change: Change) -> None:
        """Wait until the candidate answers well GOOD times in a row, as the process and the bytes that it should be.

        Raises:
            CandidateCrashed: the new version's process exited before it was healthy.
            CandidateUnhealthy: the new version runs but did not become healthy in time.
            HealthIdentity: the health check was answered by something other than the new version.
        """
        folder = self.root.service(transaction.project, change.service)
        self.prove_slot(folder, change.slot, cancellable=True)

    def prove_slot(self, folder: ServiceFolder, number: int, *, cancellable: bool = False) -> None:
        """Wait until a slot's process is healthy and itself; `cancellable` gives up when the client has gone away.

        The time to become ready counts from the slot's start; one that was kept waiting for its turn has a second yet.
        """
        slot = self.described(folder, number)
        since = self._started.get(_key(folder, number), time.monotonic())
        until = max(since + slot.ready_ms / 1000, time.monotonic() + OVER)
        good, failed, moves, last, reported, statuses = 0, 0, 0, CheckResult(), NO_FAILURE, set()
        while good < GOOD:
            self.sleep(0.02 if good else 0.01, cancellable=cancellable)
            cut = until - time.monotonic() < control.SECONDS
            before, last = last, self._check(folder, slot, until, cancellable=cancellable)
            failed = failed + 1 if last.error else 0
            if last.error and (failed == BAD or time.monotonic() > until):
                raise last.error
            if last.taken_port:
                slot = self._move_port(folder, slot, last.taken_port, moves)
                moves, good, last = moves + 1, 0, CheckResult()
                continue
            if last.ended:
                raise self.crashed(folder, slot, "ended by itself: " + last.ended)
            good = 0 if last.failure else good + 1 if last.pid == before.pid else 1
            statuses.add(last.failure.status)
            reported = health_failure.followed_by(reported, last.failure, cut=cut)
            if good:
                self.note_healthy(folder, number)
            if good < GOOD and time.monotonic() > until:
                raise self._unready(folder, slot, reported or LATE, steady=len(statuses - {0}) <= 1)
        if processes.executable_digest(last.pid) != slot.sha256:
            raise HealthIdentity(f"process {last.pid} of {slot.service} does not run the released binary")

    def _move_port(self, folder: ServiceFolder, slot: Slot, taken: int, moves: int) -> Slot:
        """Start a slot anew on another port, as somebody took the one that it had been given before it could listen."""
        if moves == MOVES:
            raise PortTaken(
                f"{moves + 1} ports that {slot.service} was given were taken before it listened on them; "
                f"the last one is {taken}",
                advice=[f"see who listens there:  ss -ltnp 'sport = :{taken}'"],
            )
        # A new attempt, as the shim starts one attempt of a candidate only once.
        slot = self.driver.move_port(folder, slot)._replace(attempt=slots.attempt())
        slots.write(folder, slot)
        self.launch_slot(folder, slot)
        return slot

    def _unready(
        self, folder: ServiceFolder, slot: Slot, failure: HealthFailure, *, steady: bool
    ) -> CandidateUnhealthy:
        """Return the error; `steady` says that no HTTP answer was of another status, so that time alone mends none."""
        longer = ["give it longer:  ready-within in goferry.yml"] if failure.transient or not steady else []
        error = CandidateUnhealthy(
            f"{slot.service} {slot.version} was not healthy within {slot.ready_ms / 1000:g} s: {failure}",
            advice=[*failure.advice, *longer, f"the log:  {self.driver.log(folder, slot.slot)}"],
        )
        return self.attach_log(folder, slot.slot, error)

    def note_healthy(self, folder: ServiceFolder, number: int) -> None:
        """Remember that the slot answered well just now."""
        self._healthy_at[_key(folder, number)] = time.monotonic()

    def last_healthy(self, folder: ServiceFolder, number: int) -> float:
        """Return the monotonic time of the slot's last good answer, 0 when it never gave one."""
        return self._healthy_at.get(_key(folder, number), 0.0)

    def _check(self, folder: ServiceFolder, slot: Slot, until: float, *, cancellable: bool) -> CheckResult:
        """Look once at a slot that is to become healthy, whatever its supervisor and its service do until then."""

        def work() -> CheckResult:
            how = self.driver.ended(folder, slot)
            process = Process() if how else self.driver.running(folder, slot.slot)
            failure = NO_FAILURE if how else self.ask(folder, slot, max(0.05, until - time.monotonic()), process.pid)
            taken_port = self.driver.taken_port(folder, slot) if how or failure else 0
            return CheckResult(how, failure, process.pid if processes.same(process) else 0, taken_port=taken_port)

        latest = time.monotonic() + max(0.1, min(control.SECONDS, until - time.monotonic()) + 0.1)
        # In a thread: it may hang, and meanwhile it is noticed when the client goes away.
        (found,) = gather([work], latest, lambda: self.sleep(0, cancellable=cancellable))
        if isinstance(found.error, GuardFailed):
            return CheckResult(failure=HealthFailure(found.error.what), error=found.error)
        if found.error is not None:
            raise found.error
        return found.value or CheckResult(failure=LATE)

    def ask(self, folder: ServiceFolder, slot: Slot, seconds: float = control.SECONDS, pid: int = -1) -> HealthFailure:
        """Return what is wrong with what the slot's process (`pid`, where known) answers; nothing when it is well.

        Raises:
            HealthIdentity: when something else answers in its place.
        """
        pid = self.driver.running(folder, slot.slot).pid if pid < 0 else pid
        return self.root.kind(slot.mode).ask(self, folder, slot, pid, min(seconds, control.SECONDS))

    def ask_all(self, asked: Sequence[Asked], seconds: float = control.SECONDS) -> list[HealthFailure]:
        """Ask several slots side by side, all within `seconds`; return what `ask` does of each, in order.

        Raises:
            HealthIdentity: when something else answers in the place of one.
        """
        works = [functools.partial(self.ask, folder, slot, seconds) for folder, slot in asked]
        failures = []
        for found in gather(works, time.monotonic() + seconds + 0.1):
            if isinstance(found.error, GuardFailed):
                failures.append(HealthFailure(found.error.what))
            elif found.error is not None:
                raise found.error
            else:
                failures.append(LATE if found.value is None else found.value)
        return failures

    def crashed(self, folder: ServiceFolder, slot: Slot, how: str) -> CandidateCrashed:
        """Return the error of a slot whose process ended, with the log that says why."""
        log = f"the log:  {self.driver.log(folder, slot.slot)}"
        error = CandidateCrashed(
            f"{slot.service} {slot.version} {printable(how, 120)}",
            advice=[*own_files.lines(folder, slot.env_file), log],
        )
        return self.attach_log(folder, slot.slot, error)

    def attach_log(self, folder: ServiceFolder, number: int, error: LoggedError) -> LoggedError:
        """Return the error of a slot, to which the end of its log is added when the slot is stopped.

        By then the version before serves again: nobody waits for a log.
        """
        self._awaiting_log[_key(folder, number)] = error
        return error

    def _add_log(self, folder: ServiceFolder, number: int) -> None:
        error = self._awaiting_log.pop(_key(folder, number), None)
        if error is not None:
            (found,) = gather([lambda: self.log_end(folder, number)], time.monotonic() + EVIDENCE)
            text = found.value or f"Its log: it can't be read: {found.error or LATE}"
            error.state = error.state + "\n" + text if error.state else text

    def log_end(self, folder: ServiceFolder, number: int) -> str:
        """Return the first and the last lines that the slot's version wrote since it was started, fit to be shown."""
        lines = self.driver.tail(folder, number, excerpt.LAST + 1)
        if len(lines) > excerpt.LAST:
            lines = [*self.driver.head(folder, number, excerpt.FIRST), excerpt.CUT, *lines[1:]]
        shown = ["  " + printable(line, 300) for line in excerpt.shown(lines)] or ["  (it wrote nothing)"]
        return "\n".join([f"Its log since it was started ({self.driver.log(folder, number)}):", *shown])

    def described(self, folder: ServiceFolder, number: int) -> Slot:
        """Return the slot's description; a slot that should be filled and is not is a failure."""
        slot = slots.read(folder, number)
        if slot is None:
            raise GuardFailed(f"slot {number} of {folder.name} is empty")
        return slot

    def watch(self, transaction: Transaction) -> None:
        """Watch all candidates for the longest of their bake times: the same processes, well all the while.

        Raises:
            CandidateCrashed: a process ended. CandidateUnhealthy: one does not answer well any more.
        """
        Watch(self, transaction).bake()

    def confirm(self, transaction: Transaction) -> None:
        """Look once more at all candidates, which waited for their client.

        Raises:
            CandidateCrashed: a process ended. CandidateUnhealthy: one does not answer well any more.
        """
        Watch(self, transaction).check()

    def tend(self, transaction: Transaction) -> None:
        """Look in passing at all candidates, which serve and wait for their client.

        Raises:
            CandidateCrashed: a process ended. CandidateUnhealthy: one does not answer well any more.
        """
        if self._tended is None or self._tended.of != transaction.id:
            self._tended = Watch(self, transaction)
        self._tended.check_in_passing()

    def retire(self, transaction: Transaction, change: Change) -> None:
        """End the version before and empty its slot."""
        if change.old_slot >= 0:
            folder = self.root.service(transaction.project, change.service)
            self.end(folder, change.old_slot)
            slots.clear(folder, change.old_slot)

    def stop(self, transaction: Transaction, change: Change) -> None:
        """End the candidate and empty its slot."""
        folder = self.root.service(transaction.project, change.service)
        # Before the slot is emptied, which forgets where the log of this version begins.
        self._add_log(folder, change.slot)
        self.end(folder, change.slot)
        slots.clear(folder, change.slot)

    def end(self, folder: ServiceFolder, number: int) -> None:
        """End a slot's process and wait until it is gone; nothing happens when none runs."""
        slot = slots.read(folder, number)
        if slot is None:
            return
        # A guarded slot is started at boot: a power cut during its drain must not bring it back.
        if slot.guarded:
            slots.write(folder, slot._replace(guarded=False))
        self.driver.stop(folder, slot, slot.drain_ms / 1000 + 4)

    def tidy(self) -> None:
        """Drop what no slot needs any more."""
        self.driver.tidy()

    def restore(self, folder: ServiceFolder) -> bool:
        """Start a live slot that should run and does not, without waiting for its health; return whether that was due.

        Whoever starts it again from then on is the supervisor: an ill one is its matter, and holds nobody back.
        """
        slot = self.adopt(folder)
        if slot is None or shim.below_minimum(slot, self.root.trust_of(folder.project)):
            return False
        # What is live comes back after a crash too; an unguarded one is a candidate, which is started once.
        if not slot.guarded:
            slot = slot._replace(guarded=True)
            slots.write(folder, slot)
        return self.driver.revive(folder, slot)

    def adopt(self, folder: ServiceFolder) -> Slot | None:
        """Bring the live slot's files and way in to what they are now, and return the slot; None when there is none."""
        slot = self._live(folder)
        if slot:
            slot_environment.adopt(folder, slot)
            self.driver.adopt(folder, slot)
        return slot

    def _live(self, folder: ServiceFolder) -> Slot | None:
        """Return the live slot's description; one that is gone or damaged is made again from what is stored."""
        number = slots.live(folder)
        slot = slots.read(folder, number) if number >= 0 else None
        if slot is not None or number < 0:
            return slot
        live = state.read(folder).live
        # The link and the state disagree: which release belongs there is not known, so none is made up.
        if not live or live.slot != number:
            return None
        change = Change(folder.name, old_slot=-1, **live._asdict())
        with contextlib.suppress(GoferryError):
            slot = self.describe(folder, change, self.root.listen_again(self.driver, folder, change))
            slot = slot._replace(guarded=True)
            slots.write(folder, slot)
        return slot

    def sleep(self, seconds: float, *, cancellable: bool) -> None:
        """Sleep; with `cancellable`, only while the client is there: what goes back or recovers needs no client.

        Raises:
            Silence: when it has gone away.
        """
        if cancellable and self.gone():
            raise Silence
        time.sleep(seconds)


def _key(folder: ServiceFolder, number: int) -> tuple[str, int]:
    return str(folder.path), number
