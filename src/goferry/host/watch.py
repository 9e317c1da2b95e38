"""The watch over candidates: through their bake, on while they wait for their client, and once more when it goes on.

All are asked side by side, and it ends in its time whatever they answer. One that lets us wait is asked again before
its question's time is over. Bad answers and silence are two things: BAD answers in a row say that it is ill; silence
says so after SILENT seconds, as a busy machine alone keeps a healthy service silent for some.
"""

from __future__ import annotations

import functools
import math
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from goferry.host import control, processes
from goferry.host.gather import gather
from goferry.host.health_check import BAD, LATE, OVER
from goferry.host.health_failure import HealthFailure
from goferry.host.layout import ServiceFolder
from goferry.host.processes import Process
from goferry.host.shim import Slot
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.outcomes import CandidateUnhealthy, GuardFailed

if TYPE_CHECKING:
    from goferry.host.guard import Guard

CHECK_INTERVAL, STAGGER = 0.5, 1.0
"""Seconds between two looks at how candidates answer that wait; and between two questions to one that lets us wait."""
SILENT = 5.0
"""Seconds in which no question is answered, each with all its time, that say of a candidate that it is ill."""
WAITS, WATCHED = "while it waited for the client", "while it was watched"


@dataclass
class Watched:
    """A candidate.

    Attributes:
        process: the one that must go on running. well: the monotonic time of its last good answer.
    """

    folder: ServiceFolder
    slot: Slot
    process: Process
    healthy_at: float = 0.0


class Watch:
    """Eyes on the candidates of a transaction, which are the processes that run now and no later ones.

    Attributes:
        of: the transaction's id.
    """

    def __init__(self, guard: Guard, transaction: Transaction) -> None:
        self._guard, self._project, self.of = guard, transaction.project, transaction.id
        self._asked = 0.0
        self._watched = [self._candidate(change) for change in transaction.changes]

    def _candidate(self, change: Change) -> Watched:
        folder = self._guard.root.service(self._project, change.service)
        return Watched(
            folder, self._guard.described(folder, change.slot), self._guard.driver.running(folder, change.slot)
        )

    def bake(self) -> None:
        """Watch them for the longest of their bake times; the last answer must be a good one.

        It is over OVER seconds after that. Towards the end they are not asked when they would have less time than they
        have needed so far, and silence counts only where it lasted as long as a question may take: who waits for its
        client is asked again before the commit.

        Raises:
            CandidateCrashed: a process ended. CandidateUnhealthy: one does not answer well any more.
        """
        until = time.monotonic() + max(each.slot.bake_ms for each in self._watched) / 1000
        needed = 0.1

        def raise_over() -> None:
            self._guard.sleep(0, cancellable=True)
            self._raise_ended("ended " + WATCHED)

        while time.monotonic() < until:
            since = time.monotonic()
            if until + OVER - since > needed:
                self._ask(WATCHED, until + OVER, raise_over)
                needed = max(needed, 2 * (time.monotonic() - since))
            raise_over()
            self._guard.sleep(0.05, cancellable=True)

    def check(self) -> None:
        """Look at them once more.

        Raises:
            CandidateCrashed: a process ended. CandidateUnhealthy: one does not answer well any more.
        """
        self._raise_ended("ended " + WAITS)
        self._ask(WAITS)

    def check_in_passing(self) -> None:
        """Look whether they run, and now and then how they answer.

        Raises:
            CandidateCrashed: a process ended. CandidateUnhealthy: one does not answer well any more.
        """
        self._raise_ended("ended " + WAITS)
        if time.monotonic() - self._asked >= CHECK_INTERVAL:
            self._ask(WAITS, on_wait=lambda: self._raise_ended("ended " + WAITS))
            self._asked = time.monotonic()

    def _ask(self, when: str, until: float = math.inf, on_wait: Callable[[], None] = lambda: None) -> None:
        """Ask each until it answers well, but no longer than until a monotonic time; raise of the first that is ill.

        `on_wait` is called while they are waited for; what it raises ends that.
        """
        until = min(until, time.monotonic() + SILENT)
        found = gather([functools.partial(self._poll, each, until) for each in self._watched], until + 0.3, on_wait)
        for each, outcome in zip(self._watched, found):
            if outcome.error is not None:
                raise outcome.error
            failure = LATE if outcome.value is None else outcome.value
            if not failure:
                each.healthy_at = time.monotonic()
                self._guard.note_healthy(each.folder, each.slot.slot)
            elif not failure.late or time.monotonic() - each.healthy_at >= control.SECONDS:
                what = f"{each.slot.service} {each.slot.version} became ill {when}: {failure}"
                raise self._guard.attach_log(each.folder, each.slot.slot, CandidateUnhealthy(what))

    def _poll(self, each: Watched, until: float) -> HealthFailure:
        """Return nothing once a question is answered well; else what is wrong with the last one of BAD bad answers."""
        answers: queue.SimpleQueue[HealthFailure | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                seconds = max(0.05, until - time.monotonic())
                answers.put(self._guard.ask(each.folder, each.slot, seconds, each.process.pid))
            except GuardFailed as error:
                answers.put(HealthFailure(error.what))
            except Exception as error:  # noqa: BLE001  it is raised by who waits
                answers.put(error)

        bad, failure, due = 0, LATE, time.monotonic()
        while bad < BAD and time.monotonic() < until:
            if time.monotonic() >= due:
                threading.Thread(target=ask, daemon=True).start()
                due = time.monotonic() + STAGGER
            try:
                answer = answers.get(timeout=max(0.001, min(due, until) - time.monotonic()))
            except queue.Empty:
                continue
            if isinstance(answer, Exception):
                raise answer
            if not answer:
                return answer
            # Silence says less than a bad answer that came before it.
            if not answer.late or failure.late:
                failure = answer
            if not answer.late:
                bad, due = bad + 1, time.monotonic() + 0.05
        return failure

    def _raise_ended(self, how: str) -> None:
        for each in self._watched:
            if not processes.same(each.process):
                raise self._guard.crashed(each.folder, each.slot, how)
