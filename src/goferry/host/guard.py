"""The guard over processes: starts candidates in their slots, proves who they are, watches them, ends them."""

from __future__ import annotations

import contextlib
import errno
import shutil
import socket
import time
from typing import Any, Callable, Dict, List, Mapping

from goferry.host import control, processes, slots, store
from goferry.host.engine import Silence
from goferry.host.layout import Root, ServiceFolder
from goferry.host.supervisor import Supervisor
from goferry.kernel.errors import GoferryError, printable
from goferry.kernel.files import sync_folder
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.outcomes import CandidateCrashed, CandidateUnhealthy, GuardFailed, HealthIdentity, PortTaken

GOOD, BAD = 3, 3
"""Answers in a row, of the same process, that make it healthy or ill."""

Slot = Dict[str, Any]


class Guard:
    """The processes of one target."""

    def __init__(self, root: Root, environ: Mapping[str, str], gone: Callable[[], bool] = lambda: False) -> None:
        """`environ` is what services may get of the agent's environment; `gone` says that the client went away."""
        self.root, self.environ, self.gone = root, environ, gone
        self.supervisor = Supervisor(root)

    def start(self, transaction: Transaction, change: Change) -> None:
        """Start the candidate in its slot; a plain one on a private port."""
        folder = self.root.service(transaction.project, change.service)
        self.end(folder, change.slot)
        listen = change.port if change.mode == "socket" else free_port()
        self.launch(folder, change, listen)

    def launch(self, folder: ServiceFolder, change: Change, listen: int) -> Slot:
        """Describe the slot and start it."""
        slot = self.describe(folder, change, listen)
        slots.write(folder, slot)
        self.launch_slot(folder, slot)
        return slot

    def describe(self, folder: ServiceFolder, change: Change, listen: int) -> Slot:
        """Return what the slot is to run, as the stored release declares it."""
        release = store.stored_release(folder, change.sequence)
        return slots.describe(folder, change, release.services[change.service], self.environ, listen)

    def launch_slot(self, folder: ServiceFolder, slot: Slot) -> None:
        """Start what a slot's file describes."""
        self.arm(folder, slot)
        self.supervisor.start(slot["group"], int(slot["slot"]))

    def arm(self, folder: ServiceFolder, slot: Slot) -> None:
        """Do all that a start needs but the start itself."""
        with contextlib.suppress(FileNotFoundError):
            folder.run(int(slot["slot"])).unlink()
        if slot["mode"] == "socket" and not self.supervisor.info_or_nothing(slot["group"], 0):
            refuse_taken(int(slot["port"]))
        self.configure()

    def configure(self) -> None:
        """Let supervisord know the groups of all slots."""
        groups = self._groups()
        self.root.prepare()
        self.supervisor.configure(groups)

    def _groups(self) -> List[Dict[str, Any]]:
        found: Dict[str, Dict[str, Any]] = {}
        for folder in self.root.services():
            for number in (0, 1):
                slot = slots.read(folder, number)
                if slot:
                    port = slot["port"] if slot["mode"] == "socket" else 0
                    path = "%s/%s" % (folder.project, folder.name)
                    entry = {"name": slot["group"], "folder": path, "port": port, "drain_ms": slot["drain_ms"]}
                    found.setdefault(slot["group"], entry)
        return list(found.values())

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
            now = slots.running(folder, number).get("pid", 0)
            good, pid = (good + 1 if now == pid else 1, now) if not said else (0, now)
            if time.monotonic() > deadline:
                raise CandidateUnhealthy(
                    "%s %s was not healthy within %g s: %s"
                    % (slot["service"], slot["version"], slot["ready_ms"] / 1000, said),
                    state="The log's end:\n" + self.log_end(folder, number),
                    advice=["give it longer:  ready-within in goferry.yml", "the log:  %s" % folder.log_file(number)],
                )
        if processes.executable_digest(pid) != slot["sha256"]:
            raise HealthIdentity("process %d of %s does not run the released binary" % (pid, slot["service"]))

    def ask(self, folder: ServiceFolder, slot: Slot) -> str:
        """Return an empty string when the slot's process says that it is well, else what it said.

        Raises:
            HealthIdentity: when something else answers in its place.
        """
        pid = slots.running(folder, int(slot["slot"])).get("pid", 0)
        try:
            if slot["mode"] == "plain":
                return self._ask_plain(slot, pid)
            answer = control.health(self.root.own / "run" / slot["control"], slot["health"])
        except (OSError, ValueError) as error:
            return str(error) or type(error).__name__
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

    def _ask_plain(self, slot: Slot, pid: int) -> str:
        status, _ = control.ask_port(int(slot["listen"]), slot["health"])
        if status != 200:
            return "HTTP %d at %s" % (status, slot["health"])
        if not processes.listens(pid, int(slot["listen"])):
            return "port %d is answered by another process than %d" % (slot["listen"], pid)
        return ""

    def refuse_crashed(self, folder: ServiceFolder, slot: Slot) -> None:
        """Raise CandidateCrashed when the slot's process has ended."""
        info = self.supervisor.info(slot["group"], int(slot["slot"]))
        if info.get("statename") in ("STARTING", "RUNNING"):
            return
        raise CandidateCrashed(
            "%s %s ended by itself" % (slot["service"], slot["version"]),
            state="The log's end:\n" + self.log_end(folder, int(slot["slot"])),
            advice=["the log:  %s" % folder.log_file(int(slot["slot"]))],
        )

    def log_end(self, folder: ServiceFolder, number: int) -> str:
        """Return the last lines of a slot's log, fit to be shown."""
        return "\n".join("  " + printable(line, 300) for line in slots.tail(folder, number)) or "  (it wrote nothing)"

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
            watched.append((folder, self.described(folder, change.slot), slots.running(folder, change.slot)))
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
        grace = slot["drain_ms"] / 1000 + 4
        if self.supervisor.alive():
            with contextlib.suppress(GuardFailed):
                self.supervisor.stop(slot["group"], number)
                self._await_end(slot, grace)
        processes.end(slots.running(folder, number), grace)

    def _await_end(self, slot: Slot, grace: float) -> None:
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline:
            if not self.supervisor.info(slot["group"], int(slot["slot"])).get("pid", 0):
                return
            time.sleep(0.01)

    def tidy(self) -> None:
        """Remove groups that no slot needs; with no slot left, end supervisord and leave the lock alone behind."""
        if self._groups():
            self.configure()
            return
        self.supervisor.shutdown(5.0)
        if not self.root.own.is_dir():
            return
        for path in self.root.own.iterdir():
            if path.is_dir():
                shutil.rmtree(str(path), ignore_errors=True)
            elif path.name != "lock":
                path.unlink()
        sync_folder(self.root.own)

    def restore(self) -> List[str]:
        """Start every live slot that should run and does not (after a reboot); return what was started."""
        started = []
        for folder in self.root.services():
            slot = slots.read(folder, slots.live(folder)) if slots.live(folder) >= 0 else None
            if slot and not (self.supervisor.alive() and self._runs(folder, slot)):
                processes.end(slots.running(folder, int(slot["slot"])), slot["drain_ms"] / 1000)
                slots.write(folder, {**slot, "guarded": True})
                self.launch_slot(folder, {**slot, "guarded": True})
                started.append(folder.name)
                with contextlib.suppress(GoferryError):
                    self.prove_slot(folder, int(slot["slot"]))
        return started

    def _runs(self, folder: ServiceFolder, slot: Slot) -> bool:
        info = self.supervisor.info(slot["group"], int(slot["slot"]))
        return info.get("statename") in ("STARTING", "RUNNING") and processes.same(
            slots.running(folder, int(slot["slot"]))
        )

    def patience(self, seconds: float, *, heed: bool) -> None:
        """Wait a moment; with `heed`, only while the client is there: what goes back or recovers needs no client.

        Raises:
            Silence: when it has gone away.
        """
        if heed and self.gone():
            raise Silence
        time.sleep(seconds)


def free_port() -> int:
    """Return a port of the loopback that nothing uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refuse_taken(port: int) -> None:
    """Raise PortTaken when another program has the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise PortTaken(
                "127.0.0.1:%d can't be listened on: %s" % (port, error.strerror),
                state="Nothing was switched.",
                advice=["choose another `port` in goferry.yml, or end the program that has it"],
            ) from error
