"""An open connection to one agent: the requests made over it, and the line that shows its progress.

Each method is one request of the protocol (kernel.protocol); its answer is a frozen class of `answers`.
"""

from __future__ import annotations

import contextlib
import secrets
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from goferry.deploy import _client as client, _ssh as ssh, answers
from goferry.deploy._hosts import Address
from goferry.deploy.answers import Committed, Hello, Prepared, Switched
from goferry.deploy.errors import HostOutdated
from goferry.deploy.live import Status
from goferry.kernel.protocol import RequestMalformed
from goferry.observe.events import Span

OnProgress = Callable[[str], None]
"""Called with the host's progress, one text for each step that begins."""


def transaction_id() -> str:
    """Return a new id; ids sort by time."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + "-" + secrets.token_hex(4)


def _ignore(_text: str) -> None:
    """Hear nothing."""


@dataclass(frozen=True)
class HostSession:
    """A connection that is open.

    Attributes:
        address: where the host is; its text is the host's name in messages.
        agent: the agent at the other end. span: the host's line; None without a display.
    """

    address: Address
    agent: client.Agent
    span: Span | None = None

    def ask(self, request: str, on_progress: OnProgress = _ignore, **fields: object) -> dict[str, object]:
        """Ask the agent; progress goes to the host's line and to `on_progress`.

        Raises:
            GoferryError: the host's own. AgentLost: there is no answer.
        """

        def report(text: str) -> None:
            self.progress(text)
            on_progress(text)

        return self.agent.ask(request, report, b"", **fields)

    def progress(self, text: str) -> None:
        """Show how far the host is."""
        if self.span is not None:
            self.span.progress(text)

    def warn(self, text: str) -> None:
        """Add a warning to the host's line."""
        if self.span is not None:
            self.span.note(text, "warning")

    def measure(self, **numbers: int) -> None:
        """Add numbers to the host's line."""
        if self.span is not None:
            self.span.numbers.update(numbers)

    def hello(self) -> Hello:
        """Ask for the agent's capabilities; also a heartbeat for a host that waits for the others."""
        return Hello.read(self.ask("hello"))

    def prepare(self, on_progress: OnProgress = _ignore, *, dry_run: bool = False, **fields: object) -> Prepared:
        """Have a release verified and started, so that only the switch is left to do."""
        return Prepared.read(self.ask("prepare", on_progress, dry_run=dry_run, **fields), dry_run=dry_run)

    def rollback(self, on_progress: OnProgress = _ignore, *, dry_run: bool = False, **fields: object) -> Prepared:
        """Have a version that the host holds started, so that only the switch is left to do."""
        return Prepared.read(self.ask("rollback", on_progress, dry_run=dry_run, **fields), dry_run=dry_run)

    def restart(self, on_progress: OnProgress = _ignore, *, dry_run: bool = False, **fields: object) -> Prepared:
        """Have the version that serves started again beside itself, so that only the switch is left to do.

        Raises:
            HostOutdated: the agent knows no restarts. GoferryError: the host's own.
        """
        try:
            answer = self.ask("restart", on_progress, dry_run=dry_run, **fields)
        except RequestMalformed as error:
            # An agent of before has no such request, and refuses it before it does anything.
            raise HostOutdated(
                f"{self.address.text}: its agent is older than restarts",
                state="Nothing was changed.",
                advice=["provision it again with this version:  goferry provision HOST"],
            ) from error
        return Prepared.read(answer, dry_run=dry_run)

    def switch(self) -> Switched:
        """Move traffic to the candidates, and watch them."""
        return Switched.read(self.ask("switch"))

    def commit(self) -> Committed:
        """Make the new version stay."""
        return Committed.read(self.ask("commit"))

    def abort(self) -> None:
        """Undo what is open."""
        self.ask("abort")

    def status(self, *, details: bool = False) -> Status:
        """Ask what serves, and with `details` what the target holds."""
        # As a note: an agent that knows of none answers with the rest.
        return Status.read(self.ask("status", notes={"details": True}) if details else self.ask("status"))

    def logs(self, services: list[str], lines: int) -> dict[str, list[str]]:
        """Return service → the last lines of what is live."""
        return answers.logs(self.ask("logs", services=services, lines=lines))


@contextlib.contextmanager
def connected(
    address: Address, access: ssh.Access, environ: Mapping[str, str], trace: str = "", span: Span | None = None
) -> Iterator[HostSession]:
    """Connect to a host's agent for the block; `trace` is the run's trace id.

    Raises:
        GoferryError: as `ssh.failure` names it, at the first request.
    """
    algorithms = ssh.pinned_algorithms(address, access, environ)
    with client.opened(
        # For a deploy key sshd runs the forced command of authorized_keys instead, which names its project.
        ssh.argv(address, access, algorithms, [ssh.AGENT, "connect"]),
        ssh.spoken(environ),
        explain=lambda code, errors: ssh.failure(address, access, code, errors),
        where=f"--target ssh --host {address.text}" + (f" --identity {_identity(access)}" if access.identity else ""),
        # The agent is a systemd unit there and undoes what is open by itself: ssh need not see its end.
        settle=10.0,
        trace=trace,
    ) as agent:
        yield HostSession(address, agent, span)


def _identity(access: ssh.Access) -> str:
    """Return the key's file as a person may type it; FILE where only a secret is known."""
    named = access.identity is None or access.identity in access.called
    return "FILE" if named else shlex.quote(str(access.identity))
