"""The switch of a provisioned host: nginx's upstream names `live.sock`, so renaming that link is the whole switch.

nginx connects to the upstream anew for each request and keeps no connection, so the next request goes to the candidate.
The version before stays warm and idle until the commit; the way back is one rename. Whether anybody reaches the
candidate is asked where the public asks: at the port on which nginx serves it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from goferry.host import control, slots
from goferry.host.guard import Guard
from goferry.host.health_check import BAD
from goferry.host.layout import ServiceFolder
from goferry.host.public import FRONT, SERVICE, Finding, PublicAddress
from goferry.host.shim import Slot
from goferry.host.switch import Link

if TYPE_CHECKING:
    from goferry.host.target import HostTarget


class Nginx(Link):
    """Traffic through nginx."""

    def __init__(self, root: HostTarget, guard: Guard) -> None:
        super().__init__(root, guard)
        self.public = PublicAddress()

    def address(self, folder: ServiceFolder, slot: Slot) -> str:  # noqa: ARG002
        """Return where nginx serves the service."""
        return self.public.address(folder.place)

    def check_public(self, folder: ServiceFolder, slot: Slot, seconds: float = control.SECONDS) -> Finding:
        """Return what comes of asking a live slot at its public address; an answer that is bad once is asked again."""
        deadline, found = time.monotonic() + seconds, Finding()
        for _ in range(BAD):
            found = self._check(folder, slot, max(0.1, deadline - time.monotonic()))
            if not found.where or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        return found

    def _check(self, folder: ServiceFolder, slot: Slot, seconds: float) -> Finding:
        found = self.public.check(folder.place, slot.health, seconds)
        if found.where:
            return found
        # nginx tells that it followed the link, not where to. Read after the answer, it led to this slot.
        if slots.live(folder) != slot.slot:
            return Finding(FRONT, f"{folder.live} does not name slot {slot.slot}")
        kind = self.root.kind(slot.mode)
        wrong = kind.foreign_answer(slot, found.body, lambda: self.guard.driver.running(folder, slot.slot).pid)
        return Finding(SERVICE, wrong) if wrong else found
