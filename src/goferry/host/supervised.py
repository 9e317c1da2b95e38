"""Process control by supervisord: the embedded target. One group a service, its slots are the group's processes."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goferry.host import processes, shim, slots
from goferry.host.driver import Slot
from goferry.host.layout import Root, ServiceFolder
from goferry.host.supervisor import Supervisor
from goferry.kernel.files import sync_folder
from goferry.kernel.machine import Change
from goferry.kernel.outcomes import GuardFailed, PortTaken


class Supervised:
    """The supervisord of one target as a `driver.Driver`."""

    def __init__(self, root: Root, environ: Mapping[str, str]) -> None:
        """`environ` is the agent's own."""
        self.root, self.environ = root, environ
        self.supervisor = Supervisor(root)
        self._configuring = threading.RLock()

    def listen(self, folder: ServiceFolder, change: Change) -> int:  # noqa: ARG002  the port is the protocol's
        """Return the public port for a service that shares its socket, else a private one that is free now."""
        return change.port if change.mode == "socket" else free_port()

    def port(self, folder: ServiceFolder, slot: Slot) -> int:  # noqa: ARG002
        """Return the port that the slot was described with."""
        return int(slot["listen"])

    def robbed(self, folder: ServiceFolder, slot: Slot) -> int:
        """Return a candidate's private port when another process listens on it, else 0; the public one can't be moved.

        All processes may be one user's here, so the process itself is what tells them apart.
        """
        port, pid = int(slot["listen"]), self.running(folder, int(slot["slot"])).get("pid", 0)
        taken = slot["mode"] == "plain" and port != slot["port"] and processes.listened(port)
        return port if taken and not processes.listens(pid, port) else 0

    def elsewhere(self, folder: ServiceFolder, slot: Slot) -> Slot:
        """End the process; return the slot with another private port."""
        self.stop(folder, slot, 2.0)
        return shim.placed(slot, free_port())

    def adopt(self, folder: ServiceFolder, slot: Slot) -> None:
        """Nothing stands between this target's clients and its services."""

    def arm(self, folder: ServiceFolder, slot: Slot) -> None:
        """Let supervisord know the groups of all slots; a new socket's port must be free."""
        with contextlib.suppress(FileNotFoundError):
            folder.run(int(slot["slot"])).unlink()
        if slot["mode"] == "socket" and not self.supervisor.info_or_nothing(slot["group"], 0):
            refuse_taken(int(slot["port"]))
        self._configure()

    def _configure(self) -> None:
        with self._configuring:
            self.root.prepare()
            self.supervisor.configure(self._groups())

    def _groups(self) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for folder in self.root.services():
            for number in (0, 1):
                slot = slots.read(folder, number)
                if slot:
                    port = slot["port"] if slot["mode"] == "socket" else 0
                    path = f"{folder.project}/{folder.name}"
                    entry = {"name": slot["group"], "folder": path, "port": port, "drain_ms": slot["drain_ms"]}
                    found.setdefault(slot["group"], entry)
        return list(found.values())

    def start(self, folder: ServiceFolder, slot: Slot) -> None:
        """Start the slot's process."""
        slots.note_start(folder, slot, **slots.end_of_log(folder, int(slot["slot"])))
        self.supervisor.start(slot["group"], int(slot["slot"]))

    def stop(self, folder: ServiceFolder, slot: Slot, grace: float) -> None:
        """End the slot's process, also one that outlived its supervisord or whose supervisord does not answer."""
        number, left = int(slot["slot"]), grace
        if self.supervisor.alive():
            with contextlib.suppress(GuardFailed):
                self.supervisor.stop(slot["group"], number)
                left = self._await_end(slot, time.monotonic() + grace)
        if not processes.end(slots.running(folder, number), left):
            raise GuardFailed(f"process {slots.running(folder, number)['pid']} of {folder.name} does not end")

    def _await_end(self, slot: Slot, deadline: float) -> float:
        """Wait until supervisord has ended it; return the seconds that are left."""
        while time.monotonic() < deadline and self.supervisor.info(slot["group"], int(slot["slot"])).get("pid", 0):
            time.sleep(0.01)
        return max(0.0, deadline - time.monotonic())

    def ended(self, folder: ServiceFolder, slot: Slot) -> str:  # noqa: ARG002
        """Return supervisord's word for a process that does not run, and the status with which it exited.

        That is negative after a signal (supervisor.options, decode_wait_status).
        """
        info = self.supervisor.info(slot["group"], int(slot["slot"]))
        state, status = str(info.get("statename", "gone")), int(info.get("exitstatus", 0))
        if state == "EXITED":
            return f"exited, status {status}" if status >= 0 else "ended by a signal"
        return "" if state in ("STARTING", "RUNNING") else state.lower()

    def running(self, folder: ServiceFolder, number: int) -> dict[str, int]:
        """Return what the slot's process noted of itself."""
        return slots.running(folder, number)

    def runs(self, folder: ServiceFolder, slot: Slot) -> bool:
        """Whether the slot's process runs, and under this supervisord."""
        if not self.supervisor.alive() or self.ended(folder, slot):
            return False
        return processes.same(slots.running(folder, int(slot["slot"])))

    def revive(self, folder: ServiceFolder, slot: Slot) -> bool:
        """Start the process unless it runs; one that outlived its supervisord is ended first."""
        if self.runs(folder, slot):
            return False
        self.stop(folder, slot, slot["drain_ms"] / 1000)
        self.arm(folder, slot)
        self.start(folder, slot)
        return True

    def door(self, folder: ServiceFolder, slot: Slot) -> Path | None:  # noqa: ARG002
        """Return the control socket of a service that follows the app contract."""
        return self.root.own / "run" / slot["control"] if slot["mode"] == "socket" else None

    def tail(self, folder: ServiceFolder, number: int, lines: int) -> list[str]:
        """Return the last lines that the slot's version wrote since it was started."""
        return slots.lines(folder, number)[-max(1, lines) :]

    def head(self, folder: ServiceFolder, number: int, lines: int) -> list[str]:
        """Return the first ones."""
        return slots.lines(folder, number)[: max(1, lines)]

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
