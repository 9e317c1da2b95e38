"""The watch over candidates: through their bake, on while they wait for their client, and once more when it goes on.

All are asked side by side, and it ends in its time whatever they answer. What hangs is asked again before it has let a
question's time pass: three in a row say that it is ill, as ever, but in three seconds instead of six.
"""

from __future__ import annotations

import functools
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Dict, Union

from goferry.host import control, processes
from goferry.host.driver import Slot
from goferry.host.gather import gather
from goferry.host.layout import ServiceFolder
from goferry.host.look import BAD, LATE, OVER
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.outcomes import CandidateUnhealthy, GuardFailed

if TYPE_CHECKING:
    from goferry.host.guard import Guard

PACE = STAGGER = 0.5
"""Seconds between two looks at how candidates answer that wait; and between two questions to one that lets us wait."""
INSIST = control.SECONDS + (BAD - 1) * STAGGER
"""Seconds in which BAD questions are answered, or have had their time."""
WAITS = "while it waited for the client"


@dataclass
class Watched:
    """A candidate: its process as `processes.same` takes it, its last answer, and how many bad in a row."""

    folder: ServiceFolder
    slot: Slot
    process: Dict[str, int]
    said: str = ""
    bad: int = 0


class Watch:
    """Eyes on the candidates of a transaction, which are the processes that run now and no later ones.

    Attributes:
        of: the transaction's id.
    """

    def __init__(self, guard: Guard, transaction: Transaction) -> None:
        self._guard, self._project, self.of = guard, transaction.project, transaction.id
        self._asked = 0.0
        self._watched = [self._begun(change) for change in transaction.changes]

    def _begun(self, change: Change) -> Watched:
        folder = self._guard.root.service(self._project, change.service)
        return Watched(
            folder, self._guard.described(folder, change.slot), self._guard.driver.running(folder, change.slot)
        )

    def through(self) -> None:
        """Watch them for the longest of their bake times; the last answer must be a good one.

        It is over OVER seconds after that. Towards the end they are not asked when they would have less time than they
        have needed so far.

        Raises:
            CandidateCrashed, CandidateUnhealthy: as their names say.
        """
        until = time.monotonic() + max(each.slot["bake_ms"] for each in self._watched) / 1000
        needed = 0.1

        def look() -> None:
            self._guard.patience(0, heed=True)
            self._refuse_ended("ended while it was watched")

        while time.monotonic() < until or self._any_bad():
            left = until + OVER - time.monotonic()
            if left > INSIST + OVER and not self._any_bad():
                since = time.monotonic()
                self._insist("while it was watched", look)
                needed = max(needed, 2 * (time.monotonic() - since))
            elif left > needed or self._any_bad():
                since = time.monotonic()
                self._ask(max(0.05, min(control.SECONDS, left)), look)
                if not self._any_bad():
                    needed = max(needed, 2 * (time.monotonic() - since))
            self._refuse_ill("while it was watched", BAD if time.monotonic() < until + OVER - 0.1 else 1)
            look()
            self._guard.patience(0.05, heed=True)

    def once(self) -> None:
        """Look at them; only so many bad answers in a row as in the bake, of two seconds each, say that one is ill.

        Raises:
            CandidateCrashed, CandidateUnhealthy: as their names say.
        """
        self._refuse_ended("ended " + WAITS)
        self._insist(WAITS, lambda: None)

    def glance(self) -> None:
        """Look whether they run, and now and then how they answer.

        Raises:
            CandidateCrashed, CandidateUnhealthy: as their names say.
        """
        self._refuse_ended("ended " + WAITS)
        if time.monotonic() - self._asked >= PACE:
            self._insist(WAITS, lambda: self._refuse_ended("ended " + WAITS))
            self._asked = time.monotonic()

    def _insist(self, when: str, look: Callable[[], None]) -> None:
        """Ask until each has answered well, and raise of the first that answers none of BAD questions so.

        `look` is called while they are waited for; what it raises ends that.
        """
        works = [functools.partial(self._insisted, each) for each in self._watched]
        found = gather(works, time.monotonic() + INSIST + 0.5, look)
        for each, outcome in zip(self._watched, found):  # noqa: B905  Python 3.9 has no strict=
            if outcome.error is not None:
                raise outcome.error
            each.said = LATE if outcome.value is None else outcome.value
            each.bad = BAD if each.said else 0
            if not each.bad:
                self._guard.note_well(each.folder, int(each.slot["slot"]))
        self._refuse_ill(when, BAD)

    def _insisted(self, each: Watched) -> str:
        """Return an empty string once a question is answered well, else the words of the last of BAD bad answers."""
        answers: "queue.SimpleQueue[Union[str, Exception]]" = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._guard.ask(each.folder, each.slot, pid=each.process.get("pid", 0)))
            except GuardFailed as error:
                answers.put(error.what)
            except Exception as error:  # noqa: BLE001  it is raised by who waits
                answers.put(error)

        asked, bad, said = 0, 0, ""
        while bad < BAD:
            if asked < BAD:
                threading.Thread(target=ask, daemon=True).start()
                asked += 1
            try:
                answer = answers.get(timeout=STAGGER if asked < BAD else control.SECONDS + 0.3)
            except queue.Empty:
                if asked == BAD:
                    return said or LATE
                continue
            if isinstance(answer, Exception):
                raise answer
            if not answer:
                return ""
            bad, said = bad + 1, answer
            time.sleep(0.05)
        return said

    def _any_bad(self) -> bool:
        return any(each.bad for each in self._watched)

    def _refuse_ended(self, how: str) -> None:
        for each in self._watched:
            if not processes.same(each.process):
                raise self._guard.crashed(each.folder, each.slot, how)

    def _ask(self, seconds: float, look: Callable[[], None]) -> None:
        said = self._guard.ask_all([(each.folder, each.slot) for each in self._watched], seconds, look)
        for number, each in enumerate(self._watched):
            each.said = said[number]
            each.bad = each.bad + 1 if each.said else 0
            if not each.bad:
                self._guard.note_well(each.folder, int(each.slot["slot"]))

    def _refuse_ill(self, when: str, most: int) -> None:
        """Raise of the first whose last answers, as many as `most`, were bad."""
        for each in self._watched:
            if each.bad >= most:
                what = "%s %s became ill %s: %s" % (each.slot["service"], each.slot["version"], when, each.said)
                raise self._guard.blame(each.folder, int(each.slot["slot"]), CandidateUnhealthy(what))
