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
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Callable

from goferry.host import control, processes, slots, state
from goferry.host.gap import Gap, asking
from goferry.host.guard import Guard
from goferry.host.layout import Root, ServiceFolder
from goferry.host.look import BAD
from goferry.host.public import FRONT, SERVICE, Finding
from goferry.kernel import canonical
from goferry.kernel.errors import Failed, GoferryError, printable
from goferry.kernel.files import link_atomically, sync_folder
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.outcomes import (
    CandidateCrashed,
    CandidateUnhealthy,
    HealthIdentity,
    HostFailed,
    PublicAddressUnreachable,
    RollbackFailed,
)

SWITCH = 5.0
"""Seconds in which a service must have answered that it takes connections, or that it is well, to be given them."""
ITSELF = 1.0
"""Seconds for a question to a candidate that is not reached from outside."""
_REACHED: dict[str, tuple[type[Failed], str]] = {
    FRONT: (PublicAddressUnreachable, "is not reached at"),
    SERVICE: (CandidateUnhealthy, "answers badly at"),
}


class Links:
    """What every switch shares: the link, and bringing the version before back.

    Attributes:
        gaps: milliseconds in which nobody answered, by service, where there was such a time.
        unreached: why nobody is served by the version before after the way back, by service.
    """

    def __init__(self, root: Root, guard: Guard) -> None:
        self.root, self.guard = root, guard
        self.gaps: dict[str, int] = {}
        self.unreached: dict[str, str] = {}

    def _folder(self, transaction: Transaction, change: Change) -> ServiceFolder:
        return self.root.service(transaction.project, change.service)

    def point(self, transaction: Transaction, change: Change) -> None:
        """Rename the `live` link to the candidate's slot, and read it back."""
        self._link(self._folder(transaction, change), change.slot)

    def _link(self, folder: ServiceFolder, number: int) -> None:
        slot = slots.read(folder, number)
        pointer = folder.pointer(number, slot["mode"] if slot else "")
        link_atomically(folder.live, pointer)
        if os.readlink(str(folder.live)) != pointer:
            raise HostFailed(f"{folder.live} does not name slot {number} after its rename")

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
                self._give_back(folder, change, old)
        except (CandidateCrashed, CandidateUnhealthy, HealthIdentity) as error:
            self.unreached[change.service] = error.what
        except GoferryError as error:
            raise RollbackFailed(f"{change.service} {change.old_version}: {error.what}") from error

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

    def _give_back(self, folder: ServiceFolder, change: Change, old: dict[str, Any]) -> None:
        raise NotImplementedError

    def _well(self, folder: ServiceFolder, slot: dict[str, Any]) -> bool:
        """Whether a running version before is well, asked again if not: to end it for one bad answer is an outage."""

        def asked(seconds: float) -> bool:
            return not self.guard.ask_all([(folder, slot)], seconds)[0]

        with contextlib.suppress(HealthIdentity):
            return self.guard.driver.runs(folder, slot) and insisted(asked)
        return False

    def reach(self, transaction: Transaction, change: Change) -> None:
        """Ask the public address: whoever asks there now must reach the candidate, and find it well.

        Raises:
            PublicAddressUnreachable: when nobody reaches it. CandidateUnhealthy: when it is reached and is not well.
        """
        folder = self._folder(transaction, change)
        slot = self.guard.described(folder, change.slot)
        found = self.publicly(folder, slot)
        if found.where == FRONT:  # a candidate that answers nobody has no fault in front of it
            wrong = self.guard.ask_all([(folder, slot)], ITSELF)[0]
            found = Finding(SERVICE, wrong) if wrong else found
        if found.where:
            kind, how = _REACHED[found.where]
            what = f"{change.service} {change.version} {how} {self.address(folder, slot)}: {found.what}"
            error = kind(what, advice=found.advice)
            raise self.guard.blame(folder, change.slot, error) if found.where == SERVICE else error

    def publicly(self, folder: ServiceFolder, slot: dict[str, Any], seconds: float = control.SECONDS) -> Finding:
        """Return what comes of asking a live slot at its public address, within `seconds`."""
        raise NotImplementedError

    def address(self, folder: ServiceFolder, slot: dict[str, Any]) -> str:  # noqa: ARG002
        """Return where the service is reached from this machine."""
        return url(int(slot.get("port", 0)))

    def _restart(self, folder: ServiceFolder, slot: dict[str, Any]) -> None:
        slots.write(folder, slot)
        self.guard.launch_slot(folder, slot)
        self.guard.prove_slot(folder, int(slot["slot"]))


class Switch(Links):
    """Traffic of the embedded target."""

    def __init__(self, root: Root, guard: Guard) -> None:
        super().__init__(root, guard)
        self._since: dict[str, float] = {}

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

    def publicly(self, folder: ServiceFolder, slot: dict[str, Any], seconds: float = control.SECONDS) -> Finding:
        """Return what comes of asking a slot on its public port.

        A plain service's own port is the public one, where its health is asked anyway. Of the two that share a socket
        the version before may still answer what it took before it drained, so a few questions are put.
        """
        if slot["mode"] == "plain":
            wrong = self.guard.ask_all([(folder, slot)], seconds)[0]
            return Finding(SERVICE, wrong) if wrong else Finding()
        said, pid = "", self.guard.driver.running(folder, int(slot["slot"])).get("pid", 0)
        until = time.monotonic() + seconds
        for _ in range(BAD):
            try:
                body = control.ask_port(int(slot["port"]), slot["health"], max(0.05, until - time.monotonic()))[1]
                said = _stranger(body, pid)
            except OSError as error:
                said = str(error)
            if not said and processes.listens(pid, int(slot["port"])):
                return Finding()
            time.sleep(0.05)
        return Finding(FRONT, said or f"process {pid} does not listen on port {slot['port']}")

    def _tell(self, folder: ServiceFolder, number: int, target: str, wanted: int, tries: int = BAD) -> None:
        said = "nothing"

        def told(seconds: float) -> bool:
            nonlocal said
            try:
                status, body = control.ask(self.root.own / "run" / folder.control(number), "POST", target, seconds)
            except OSError as error:
                said = str(error)
                return False
            said = f"HTTP {status} {printable(body[:100].decode('utf-8', 'replace'))}"
            return status == wanted

        if not insisted(told, tries):
            raise CandidateUnhealthy(f"{folder.name} answered POST {target} with: {said}")

    def _replace(self, folder: ServiceFolder, change: Change) -> None:
        """Swap processes on the public port; the gap is what somebody finds who asks there meanwhile.

        The one before has its own time to end, and only then the candidate its own to become ready.
        """
        self.guard.end(folder, change.slot)
        slot = self.guard.describe(folder, change, change.port)
        slots.write(folder, slot)
        self.guard.driver.arm(folder, slot)
        with self._gap(change, slot, 0.0) as gap:
            if change.old_slot >= 0:
                self.guard.end(folder, change.old_slot)
            gap.turn()
            self.guard.begin(folder, slot)
            self.guard.prove_slot(folder, change.slot, heed=True)

    @contextlib.contextmanager
    def _gap(self, change: Change, slot: dict[str, Any], last: float) -> Iterator[Gap]:
        """Measure what passes until the port answers again; when it does not in the block, that is not over yet.

        `last` is when whoever is to end in the block gave a last good answer, or 0.
        """

        def asked() -> bool:
            with contextlib.suppress(OSError):
                return control.ask_port(change.port, slot["health"])[0] == 200
            return False

        with asking(asked, self._since.pop(change.service, last)) as gap:
            try:
                yield gap
            except BaseException:
                if not gap.first:
                    self._since[change.service] = gap.last
                raise
        if change.old_slot >= 0:
            self.gaps[change.service] = self.gaps.get(change.service, 0) + gap.ms

    def drain(self, transaction: Transaction, change: Change) -> None:
        """Tell the version before to take no more; one that died meanwhile needs no telling."""
        folder = self._folder(transaction, change)
        old = slots.read(folder, change.old_slot) if change.old_slot >= 0 else None
        if old and old["mode"] == "socket":
            with contextlib.suppress(GoferryError):
                self._tell(folder, change.old_slot, "/drain", 202, 1)

    def _give_back(self, folder: ServiceFolder, change: Change, old: dict[str, Any]) -> None:
        if old["mode"] == "socket" and self.guard.driver.runs(folder, old):
            with contextlib.suppress(CandidateUnhealthy):
                self._tell(folder, change.old_slot, "/accept", 200)
                return
        if old["mode"] == "socket":
            self.guard.end(folder, change.old_slot)
            self._restart(folder, {**old, "guarded": True})
        elif not self._well(folder, old):
            with self._gap(change, old, self.guard.last_well(folder, change.slot)) as gap:
                self.guard.end(folder, change.slot)
                self.guard.end(folder, change.old_slot)
                gap.turn()
                self._restart(folder, {**old, "guarded": True})

    def _restart(self, folder: ServiceFolder, slot: dict[str, Any]) -> None:
        super()._restart(folder, slot)
        if slot["mode"] == "socket":
            self._tell(folder, int(slot["slot"]), "/accept", 200)


def insisted(ask: Callable[[float], bool], tries: int = BAD) -> bool:
    """Whether one of a few questions is answered well, all of them within SWITCH seconds; `ask` gets its seconds."""
    until = time.monotonic() + SWITCH
    for number in range(tries):
        if ask(max(0.05, min(control.SECONDS, until - time.monotonic()))):
            return True
        time.sleep(0.05 if number + 1 < tries else 0)
    return False


def _stranger(body: bytes, pid: int) -> str:
    """Return how an answer is another process's; one that names no process may be anybody's."""
    try:
        said = canonical.loads(body)
    except ValueError:
        return ""
    other = said.get("pid", pid) if isinstance(said, dict) else pid
    return "" if other == pid else f"process {printable(str(other), 40)} answers instead of {pid}"


def url(port: int) -> str:
    """Return where a service is reached."""
    return f"http://127.0.0.1:{port}"
