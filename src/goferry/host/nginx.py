"""The switch of a provisioned host: nginx's upstream names `live.sock`, so renaming that link is the whole switch.

nginx connects to the upstream anew for each request and keeps no connection, so the next request goes to the candidate.
The version before stays warm and idle until the commit; the way back is one rename. Whether anybody reaches the
candidate is asked where the public asks: at the port on which nginx serves it.
"""

from __future__ import annotations

import time
from typing import Any

from goferry.host import control, slots
from goferry.host.guard import Guard
from goferry.host.layout import Root, ServiceFolder
from goferry.host.look import BAD
from goferry.host.public import FRONT, SERVICE, Finding, Public
from goferry.host.switch import Links
from goferry.kernel import canonical
from goferry.kernel.errors import printable
from goferry.kernel.machine import Change, Transaction


class Nginx(Links):
    """Traffic through nginx."""

    def __init__(self, root: Root, guard: Guard) -> None:
        super().__init__(root, guard)
        self.public = Public()

    def accept(self, transaction: Transaction, change: Change) -> None:
        """The link is followed already, so nothing is to be told."""

    def drain(self, transaction: Transaction, change: Change) -> None:
        """No connection is kept, so nothing is to be told."""

    def address(self, folder: ServiceFolder, slot: dict[str, Any]) -> str:  # noqa: ARG002
        """Return where nginx serves the service."""
        return self.public.address(folder.place)

    def publicly(self, folder: ServiceFolder, slot: dict[str, Any], seconds: float = control.SECONDS) -> Finding:
        """Return what comes of asking a live slot at its public address; an answer that is bad once is asked again."""
        deadline, found = time.monotonic() + seconds, Finding()
        for _ in range(BAD):
            found = self._look(folder, slot, max(0.1, deadline - time.monotonic()))
            if not found.where or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        return found

    def _look(self, folder: ServiceFolder, slot: dict[str, Any], seconds: float) -> Finding:
        found = self.public.look(folder.place, slot["health"], seconds)
        if found.where:
            return found
        if slots.live(folder) != slot["slot"]:
            return Finding(FRONT, f"{folder.live} does not name slot {slot['slot']}")
        return Finding(SERVICE, wrong) if (wrong := self._stranger(folder, slot, found.body)) else found

    def _stranger(self, folder: ServiceFolder, slot: dict[str, Any], body: bytes) -> str:
        """Return how an answer is another process's, where the service says which one it is."""
        if slot["mode"] != "socket":
            return ""
        try:
            answer = canonical.loads(body)
        except ValueError as error:
            return str(error)
        pid = self.guard.driver.running(folder, int(slot["slot"])).get("pid", 0)
        wanted = {"pid": pid, "version": slot["version"], "digest": slot["sha256"]}
        said = answer if isinstance(answer, dict) else {}
        wrong = [key for key, value in wanted.items() if said.get(key) != value]
        return ", ".join(f"{key} {printable(str(said.get(key)), 80)} instead of {wanted[key]}" for key in wrong)

    def give_back(self, transaction: Transaction, change: Change) -> None:
        """Let the version before take connections again, and note when nobody reaches it there."""
        super().give_back(transaction, change)
        folder = self._folder(transaction, change)
        slot = slots.read(folder, change.old_slot) if change.old_slot >= 0 else None
        found = self.publicly(folder, slot) if slot and change.service not in self.unreached else Finding()
        if found.where:
            self.unreached[change.service] = found.what

    def _give_back(self, folder: ServiceFolder, change: Change, old: dict[str, Any]) -> None:  # noqa: ARG002
        if self._well(folder, old):
            return
        slots.write(folder, {**old, "guarded": True})
        self.guard.driver.stop(folder, old, old["drain_ms"] / 1000)
        self._restart(folder, {**old, "guarded": True})
