"""The acts of the deploy machine that move traffic: each declares to the switch what is wanted, and reads it back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from goferry.host import control, slots, state
from goferry.host.guard import Guard
from goferry.host.layout import ServiceFolder
from goferry.host.public import FRONT, SERVICE, Finding
from goferry.host.shim import Slot
from goferry.host.switch import Switch
from goferry.kernel.errors import Failed, GoferryError
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.outcomes import (
    CandidateCrashed,
    CandidateUnhealthy,
    HealthIdentity,
    HostFailed,
    PublicAddressUnreachable,
    RollbackFailed,
)
from goferry.kernel.routing import Routing

if TYPE_CHECKING:
    from goferry.host.target import HostTarget

ITSELF = 1.0
"""Seconds for a question to a candidate that is not reached from outside."""
_REACHED: dict[str, tuple[type[Failed], str]] = {
    FRONT: (PublicAddressUnreachable, "is not reached at"),
    SERVICE: (CandidateUnhealthy, "answers badly at"),
}


class TrafficActs:
    """The traffic of one target, as `engine.Switch` wants it moved.

    Attributes:
        unreached: why nobody is served by the version before after the way back, by service.
    """

    def __init__(self, root: HostTarget, guard: Guard, switch: Switch) -> None:
        self.root, self.guard, self.switch = root, guard, switch
        self.unreached: dict[str, str] = {}

    @property
    def gaps(self) -> dict[str, int]:
        """Milliseconds in which nobody answered, by service, where there was such a time."""
        return self.switch.gaps

    def _folder(self, transaction: Transaction, change: Change) -> ServiceFolder:
        return self.root.service(transaction.project, change.service)

    def route(self, folder: ServiceFolder, routing: Routing) -> None:
        """Direct the traffic of a service, and read back where it goes.

        Raises:
            HostFailed: when the switch can't direct it so, or it goes elsewhere afterwards.
        """
        why = self.switch.carries(routing)
        if why:
            raise HostFailed(f"traffic of {folder.name} can't go where it should: {why}")
        self.switch.apply(folder, routing)
        if self.switch.read_back(folder).settled != routing.settled:
            raise HostFailed(f"{folder.live} does not name slot {routing.settled.live} after its rename")

    def point(self, transaction: Transaction, change: Change) -> None:
        """Give the candidate all of the traffic."""
        self.route(self._folder(transaction, change), Routing(change.old_slot, change.slot, 100))

    def unpoint(self, transaction: Transaction, change: Change) -> None:
        """Give the version before all of it again; nobody serves when nothing was live before."""
        self.route(self._folder(transaction, change), Routing(change.old_slot, change.slot, 0))

    def accept(self, transaction: Transaction, change: Change) -> None:
        """Let the candidate take connections.

        Raises:
            CandidateUnhealthy: when it does not say that it does.
        """
        self.switch.accept(self._folder(transaction, change), change)

    def drain(self, transaction: Transaction, change: Change) -> None:
        """Let the version before finish and take no more."""
        folder = self._folder(transaction, change)
        old = slots.read(folder, change.old_slot) if change.old_slot >= 0 else None
        if old is not None:
            self.switch.drain(folder, old)

    def give_back(self, transaction: Transaction, change: Change) -> None:
        """Let the version before take connections again; start it when it does not run.

        One that is ill is named live all the same, and its supervisor starts it again when it ends: it is noted in
        `unreached`, and holds neither the way back nor whoever comes next.

        Raises:
            RollbackFailed: when this could not be done; the next recovery tries again.
        """
        if change.old_slot < 0:
            return
        folder = self._folder(transaction, change)
        old = slots.read(folder, change.old_slot)
        self.unreached.pop(change.service, None)
        try:
            if old is None:
                self._bring_back(folder, change)
            else:
                self.switch.give_back(folder, change, old)
        except (CandidateCrashed, CandidateUnhealthy, HealthIdentity) as error:
            self.unreached[change.service] = error.what
        except GoferryError as error:
            raise RollbackFailed(f"{change.service} {change.old_version}: {error.what}") from error
        # Read again: it may have been described anew, with another port.
        old = slots.read(folder, change.old_slot)
        found = self.switch.returned(folder, old) if old and change.service not in self.unreached else Finding()
        if found.where:
            self.unreached[change.service] = found.what

    def _bring_back(self, folder: ServiceFolder, change: Change) -> None:
        """Fill the emptied slot of the version before again, unless everything was stopped on purpose."""
        now = state.read(folder)
        if now.live is None or now.stopped:
            return
        before = replace(
            change,
            slot=change.old_slot,
            mode=now.live.mode,
            port=now.live.port,
            sequence=change.old_sequence,
            version=change.old_version,
            sha256=change.old_sha256,
        )
        # The candidate first, as it may have the public port.
        self.guard.end(folder, change.slot)
        listen = self.root.listen_again(self.guard.driver, folder, before)
        self.switch.restart(folder, self.guard.describe(folder, before, listen)._replace(guarded=True))

    def reach(self, transaction: Transaction, change: Change) -> None:
        """Ask the public address: whoever asks there now must reach the candidate, and find it well.

        Raises:
            PublicAddressUnreachable: when nobody reaches it. CandidateUnhealthy: when it is reached and is not well.
        """
        folder = self._folder(transaction, change)
        slot = self.guard.described(folder, change.slot)
        found = self.check_public(folder, slot)
        if found.where == FRONT:  # a candidate that answers nobody has no fault in front of it
            wrong = self.guard.ask_all([(folder, slot)], ITSELF)[0]
            found = Finding(SERVICE, wrong) if wrong else found
        if found.where:
            kind, how = _REACHED[found.where]
            what = f"{change.service} {change.version} {how} {self.address(folder, slot)}: {found.what}"
            error = kind(what, advice=found.advice)
            raise self.guard.attach_log(folder, change.slot, error) if found.where == SERVICE else error

    def check_public(self, folder: ServiceFolder, slot: Slot, seconds: float = control.SECONDS) -> Finding:
        """Return what comes of asking a live slot at its public address, within `seconds`."""
        return self.switch.check_public(folder, slot, seconds)

    def address(self, folder: ServiceFolder, slot: Slot) -> str:
        """Return where the service is reached from this machine."""
        return self.switch.address(folder, slot)
