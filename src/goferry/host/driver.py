"""Process control as the guard sees it: a small port, so that what proves, watches and retires is one code.

Behind it stand supervisord (host.supervised) and systemd (host.systemd); in the tests also a simulated systemd.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from goferry.host.layout import ServiceFolder
from goferry.host.log_parts import LogPart, PageQuery, PartPage
from goferry.host.processes import Process
from goferry.host.shim import Slot
from goferry.kernel.machine import Change


class Driver(Protocol):
    """The processes of one target.

    Attributes:
        environ: what services get of the surroundings, before what they declare.
    """

    environ: Mapping[str, str]

    def listen(self, folder: ServiceFolder, change: Change) -> int:
        """Return the port that the candidate's process is given; 0 when it gets a socket of its own."""

    def port(self, folder: ServiceFolder, slot: Slot) -> int:
        """Return the port on which a plain slot's process is to listen now."""

    def taken_port(self, folder: ServiceFolder, slot: Slot) -> int:
        """Return a port that was given to a plain slot and that somebody else listens on, else 0."""

    def move_port(self, folder: ServiceFolder, slot: Slot) -> Slot:
        """End a slot's process whose port was taken; return the slot as it is described for another one."""

    def adopt(self, folder: ServiceFolder, slot: Slot) -> None:
        """Bring a live slot's way in, as an older Goferry left it, to what it is now; no request is lost."""

    def arm(self, folder: ServiceFolder, slot: Slot) -> None:
        """Do all that a start needs but the start itself.

        Raises:
            PortTaken: when another program has the public port.
        """

    def start(self, folder: ServiceFolder, slot: Slot) -> None:
        """Start what the slot's file describes, and return without waiting for its health."""

    def stop(self, folder: ServiceFolder, slot: Slot, grace: float) -> None:
        """Ask the slot's process to end, wait until it is gone, and end it after `grace` seconds."""

    def ended(self, folder: ServiceFolder, slot: Slot) -> str:
        """Return an empty string while the slot's process runs, else how it ended."""

    def running(self, folder: ServiceFolder, number: int) -> Process:
        """Return the slot's process; none, which is false, when there is none."""

    def runs(self, folder: ServiceFolder, slot: Slot) -> bool:
        """Whether the slot's process runs under this control."""

    def revive(self, folder: ServiceFolder, slot: Slot) -> bool:
        """Start a committed slot's process unless it runs, or is started again by itself; return whether that was due.

        It returns without waiting for the process.
        """

    def socket_path(self, folder: ServiceFolder, slot: Slot) -> Path | None:
        """Return the unix socket on which the slot answers; None: `listen` on the loopback."""

    def tail(self, folder: ServiceFolder, number: int, lines: int) -> list[str]:
        """Return the last lines that the slot's version wrote since it was started, and no other version's."""

    def head(self, folder: ServiceFolder, number: int, lines: int) -> list[str]:
        """Return the first ones."""

    def page(self, parts: Sequence[LogPart], query: PageQuery) -> PartPage:
        """Return a page of what versions wrote.

        Raises:
            LogWithoutTimes: when they are to be selected by their times, and have none.
        """

    def restarts(self, folder: ServiceFolder, slot: Slot) -> int:
        """Return how often the slot's process was started again since its deploy; -1 where nobody counts."""

    def log(self, folder: ServiceFolder, number: int) -> str:
        """Return where a person reads on: a path or a command."""

    def tidy(self) -> None:
        """Drop what no slot needs any more."""
