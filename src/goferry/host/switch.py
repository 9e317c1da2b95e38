"""Where a service's traffic goes: the contract of a switch, and the link that every switch of a host has.

What is wanted is declared as a routing and read back, so whatever stands before the services is one class: no act of
the deploy machine knows it. The `live` link in a service's folder is the host's own memory of which slot is live: its
rename is the one moment at which a deploy takes effect, and recovery goes by it (host.slots.live).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

from goferry.host import control, slots
from goferry.host.guard import Guard
from goferry.host.health_check import retry
from goferry.host.layout import ServiceFolder
from goferry.host.public import Finding
from goferry.host.shim import Slot
from goferry.kernel.files import link_atomically, sync_folder
from goferry.kernel.machine import Change
from goferry.kernel.outcomes import HealthIdentity
from goferry.kernel.routing import NOBODY, Routing

if TYPE_CHECKING:
    from goferry.host.target import HostTarget


class Switch(Protocol):
    """What directs the traffic of a target's services.

    Attributes:
        gaps: milliseconds in which nobody answered, by service, where there was such a time.
    """

    gaps: dict[str, int]

    @staticmethod
    def carries(routing: Routing) -> str:
        """Return why it can't direct traffic so, an empty text when it can.

        Pure, and the class's: what asks for such a routing can be refused where it is read, before a host is opened.
        """

    def apply(self, folder: ServiceFolder, routing: Routing) -> None:
        """Direct the traffic of a service; again and again it is the same."""

    def read_back(self, folder: ServiceFolder) -> Routing:
        """Return where it goes now, as far as the switch can tell (`Routing.settled`)."""

    def accept(self, folder: ServiceFolder, change: Change) -> None:
        """Do what the candidate needs to take connections, after it was made live."""

    def drain(self, folder: ServiceFolder, old: Slot) -> None:
        """Let the version before finish and take no more."""

    def give_back(self, folder: ServiceFolder, change: Change, old: Slot) -> None:
        """Let the version before, which is live again, take connections; start it when it does not run."""

    def returned(self, folder: ServiceFolder, old: Slot) -> Finding:
        """Return what keeps people from the version before after that, where that is worth a question."""

    def restart(self, folder: ServiceFolder, slot: Slot) -> None:
        """Start a slot that served before, and wait until it is healthy and takes connections."""

    def check_public(self, folder: ServiceFolder, slot: Slot, seconds: float) -> Finding:
        """Return what comes of asking a live slot at its public address, within `seconds`."""

    def address(self, folder: ServiceFolder, slot: Slot) -> str:
        """Return where the service is reached from this machine."""


class Link:
    """A switch for which the `live` link is all: whoever follows it connects anew for each request, and keeps nothing.

    What differs for another one is overridden; `check_public` and `address` must be.
    """

    def __init__(self, root: HostTarget, guard: Guard) -> None:
        self.root, self.guard = root, guard
        self.gaps: dict[str, int] = {}

    @staticmethod
    def carries(routing: Routing) -> str:
        """Return why not: a link names one slot."""
        return "all traffic goes to one version there" if routing.divided else ""

    def apply(self, folder: ServiceFolder, routing: Routing) -> None:
        """Rename the link, or remove it when nothing is to be live."""
        live = routing.settled.live
        if live != NOBODY:
            slot = slots.read(folder, live)
            link_atomically(folder.live, folder.pointer(live, slot.mode if slot else ""))
        elif folder.path.is_dir():
            with contextlib.suppress(FileNotFoundError):
                folder.live.unlink()
            # As link_atomically does: after a power cut the link must not be back.
            sync_folder(folder.path)

    def read_back(self, folder: ServiceFolder) -> Routing:
        """Return which slot the link names."""
        return Routing(slots.live(folder))

    def accept(self, folder: ServiceFolder, change: Change) -> None:
        """The link is followed already, so there is nothing to report."""

    def drain(self, folder: ServiceFolder, old: Slot) -> None:
        """No connection is kept, so there is nothing to report."""

    def give_back(self, folder: ServiceFolder, change: Change, old: Slot) -> None:  # noqa: ARG002
        """Start the version before again unless it is well."""
        if self.well(folder, old):
            return
        again = old._replace(guarded=True)
        # Noted before it is ended: after a kill here the next start of the supervisor brings it back.
        slots.write(folder, again)
        # Not Guard.end, which notes that it is not to be started again.
        self.guard.driver.stop(folder, old, old.drain_ms / 1000)
        self.restart(folder, again)

    def returned(self, folder: ServiceFolder, old: Slot) -> Finding:
        """Ask where the public asks."""
        return self.check_public(folder, old, control.SECONDS)

    def restart(self, folder: ServiceFolder, slot: Slot) -> None:
        """Start it and wait until it is healthy."""
        slots.write(folder, slot)
        self.guard.launch_slot(folder, slot)
        self.guard.prove_slot(folder, slot.slot)

    def well(self, folder: ServiceFolder, slot: Slot) -> bool:
        """Whether a running version before is well, asked again if not: to end it for one bad answer is an outage."""

        def asked(seconds: float) -> bool:
            return not self.guard.ask_all([(folder, slot)], seconds)[0]

        with contextlib.suppress(HealthIdentity):
            return self.guard.driver.runs(folder, slot) and retry(asked)
        return False

    def check_public(self, folder: ServiceFolder, slot: Slot, seconds: float = control.SECONDS) -> Finding:
        """Return what comes of asking a live slot at its public address."""
        raise NotImplementedError

    def address(self, folder: ServiceFolder, slot: Slot) -> str:
        """Return where the service is reached from this machine."""
        raise NotImplementedError
