"""The switch of the embedded target: nothing stands before the services, so each kind is switched its own way.

The `live` link says which slot is live; its clients reach the service itself, and what must follow the link's rename is
the kind's (host.socket_kind, host.plain_kind).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from goferry.host import control
from goferry.host.gap import Gap, asking
from goferry.host.guard import Guard
from goferry.host.layout import ServiceFolder
from goferry.host.public import Finding
from goferry.host.shim import Slot
from goferry.host.switch import Link
from goferry.kernel.machine import Change

if TYPE_CHECKING:
    from goferry.host.target import HostTarget


class Direct(Link):
    """Traffic that reaches the services directly."""

    def __init__(self, root: HostTarget, guard: Guard) -> None:
        super().__init__(root, guard)
        self._since: dict[str, float] = {}

    def accept(self, folder: ServiceFolder, change: Change) -> None:
        """Let the candidate take connections."""
        self.root.kind(change.mode).accept(self, folder, change)

    def drain(self, folder: ServiceFolder, old: Slot) -> None:
        """Let the version before finish."""
        self.root.kind(old.mode).drain(folder, old)

    def give_back(self, folder: ServiceFolder, change: Change, old: Slot) -> None:
        """Let the version before take connections again."""
        self.root.kind(old.mode).give_back(self, folder, change, old)

    def returned(self, folder: ServiceFolder, old: Slot) -> Finding:  # noqa: ARG002
        """Nothing stands before it that could keep people away."""
        return Finding()

    def restart(self, folder: ServiceFolder, slot: Slot) -> None:
        """Start it, and let it take connections once it is healthy."""
        super().restart(folder, slot)
        self.root.kind(slot.mode).restarted(folder, slot)

    def check_public(self, folder: ServiceFolder, slot: Slot, seconds: float = control.SECONDS) -> Finding:
        """Ask on its public port, as its kind says."""
        return self.root.kind(slot.mode).check_public(self, folder, slot, seconds)

    def address(self, folder: ServiceFolder, slot: Slot) -> str:  # noqa: ARG002
        """Return its own port's URL."""
        return f"http://127.0.0.1:{slot.port}"

    @contextlib.contextmanager
    def gap(self, change: Change, slot: Slot, last: float) -> Iterator[Gap]:
        """Measure what passes until the port answers again; when it does not in the block, that is not over yet.

        `last` is when whoever is to end in the block gave a last good answer, or 0.
        """

        def asked() -> bool:
            with contextlib.suppress(OSError):
                return control.ask_port(change.port, slot.health)[0] == 200
            return False

        # A block that failed before an answer came left its gap open; the way back goes on measuring it.
        with asking(asked, self._since.pop(change.service, last)) as gap:
            try:
                yield gap
            except BaseException:
                if not gap.first:
                    self._since[change.service] = gap.last
                raise
        # With no version before it nobody was served, so nobody missed anything.
        if change.old_slot >= 0:
            self.gaps[change.service] = self.gaps.get(change.service, 0) + gap.ms
