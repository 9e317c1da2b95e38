"""Process control by supervisord: the embedded target. One group a service, its slots are the group's processes."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from goferry.host import log_files, processes, shim, slots
from goferry.host.layout import ServiceFolder
from goferry.host.log_parts import LogPart, PageQuery, PartPage
from goferry.host.processes import Process
from goferry.host.shim import Slot
from goferry.host.supervisor import Group, Supervisor
from goferry.kernel.files import sync_folder
from goferry.kernel.machine import Change
from goferry.kernel.outcomes import GuardFailed, PortTaken

if TYPE_CHECKING:
    from goferry.host.target import HostTarget


class Supervised:
    """The supervisord of one target as a `driver.Driver`."""

    def __init__(self, root: HostTarget, environ: Mapping[str, str]) -> None:
        """`environ` is the agent's own."""
        self.root, self.environ = root, environ
        self.supervisor = Supervisor(root)
        self._configuring = threading.RLock()

    def listen(self, folder: ServiceFolder, change: Change) -> int:  # noqa: ARG002  the port is the protocol's
        """Return the public port for a service that shares its socket, else a private one that is free now."""
        return self.root.kind(change.mode).listen(change.port, free_port)

    def port(self, folder: ServiceFolder, slot: Slot) -> int:  # noqa: ARG002
        """Return the port that the slot was described with."""
        return slot.listen

    def taken_port(self, folder: ServiceFolder, slot: Slot) -> int:
        """Return a candidate's private port when another process listens on it, else 0; the public one can't be moved.

        All processes may be one user's here, so the process itself is what tells them apart.
        """
        port, pid = slot.listen, self.running(folder, slot.slot).pid
        taken = self.root.kind(slot.mode).shape.ports and port != slot.port and processes.listened(port)
        return port if taken and not processes.listens(pid, port) else 0

    def move_port(self, folder: ServiceFolder, slot: Slot) -> Slot:
        """End the process; return the slot with another private port."""
        self.stop(folder, slot, 2.0)
        return shim.placed(slot, free_port())

    def adopt(self, folder: ServiceFolder, slot: Slot) -> None:
        """Nothing stands between this target's clients and its services."""

    def arm(self, folder: ServiceFolder, slot: Slot) -> None:
        """Let supervisord know the groups of all slots; a new socket's port must be free."""
        # The note of the process before says nothing of the one that is about to start.
        with contextlib.suppress(FileNotFoundError):
            folder.run(slot.slot).unlink()
        shared = self._shared(slot)
        # A group that supervisord knows has the port already, by supervisord itself.
        if shared and not self.supervisor.knows(slot.group):
            refuse_taken(shared)
        self._configure()

    def _configure(self) -> None:
        # A recovery starts services side by side, and each of them writes the whole configuration.
        with self._configuring:
            self.root.prepare()
            self.supervisor.configure(self._groups())

    def _shared(self, slot: Slot) -> int:
        return self.root.kind(slot.mode).shared_port(slot.port)

    def _groups(self) -> list[Group]:
        found: dict[str, Group] = {}
        for folder in self.root.services():
            for slot in filter(None, (slots.read(folder, number) for number in (0, 1))):
                path = f"{folder.project}/{folder.name}"
                found.setdefault(slot.group, Group(slot.group, path, self._shared(slot), slot.drain_ms))
        return list(found.values())

    def start(self, folder: ServiceFolder, slot: Slot) -> None:
        """Start the slot's process."""
        slots.note_start(folder, slot, slots.end_of_log(folder, slot.slot))
        self.supervisor.start(slot.group, slot.slot)

    def stop(self, folder: ServiceFolder, slot: Slot, grace: float) -> None:
        """End the slot's process, also one that outlived its supervisord or whose supervisord does not answer."""
        number, left = slot.slot, grace
        if self.supervisor.alive():
            # A supervisord that hangs keeps no process running: the process itself is ended below.
            with contextlib.suppress(GuardFailed):
                self.supervisor.stop(slot.group, number)
                left = self._await_end(slot, time.monotonic() + grace)
        if not processes.end(slots.running(folder, number), left):
            raise GuardFailed(f"process {slots.running(folder, number).pid} of {folder.name} does not end")

    def _await_end(self, slot: Slot, deadline: float) -> float:
        """Wait until supervisord has ended it; return the seconds that are left."""
        while time.monotonic() < deadline and self.supervisor.info(slot.group, slot.slot).pid:
            time.sleep(0.01)
        return max(0.0, deadline - time.monotonic())

    def ended(self, folder: ServiceFolder, slot: Slot) -> str:  # noqa: ARG002
        """Return supervisord's word for a process that does not run, and the status with which it exited.

        That is negative after a signal (supervisor.options, decode_wait_status).
        """
        info = self.supervisor.info(slot.group, slot.slot)
        if info.state == "EXITED":
            # That of a second start, which the shim refused: supervisord keeps no status of the first one.
            if info.status == shim.REFUSED:
                return "exited"
            return f"exited, status {info.status}" if info.status >= 0 else "ended by a signal"
        return "" if info.state in ("STARTING", "RUNNING") else info.state.lower()

    def running(self, folder: ServiceFolder, number: int) -> Process:
        """Return what the slot's process noted of itself."""
        return slots.running(folder, number)

    def runs(self, folder: ServiceFolder, slot: Slot) -> bool:
        """Whether the slot's process runs, and under this supervisord."""
        if not self.supervisor.alive() or self.ended(folder, slot):
            return False
        return processes.same(slots.running(folder, slot.slot))

    def revive(self, folder: ServiceFolder, slot: Slot) -> bool:
        """Start the process unless it runs; one that outlived its supervisord is ended first."""
        if self.runs(folder, slot):
            return False
        self.stop(folder, slot, slot.drain_ms / 1000)
        self.arm(folder, slot)
        self.start(folder, slot)
        return True

    def socket_path(self, folder: ServiceFolder, slot: Slot) -> Path | None:  # noqa: ARG002
        """Return the control socket of a service that follows the app contract."""
        return None if self.root.kind(slot.mode).shape.ports else self.root.own / "run" / slot.control

    def tail(self, folder: ServiceFolder, number: int, lines: int) -> list[str]:
        """Return the last lines that the slot's version wrote since it was started."""
        return slots.lines(folder, number)[-max(1, lines) :]

    def head(self, folder: ServiceFolder, number: int, lines: int) -> list[str]:
        """Return the first ones."""
        return slots.lines(folder, number)[: max(1, lines)]

    def page(self, parts: Sequence[LogPart], query: PageQuery) -> PartPage:
        """Return a page of what versions wrote, from their slots' files."""
        return log_files.read(parts, query)

    def restarts(self, folder: ServiceFolder, slot: Slot) -> int:  # noqa: ARG002
        """Return that supervisord counts none."""
        return -1

    def log(self, folder: ServiceFolder, number: int) -> str:
        """Return the log file."""
        return str(folder.log_file(number))

    def tidy(self) -> None:
        """Remove groups that no slot needs; with no slot left, end supervisord and remove what it ran from.

        Its log and what it complained of stay, and so does whatever is not the agent's: `.goferry` may also be the
        folder in which a repository keeps its hosts' keys.
        """
        with self._configuring:
            if self._groups():
                self._configure()
                return
            self.supervisor.shutdown(5.0)
        for name in ("supervisord.conf", "shim.py", "bin/python"):
            with contextlib.suppress(FileNotFoundError):
                (self.root.own / name).unlink()
        for folder in (self.root.own / "bin", self.root.own / "run"):
            with contextlib.suppress(OSError):  # it is not there, or somebody else's things are in it
                folder.rmdir()
        if self.root.own.is_dir():
            sync_folder(self.root.own)


def free_port() -> int:
    """Return a port of the loopback that nothing uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refuse_taken(port: int) -> None:
    """Raise PortTaken when another program has the port."""
    with socket.socket() as probe:
        # As supervisord does: connections of the version before in TIME_WAIT are not another program.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise PortTaken(
                f"127.0.0.1:{port} can't be listened on: {error.strerror}",
                state="Nothing was switched.",
                advice=["choose another `port` in goferry.yml, or end the program that has it"],
            ) from error
