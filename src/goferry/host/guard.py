"""The guard over processes: starts candidates in their slots, proves who they are, watches them, ends them."""

from __future__ import annotations

import contextlib
import time
from typing import Callable, Dict, List, Optional

from goferry.host import control, processes, slots, state, store
from goferry.host.driver import Driver, Slot
from goferry.host.engine import Silence
from goferry.host.layout import Root, ServiceFolder
from goferry.kernel.errors import GoferryError, printable
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.outcomes import CandidateCrashed, CandidateUnhealthy, GuardFailed, HealthIdentity

GOOD, BAD = 3, 3
"""Answers in a row, of the same process, that make it healthy or ill."""


class Guard:
    """The processes of one target; whatever controls them is behind `driver`."""

    def __init__(self, root: Root, driver: Driver, gone: Callable[[], bool] = lambda: False) -> None:
        """`gone` says that the client went away."""
        self.root, self.driver, self.gone = root, driver, gone

    def start(self, transaction: Transaction, change: Change) -> None:
        """Start the candidate in its slot, where no traffic reaches it."""
        folder = self.root.service(transaction.project, change.service)
        self.end(folder, change.slot)
        self.launch(folder, change, self.driver.listen(folder, change))

    def launch(self, folder: ServiceFolder, change: Change, listen: int) -> Slot:
        """Describe the slot and start it."""
        slot = self.describe(folder, change, listen)
        slots.write(folder, slot)
        self.launch_slot(folder, slot)
        return slot

    def describe(self, folder: ServiceFolder, change: Change, listen: int) -> Slot:
        """Return what the slot is to run, as the stored release declares it."""
        release = store.stored_release(folder, change.sequence)
        return slots.describe(folder, change, release.services[change.service], self.driver.environ, listen)

    def launch_slot(self, folder: ServiceFolder, slot: Slot) -> None:
        """Start what a slot's file describes."""
        self.driver.arm(folder, slot)
        self.driver.start(folder, slot)

    def prove(self, transaction: Transaction, change: Change) -> None:
        """Wait until the candidate answers well GOOD times in a row, as the process and the bytes that it should be.

        Raises:
            CandidateCrashed, CandidateUnhealthy, HealthIdentity: as their names say.
        """
        folder = self.root.service(transaction.project, change.service)
        self.prove_slot(folder, change.slot, heed=True)

    def prove_slot(self, folder: ServiceFolder, number: int, *, heed: bool = False) -> None:
        """Wait until a slot's process is healthy and itself; `heed` gives up when the client has gone away."""
        slot = self.described(folder, number)
        deadline = time.monotonic() + slot["ready_ms"] / 1000
        good, said, pid = 0, "no answer", 0
        while good < GOOD:
            self.patience(0.02 if good else 0.01, heed=heed)
            self.refuse_crashed(folder, slot)
            said = self.ask(folder, slot)
            now = self.driver.running(folder, number).get("pid", 0)
            good, pid = (good + 1 if now == pid else 1, now) if not said else (0, now)
            if time.monotonic() > deadline:
                raise CandidateUnhealthy(
                    "%s %s was not healthy within %g s: %s"
                    % (slot["service"], slot["version"], slot["ready_ms"] / 1000, said),
                    state="The log's end:\n" + self.log_end(folder, number),
                    advice=[
                        "give it longer:  ready-within in goferry.yml",
                        "the log:  %s" % self.driver.log(folder, number),
                    ],
                )
        if processes.executable_digest(pid) != slot["sha256"]:
            raise HealthIdentity("process %d of %s does not run the released binary" % (pid, slot["service"]))

    def ask(self, folder: ServiceFolder, slot: Slot) -> str:
        """Return an empty string when the slot's process says that it is well, else what it said.

        Raises:
            HealthIdentity: when something else answers in its place.
        """
        pid = self.driver.running(folder, int(slot["slot"])).get("pid", 0)
        try:
            if slot["mode"] == "plain":
                return self._ask_plain(folder, slot, pid)
            door = self.driver.door(folder, slot)
            assert door is not None
            answer = control.health(door, slot["health"])
        except (OSError, ValueError) as error:
            return printable(str(error), 200) or type(error).__name__
        if answer["http"] != 200:
            return "HTTP %d, status %s" % (answer["http"], printable(str(answer.get("status")), 100))
        expected = {"pid": pid, "version": slot["version"], "digest": slot["sha256"]}
        wrong = [
            "%s %s instead of %s" % (key, printable(str(answer.get(key)), 80), want)
            for key, want in expected.items()
            if answer.get(key) != want
        ]
        if wrong and answer.get("pid") != pid:
            return "; ".join(wrong)
        if wrong:
            raise HealthIdentity(
                "%s answers its health check with %s" % (slot["service"], "; ".join(wrong)),
                advice=["build with the version variable:  goferry build sets main.version"],
            )
        return ""

    def _ask_plain(self, folder: ServiceFolder, slot: Slot, pid: int) -> str:
        door = self.driver.door(folder, slot)
        if door is None:
            status, _ = control.ask_port(int(slot["listen"]), slot["health"])
        else:
            status, _ = control.ask(door, "GET", slot["health"])
        if status != 200:
            return "HTTP %d at %s" % (status, slot["health"])
        if not processes.listens(pid, int(slot["listen"])):
            return "port %d is answered by another process than %d" % (slot["listen"], pid)
        return ""

    def refuse_crashed(self, folder: ServiceFolder, slot: Slot) -> None:
        """Raise CandidateCrashed when the slot's process has ended."""
        how = self.driver.ended(folder, slot)
        if not how:
            return
        raise CandidateCrashed(
            "%s %s ended by itself: %s" % (slot["service"], slot["version"], printable(how, 100)),
            state="The log's end:\n" + self.log_end(folder, int(slot["slot"])),
            advice=["the log:  %s" % self.driver.log(folder, int(slot["slot"]))],
        )

    def log_end(self, folder: ServiceFolder, number: int) -> str:
        """Return the last lines of a slot's log, fit to be shown."""
        return (
            "\n".join("  " + printable(line, 300) for line in self.driver.tail(folder, number))
            or "  (it wrote nothing)"
        )

    def described(self, folder: ServiceFolder, number: int) -> Slot:
        """Return the slot's description; a slot that should be filled and is not is a failure."""
        slot = slots.read(folder, number)
        if slot is None:
            raise GuardFailed("slot %d of %s is empty" % (number, folder.name))
        return slot

    def watch(self, transaction: Transaction) -> None:
        """Watch all candidates for the longest of their bake times: the same processes, well all the while.

        Raises:
            CandidateCrashed, CandidateUnhealthy: as their names say.
        """
        watched = []
        for change in transaction.changes:
            folder = self.root.service(transaction.project, change.service)
            watched.append((folder, self.described(folder, change.slot), self.driver.running(folder, change.slot)))
        until = time.monotonic() + max(slot["bake_ms"] for _, slot, _ in watched) / 1000
        bad: Dict[str, int] = {}
        while time.monotonic() < until or any(bad.values()):  # the last answer must have been a good one
            for folder, slot, process in watched:
                self._watch_once(folder, slot, process, bad)
            self.patience(0.05, heed=True)

    def _watch_once(self, folder: ServiceFolder, slot: Slot, process: Dict[str, int], bad: Dict[str, int]) -> None:
        if not processes.same(process):
            raise CandidateCrashed(
                "%s %s ended while it was watched" % (slot["service"], slot["version"]),
                state="The log's end:\n" + self.log_end(folder, int(slot["slot"])),
            )
        said = self.ask(folder, slot)
        bad[folder.name] = bad.get(folder.name, 0) + 1 if said else 0
        if bad[folder.name] >= BAD:
            raise CandidateUnhealthy(
                "%s %s became ill while it was watched: %s" % (slot["service"], slot["version"], said),
                state="The log's end:\n" + self.log_end(folder, int(slot["slot"])),
            )

    def retire(self, transaction: Transaction, change: Change) -> None:
        """End the version before and empty its slot."""
        if change.old_slot >= 0:
            folder = self.root.service(transaction.project, change.service)
            self.end(folder, change.old_slot)
            slots.clear(folder, change.old_slot)

    def stop(self, transaction: Transaction, change: Change) -> None:
        """End the candidate and empty its slot."""
        folder = self.root.service(transaction.project, change.service)
        self.end(folder, change.slot)
        slots.clear(folder, change.slot)

    def end(self, folder: ServiceFolder, number: int) -> None:
        """End a slot's process and wait until it is gone; nothing happens when none runs."""
        slot = slots.read(folder, number)
        if slot is None:
            return
        if slot["guarded"]:
            slots.write(folder, {**slot, "guarded": False})
        self.driver.stop(folder, slot, slot["drain_ms"] / 1000 + 4)

    def tidy(self) -> None:
        """Drop what no slot needs any more."""
        self.driver.tidy()

    def restore(self) -> List[str]:
        """Start every live slot that should run and does not (after a reboot); return what was started."""
        started = []
        for folder in self.root.services():
            slot = self._live(folder)
            if slot and not self.driver.runs(folder, slot):
                self.driver.stop(folder, slot, slot["drain_ms"] / 1000)
                slots.write(folder, {**slot, "guarded": True})
                self.launch_slot(folder, {**slot, "guarded": True})
                started.append(folder.name)
                with contextlib.suppress(GoferryError):
                    self.prove_slot(folder, int(slot["slot"]))
        return started

    def _live(self, folder: ServiceFolder) -> Optional[Slot]:
        """Return the live slot's description; one that is gone or damaged is made again from what is stored."""
        number, live = slots.live(folder), state.read(folder)["live"]
        slot = slots.read(folder, number) if number >= 0 else None
        if slot is not None or number < 0 or not live or live["slot"] != number:
            return slot
        stored = {key: live[key] for key in ("mode", "slot", "sequence", "version", "sha256", "port")}
        change = Change(folder.name, old_slot=-1, **stored)
        with contextlib.suppress(GoferryError):
            listen = self.driver.listen(folder, change) if self.root.host else change.port
            slot = {**self.describe(folder, change, listen), "guarded": True}
            slots.write(folder, slot)
        return slot

    def patience(self, seconds: float, *, heed: bool) -> None:
        """Wait a moment; with `heed`, only while the client is there: what goes back or recovers needs no client.

        Raises:
            Silence: when it has gone away.
        """
        if heed and self.gone():
            raise Silence
        time.sleep(seconds)
