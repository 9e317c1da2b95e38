"""Services that listen by themselves where they are told, and know nothing of Goferry.

Such a service owns its port. On a target without a proxy a candidate is proven on a private port; then the version
before ends and the candidate is started again on the public one. That gap is measured and reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Callable, NamedTuple

from goferry.host import control, health_failure, processes, slots
from goferry.host.health_failure import NO_FAILURE, HealthFailure
from goferry.host.public import SERVICE, Finding
from goferry.host.shim import Template
from goferry.kernel import services
from goferry.kernel.services import PLAIN, Declared

if TYPE_CHECKING:
    from goferry.host.direct import Direct
    from goferry.host.guard import Guard
    from goferry.host.layout import ServiceFolder
    from goferry.host.shim import Slot
    from goferry.kernel.machine import Change


class _AddressSetting(NamedTuple):
    """How it learns its address: the one key of `listen` that is there."""

    env: str = ""
    port_env: str = ""
    flag: str = ""


class PlainService:
    """The kind of service that owns its port."""

    shape = PLAIN

    def variables(self, declared: Declared) -> Mapping[str, str]:  # noqa: ARG002
        """Nothing: what it is told is in the template."""
        return {}

    def template(self, declared: Declared, *, filled: bool) -> Template | None:
        """Return the arguments and those variables that say where to listen, for Python's `%` (`shim.placed`)."""

        def text(value: str) -> str:
            return services.template(value) if filled else value.replace("%", "%%")

        how = _AddressSetting(
            **{key: str(value) for key, value in declared.listen.items() if key in _AddressSetting._fields}
        )
        given = declared.env if filled else {}
        env = {key: text(value) for key, value in given.items() if key not in slots.OWN_VARIABLES}
        # What has no placeholder needs no template: the slot has it as it is.
        env = {key: value for key, value in env.items() if value != given[key]}
        words = [text(word) for word in declared.args]
        if how.env:
            env[how.env] = "%(address)s"
        elif how.port_env:
            env[how.port_env] = "%(port)s"
        elif how.flag:
            words += [how.flag.replace("%", "%%"), "%(address)s"]
        return Template(words, env)

    def listen(self, public: int, private: Callable[[], int]) -> int:  # noqa: ARG002
        """Return a private port: the public one is the version before's until the switch."""
        return private()

    def shared_port(self, public: int) -> int:  # noqa: ARG002
        """Each slot listens by itself."""
        return 0

    def ask(self, guard: Guard, folder: ServiceFolder, slot: Slot, pid: int, seconds: float) -> HealthFailure:
        """Ask where it listens. It can't say who it is, so its process must own the port."""
        path, port = guard.driver.socket_path(folder, slot), guard.driver.port(folder, slot)
        connection = (
            control.UnixConnection(path, seconds) if path else control.PortConnection("127.0.0.1", port, seconds)
        )
        try:
            answer = control.fetch(connection, "GET", slot.health, {})
        except OSError as error:
            return (
                health_failure.of_error(error)
                if processes.listened(port)
                else health_failure.not_listening(slot, port, processes.ports(pid))
            )
        if answer.status != 200:
            location = str(answer.headers.get("Location") or "")
            return health_failure.of_status(answer.status, slot.health, location=location, body=answer.body)
        if not processes.listens(pid, port):
            return HealthFailure(f"port {port} is answered by another process than {pid}")
        return NO_FAILURE

    def foreign_answer(self, slot: Slot, body: bytes, pid: Callable[[], int]) -> str:  # noqa: ARG002
        """It says nothing of itself."""
        return ""

    def accept(self, switch: Direct, folder: ServiceFolder, change: Change) -> None:
        """Swap processes on the public port; the gap is what somebody finds who asks there meanwhile.

        The one before has its own time to end, and only then the candidate its own to become ready.
        """
        guard = switch.guard
        # The process that was proven listens on its private port; only another one can have the public one.
        guard.end(folder, change.slot)
        slot = guard.describe(folder, change, change.port)
        slots.write(folder, slot)
        # While the version before still serves: the gap is to have nothing in it but the two processes.
        guard.driver.arm(folder, slot)
        with switch.gap(change, slot, 0.0) as gap:
            if change.old_slot >= 0:
                guard.end(folder, change.old_slot)
            gap.turn()
            guard.begin(folder, slot)
            guard.prove_slot(folder, change.slot, cancellable=True)

    def drain(self, folder: ServiceFolder, old: Slot) -> None:
        """It ended before the candidate was started."""

    def give_back(self, switch: Direct, folder: ServiceFolder, change: Change, old: Slot) -> None:
        """Start the version before again on the public port, unless it still serves there."""
        if switch.well(folder, old):
            return
        with switch.gap(change, old, switch.guard.last_healthy(folder, change.slot)) as gap:
            switch.guard.end(folder, change.slot)
            switch.guard.end(folder, change.old_slot)
            gap.turn()
            switch.restart(folder, old._replace(guarded=True))

    def restarted(self, folder: ServiceFolder, slot: Slot) -> None:
        """It listens, so it takes connections."""

    def check_public(self, switch: Direct, folder: ServiceFolder, slot: Slot, seconds: float) -> Finding:
        """Its own port is the public one, where its health is asked anyway."""
        wrong = switch.guard.ask_all([(folder, slot)], seconds)[0]
        return Finding(SERVICE, wrong) if wrong else Finding()
