"""Services that take their listening socket by LISTEN_FDS and follow the app contract (docs/deploy.md).

Both slots share one socket, so the switch is two requests to their control sockets: the candidate accepts, then the
version before drains, and no moment passes in which nobody accepts.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Callable

from goferry.host import control, health_failure, processes
from goferry.host.control import Health
from goferry.host.health_check import BAD, retry
from goferry.host.health_failure import NO_FAILURE, HealthFailure
from goferry.host.public import FRONT, Finding
from goferry.kernel import canonical
from goferry.kernel.errors import GoferryError, printable
from goferry.kernel.outcomes import CandidateUnhealthy, HealthIdentity
from goferry.kernel.services import SOCKET, Declared

if TYPE_CHECKING:
    from goferry.host.direct import Direct
    from goferry.host.guard import Guard
    from goferry.host.layout import ServiceFolder
    from goferry.host.shim import Slot, Template
    from goferry.kernel.machine import Change


class SocketService:
    """The kind of service that shares its socket."""

    shape = SOCKET

    def variables(self, declared: Declared) -> Mapping[str, str]:
        """Return how long it answers on with `Connection: close` after it was told to drain."""
        return {"GOFERRY_DRAIN": f"{max(100, min(60_000, declared.drain_ms * 2 // 5))}ms"}

    def template(self, declared: Declared, *, filled: bool) -> Template | None:  # noqa: ARG002
        """It is told nowhere: its socket is there."""
        return None

    def listen(self, public: int, private: Callable[[], int]) -> int:  # noqa: ARG002
        """Return the public port, as the socket is the one of both slots."""
        return public

    def shared_port(self, public: int) -> int:
        """Return the public port."""
        return public

    def ask(self, guard: Guard, folder: ServiceFolder, slot: Slot, pid: int, seconds: float) -> HealthFailure:
        """Ask on its control socket, where it says which process and which build it is.

        Raises:
            HealthIdentity: when another build answers.
        """
        path = guard.driver.socket_path(folder, slot)
        assert path is not None
        try:
            answer = control.health(path, slot.health, seconds)
        except (OSError, ValueError) as error:
            return health_failure.of_control(error)
        if answer.http != 200 and answer.status is not None:
            message = f"HTTP {answer.http}, status {printable(str(answer.status), 100)}"
            return HealthFailure(message, status=answer.http)
        if answer.http != 200:
            return health_failure.of_status(answer.http, slot.health)
        wrong = _wrong(answer, slot, pid)
        # Another process may still be ending, so that may pass. The right one of a wrong build stays wrong.
        if wrong and answer.pid != pid:
            return HealthFailure("; ".join(wrong))
        if wrong:
            raise HealthIdentity(
                f"{slot.service} answers its health check with {'; '.join(wrong)}",
                advice=["build with the version variable:  goferry build"],
            )
        return NO_FAILURE

    def foreign_answer(self, slot: Slot, body: bytes, pid: Callable[[], int]) -> str:
        """Return in what the answer differs from what the slot's process would say of itself."""
        try:
            answer = canonical.loads(body)
        except ValueError as error:
            return str(error)
        return ", ".join(_wrong(Health.of(answer), slot, pid()))

    def accept(self, switch: Direct, folder: ServiceFolder, change: Change) -> None:  # noqa: ARG002
        """Tell the candidate to take connections.

        Raises:
            CandidateUnhealthy: when it does not say that it does.
        """
        _post(folder, change.slot, "/accept", 200)

    def drain(self, folder: ServiceFolder, old: Slot) -> None:
        """Tell the version before to take no more; one that died meanwhile needs no telling."""
        with contextlib.suppress(GoferryError):
            _post(folder, old.slot, "/drain", 202, 1)

    def give_back(self, switch: Direct, folder: ServiceFolder, change: Change, old: Slot) -> None:  # noqa: ARG002
        """Tell the version before to take connections again, or start it anew."""
        if switch.guard.driver.runs(folder, old):
            with contextlib.suppress(CandidateUnhealthy):
                _post(folder, old.slot, "/accept", 200)
                return
        switch.guard.end(folder, old.slot)
        switch.restart(folder, old._replace(guarded=True))

    def restarted(self, folder: ServiceFolder, slot: Slot) -> None:
        """Tell it to take connections."""
        _post(folder, slot.slot, "/accept", 200)

    def check_public(self, switch: Direct, folder: ServiceFolder, slot: Slot, seconds: float) -> Finding:
        """Ask on the public port.

        Of the two that share a socket the version before may still answer what it took before it drained, so a few
        questions are put.
        """
        problem, pid = "", switch.guard.driver.running(folder, slot.slot).pid
        until = time.monotonic() + seconds
        for _ in range(BAD):
            try:
                body = control.ask_port(slot.port, slot.health, max(0.05, until - time.monotonic()))[1]
                problem = _other(body, pid)
            except OSError as error:
                problem = str(error)
            if not problem and processes.listens(pid, slot.port):
                return Finding()
            time.sleep(0.05)
        return Finding(FRONT, problem or f"process {pid} does not listen on port {slot.port}")


def _wrong(answer: Health, slot: Slot, pid: int) -> list[str]:
    """Return in what an answer differs from what the slot's process would say of itself."""
    wanted = Health(answer.http, answer.status, pid, slot.version, slot.sha256)
    return [
        f"{name} {printable(str(getattr(answer, name)), 80)} instead of {getattr(wanted, name)}"
        for name in ("pid", "version", "digest")
        if getattr(answer, name) != getattr(wanted, name)
    ]


def _other(body: bytes, pid: int) -> str:
    """Return how an answer is another process's; one that names no process may be anybody's."""
    try:
        other = Health.of(canonical.loads(body)).pid
    except ValueError:
        return ""
    return "" if other in (None, pid) else f"process {printable(str(other), 40)} answers instead of {pid}"


def _post(folder: ServiceFolder, number: int, target: str, wanted: int, tries: int = BAD) -> None:
    answer = "nothing"

    def post(seconds: float) -> bool:
        nonlocal answer
        try:
            status, body = control.ask(folder.root.own / "run" / folder.control(number), "POST", target, seconds)
        except OSError as error:
            answer = str(error)
            return False
        answer = f"HTTP {status} {printable(body[:100].decode('utf-8', 'replace'))}"
        return status == wanted

    if not retry(post, tries):
        raise CandidateUnhealthy(f"{folder.name} answered POST {target} with: {answer}")
