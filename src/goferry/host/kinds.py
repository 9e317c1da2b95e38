"""What a host does for each kind of service: how its candidate is started, listens, is switched and is asked.

A kind's name is the `mode` of journals, slots and answers; which services are of which kind is kernel.services'. To add
one, write its class, give it a row in KINDS, and its shape one in the kernel's SHAPES.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Callable, Protocol

from goferry.host.plain_kind import PlainService
from goferry.host.socket_kind import SocketService
from goferry.kernel.services import Declared, Shape

if TYPE_CHECKING:
    from goferry.host.direct import Direct
    from goferry.host.guard import Guard
    from goferry.host.health_failure import HealthFailure
    from goferry.host.layout import ServiceFolder
    from goferry.host.public import Finding
    from goferry.host.shim import Slot, Template
    from goferry.kernel.machine import Change


class ServiceKind(Protocol):
    """A kind of service.

    Attributes:
        shape: its name, and how releases and hosts tell it from others.
    """

    shape: Shape

    def variables(self, declared: Declared) -> Mapping[str, str]:
        """Return what is added to the process's environment."""

    def template(self, declared: Declared, *, filled: bool) -> Template | None:
        """Return the arguments and variables that say where to listen; None when it is told nowhere.

        `filled` says that the release means placeholders as such.
        """

    def listen(self, public: int, private: Callable[[], int]) -> int:
        """Return the port that a candidate is given on a target without a proxy."""

    def shared_port(self, public: int) -> int:
        """Return the port whose listening socket both slots share there; 0 when each has its own."""

    def ask(self, guard: Guard, folder: ServiceFolder, slot: Slot, pid: int, seconds: float) -> HealthFailure:
        """Return what is wrong with what the slot's process answers.

        Raises:
            HealthIdentity: when something else answers in its place.
        """

    def foreign_answer(self, slot: Slot, body: bytes, pid: Callable[[], int]) -> str:
        """Return how an answer at the public address is another process's; empty where that can't be said.

        `pid` looks which process the slot's is, which takes a moment.
        """

    def accept(self, switch: Direct, folder: ServiceFolder, change: Change) -> None:
        """Let the candidate take connections."""

    def drain(self, folder: ServiceFolder, old: Slot) -> None:
        """Let the version before finish and take no more."""

    def give_back(self, switch: Direct, folder: ServiceFolder, change: Change, old: Slot) -> None:
        """Let the version before take connections again; start it when it does not run."""

    def restarted(self, folder: ServiceFolder, slot: Slot) -> None:
        """Let a slot that was started outside of a deploy, and is healthy, take connections."""

    def check_public(self, switch: Direct, folder: ServiceFolder, slot: Slot, seconds: float) -> Finding:
        """Return what comes of asking a live slot on its public port."""


KINDS: Mapping[str, ServiceKind] = {kind.shape.name: kind for kind in (SocketService(), PlainService())}
"""By name."""
