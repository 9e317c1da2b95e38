"""The watch over candidates: through their bake, and once more when their client goes on.

All are asked side by side, and it ends in its time whatever they answer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Dict

from goferry.host import control, processes
from goferry.host.driver import Slot
from goferry.host.layout import ServiceFolder
from goferry.host.look import BAD, OVER
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.outcomes import CandidateUnhealthy

if TYPE_CHECKING:
    from goferry.host.guard import Guard


@dataclass
class Watched:
    """A candidate: its process as `processes.same` takes it, its last answer, and how many bad in a row."""

    folder: ServiceFolder
    slot: Slot
    process: Dict[str, int]
    said: str = ""
    bad: int = 0


class Watch:
    """Eyes on the candidates of a transaction, which are the processes that run now and no later ones."""

    def __init__(self, guard: Guard, transaction: Transaction) -> None:
        self._guard, self._project = guard, transaction.project
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
            if left > needed or self._any_bad():
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
        when = "while it waited for the client"
        while True:
            self._refuse_ended("ended " + when)
            self._ask(control.SECONDS, lambda: None)
            if not self._any_bad():
                return
            self._refuse_ill(when, BAD)
            time.sleep(0.05)

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
