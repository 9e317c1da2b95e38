"""The switch between two slots: the `live` link, and what must follow its rename.

On a provisioned host (host.nginx) nothing must. On the embedded target, a service that follows the app contract shares
one listening socket between both slots: the candidate is told to accept, then the version before to drain; no moment
passes in which nobody accepts. A plain service owns its port, so the one before ends and the candidate is started again
on the public port; that gap is measured and told.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from typing import Any, Dict

from goferry.host import control, slots, state
from goferry.host.guard import Guard
from goferry.host.layout import Root, ServiceFolder
from goferry.kernel.errors import GoferryError, printable
from goferry.kernel.files import link_atomically, sync_folder
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.outcomes import CandidateUnhealthy, HostFailed, RollbackFailed


class Links:
    """What every switch shares: the link, and bringing the version before back."""

    def __init__(self, root: Root, guard: Guard) -> None:
        self.root, self.guard = root, guard
        self.gaps: Dict[str, int] = {}

    def _folder(self, transaction: Transaction, change: Change) -> ServiceFolder:
        return self.root.service(transaction.project, change.service)

    def point(self, transaction: Transaction, change: Change) -> None:
        """Rename the `live` link to the candidate's slot, and read it back."""
        self._link(self._folder(transaction, change), change.slot)

    def _link(self, folder: ServiceFolder, number: int) -> None:
        link_atomically(folder.live, folder.pointer(number))
        if os.readlink(str(folder.live)) != folder.pointer(number):
            raise HostFailed("%s does not name slot %d after its rename" % (folder.live, number))

    def unpoint(self, transaction: Transaction, change: Change) -> None:
        """Rename the `live` link back, or remove it when nothing was live before."""
        folder = self._folder(transaction, change)
        if change.old_slot >= 0:
            self._link(folder, change.old_slot)
        elif folder.path.is_dir():
            with contextlib.suppress(FileNotFoundError):
                folder.live.unlink()
            sync_folder(folder.path)

    def give_back(self, transaction: Transaction, change: Change) -> None:
        """Let the version before take connections again; start it when it does not run.

        Raises:
            RollbackFailed: when it does not answer; the next recovery tries again.
        """
        if change.old_slot < 0:
            return
        folder = self._folder(transaction, change)
        old = slots.read(folder, change.old_slot)
        try:
            if old is None:
                self._bring_back(folder, change)
            else:
                self._give_back(folder, change, old)
        except GoferryError as error:
            raise RollbackFailed("%s %s: %s" % (change.service, change.old_version, error.what)) from error

    def _bring_back(self, folder: ServiceFolder, change: Change) -> None:
        """Fill the emptied slot of the version before again, unless everything was stopped on purpose."""
        live = state.read(folder)["live"]
        if live is None or state.read(folder)["stopped"]:
            return
        before = replace(
            change,
            slot=change.old_slot,
            mode=live["mode"],
            port=live["port"],
            sequence=change.old_sequence,
            version=change.old_version,
            sha256=change.old_sha256,
        )
        self.guard.end(folder, change.slot)
        listen = self.guard.driver.listen(folder, before) if self.root.host else before.port
        self._restart(folder, {**self.guard.describe(folder, before, listen), "guarded": True})

    def _give_back(self, folder: ServiceFolder, change: Change, old: Dict[str, Any]) -> None:
        raise NotImplementedError

    def _restart(self, folder: ServiceFolder, slot: Dict[str, Any]) -> None:
        slots.write(folder, slot)
        self.guard.launch_slot(folder, slot)
        self.guard.prove_slot(folder, int(slot["slot"]))


class Switch(Links):
    """Traffic of the embedded target."""

    def accept(self, transaction: Transaction, change: Change) -> None:
        """Let the candidate take connections.

        Raises:
            CandidateUnhealthy: when it does not say that it does.
        """
        folder = self._folder(transaction, change)
        if change.mode == "plain":
            self._replace(folder, change)
        else:
            self._tell(folder, change.slot, "/accept", 200)

    def _tell(self, folder: ServiceFolder, number: int, target: str, wanted: int) -> None:
        try:
            status, body = control.ask(self.root.own / "run" / folder.control(number), "POST", target)
            said = "HTTP %d %s" % (status, printable(body[:100].decode("utf-8", "replace")))
        except OSError as error:
            status, said = 0, str(error)
        if status != wanted:
            raise CandidateUnhealthy("%s answered POST %s with: %s" % (folder.name, target, said))

    def _replace(self, folder: ServiceFolder, change: Change) -> None:
        """Swap processes on the public port, with a gap from the end of one to the first good answer of the other."""
        self.guard.end(folder, change.slot)
        slot = self.guard.describe(folder, change, change.port)
        slots.write(folder, slot)
        self.guard.driver.arm(folder, slot)
        since = time.monotonic()
        if change.old_slot >= 0:
            self.guard.end(folder, change.old_slot)
        self.guard.driver.start(folder, slot)
        while self.guard.ask(folder, slot):
            self.guard.refuse_crashed(folder, slot)
            if time.monotonic() - since > slot["ready_ms"] / 1000:
                raise CandidateUnhealthy("%s did not answer on its public port %d" % (folder.name, change.port))
            self.guard.patience(0.002, heed=True)
        if change.old_slot >= 0:
            self.gaps[change.service] = max(1, round((time.monotonic() - since) * 1000))
        self.guard.prove_slot(folder, change.slot, heed=True)

    def drain(self, transaction: Transaction, change: Change) -> None:
        """Tell the version before to take no more; one that died meanwhile needs no telling."""
        folder = self._folder(transaction, change)
        old = slots.read(folder, change.old_slot) if change.old_slot >= 0 else None
        if old and old["mode"] == "socket":
            with contextlib.suppress(GoferryError):
                self._tell(folder, change.old_slot, "/drain", 202)

    def _give_back(self, folder: ServiceFolder, change: Change, old: Dict[str, Any]) -> None:
        runs = self.guard.driver.runs(folder, old)
        if old["mode"] == "socket" and runs:
            with contextlib.suppress(CandidateUnhealthy):
                self._tell(folder, change.old_slot, "/accept", 200)
                return
        if old["mode"] == "plain":
            if runs and not self.guard.ask(folder, old):
                return
            self.guard.end(folder, change.slot)
        self.guard.end(folder, change.old_slot)
        self._restart(folder, {**old, "guarded": True})

    def _restart(self, folder: ServiceFolder, slot: Dict[str, Any]) -> None:
        super()._restart(folder, slot)
        if slot["mode"] == "socket":
            self._tell(folder, int(slot["slot"]), "/accept", 200)


def url(port: int) -> str:
    """Return where a service is reached."""
    return "http://127.0.0.1:%d" % port
