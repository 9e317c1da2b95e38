"""The target `local`: a folder on this machine, with the host agent as a process of its own."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from goferry.config.model import Environment
from goferry.config.settings import Settings
from goferry.deploy import _client as client, live, serving
from goferry.deploy._hosts import Address
from goferry.deploy._overview import Logs
from goferry.deploy._rollout import Host
from goferry.deploy._rollout_table import RolloutState
from goferry.deploy._session import HostSession, transaction_id
from goferry.deploy.answers import Committed, Prepared, Purged, Stopped
from goferry.deploy.contract import Target
from goferry.deploy.deployment import Deployment, Foreseen
from goferry.deploy.errors import TargetMissing
from goferry.deploy.live import Status
from goferry.deploy.log_lines import Source
from goferry.deploy.options import Options, without_hosts
from goferry.deploy.serving import Serving
from goferry.kernel.errors import GoferryError, Misuse, printable
from goferry.observe.events import Span, Stream

OWN = (".goferry/run", "*/.journal")
"""What the agent makes in a target's folder before anything else, and what stays when all was taken down (host.layout);
a repository has none."""
NAME = "local"


@dataclass(frozen=True)
class Local:
    """Where to deploy and how.

    Attributes:
        root: the target's folder.
        trust: the trust file; None only for commands that verify nothing.
        wait: seconds to wait for another deploy to end.
        on_silence: `rollback` or `commit`, should this client fall silent before it commits.
        argv: the agent's command line; empty means the local agent's.
    """

    root: Path
    trust: Path | None = None
    wait: float = 60.0
    on_silence: str = "rollback"
    argv: Sequence[str] = ()

    @classmethod
    def of(cls, options: Options, rules: Environment, *, verifies: bool) -> Local:
        """Return the folder that was named.

        Raises:
            Misuse: there is none, or something was said that is for hosts.
        """
        given = {"--host": options.hosts, "--identity": options.identity, "--known-hosts": options.known_hosts}
        strange = [flag for flag, value in given.items() if value]
        if strange:
            raise Misuse(f"{strange[0]} is for hosts, not for the local target", advice=["add:  --target ssh"])
        if options.root is None and options.environment and not options.target:
            raise without_hosts(options, rules.hosts)
        if options.root is None:
            raise Misuse(
                "the local target's folder is not named", advice=["name it:  --root DIR", "or hosts:  --host HOST"]
            )
        if verifies and options.trust is None:
            raise Misuse("no trust file is named", advice=["whose signatures count:  --trust goferry.trust"])
        return cls(options.root, options.trust, options.wait, options.on_silence or rules.on_silence or "rollback")

    @property
    def options(self) -> str:
        """What commands on this target are given."""
        return f"--target local --root {shlex.quote(str(self.root))}"

    def before_deploy(self, settings: Settings) -> contextlib.AbstractContextManager[None]:
        """Make an error that leaves the block say what the target serves now; see serving.reporting."""
        return serving.reporting(lambda error: {NAME: self._serving(settings, error)}, local=True)

    def deploy(
        self, dist: Path, *, services: Sequence[str], settings: Settings, stream: Stream, dry_run: bool
    ) -> Deployment | Foreseen:
        """Bring the sealed release in `dist` into service.

        Raises:
            GoferryError: as the host says: refusals (exit 3), failures before the switch (1), `rolled-back` (4).
        """
        # The agent is this user's and reads the folder itself: nothing is uploaded.
        asked = {"dist": client.sendable(dist), "services": list(services)}
        return self._change("deploy", HostSession.prepare, asked, settings=settings, stream=stream, dry_run=dry_run)

    def rollback(
        self, *, to: str, services: Sequence[str], project: str, settings: Settings, stream: Stream, dry_run: bool
    ) -> Deployment | Foreseen:
        """Bring the version `to`, else the version before, into service again.

        Raises:
            TargetMissing: nothing was ever deployed there. GoferryError: as the host says, also what `deploy` raises.
        """
        self._found()
        asked = {"services": list(services), "project": project, **({"to": to} if to else {})}
        return self._change("rollback", HostSession.rollback, asked, settings=settings, stream=stream, dry_run=dry_run)

    def restart(
        self, *, services: Sequence[str], project: str, settings: Settings, stream: Stream, dry_run: bool
    ) -> Deployment | Foreseen:
        """Start what serves again, with its env-file as it is now; raises as `rollback` does."""
        self._found()
        asked = {"services": list(services), "project": project}
        return self._change("restart", HostSession.restart, asked, settings=settings, stream=stream, dry_run=dry_run)

    def _change(
        self,
        stage: str,
        prepare: Callable[..., Prepared],
        asked: Mapping[str, object],
        *,
        settings: Settings,
        stream: Stream,
        dry_run: bool,
    ) -> Deployment | Foreseen:
        since = time.monotonic()
        common = {"id": transaction_id(), "wait_ms": self._wait_ms, "on_silence": self.on_silence, "dry_run": dry_run}
        before = self.before_deploy(settings) if not dry_run else contextlib.nullcontext()
        with before, self._session(stage, settings, stream) as (session, span):
            return _finished(session, span, prepare(session, **common, **asked), since, dry_run=dry_run)

    def status(self, settings: Settings, *, details: bool = False) -> Status:
        """Ask what serves, and with `details` what the target holds.

        Raises:
            TargetMissing: nothing was ever deployed there.
        """
        self._found()
        with self._agent(settings) as agent:
            return HostSession(_HERE, agent).status(details=details)

    def logs(self, services: Sequence[str], lines: int, settings: Settings) -> Logs:
        """Ask for the last lines of what is live; raises as `status` does."""
        self._found()
        with self._agent(settings) as agent:
            return Logs(HostSession(_HERE, agent).logs(list(services), lines))

    def sources(self, settings: Settings) -> Mapping[str, Source]:
        """Return how to reach the agent; raises as `status` does."""
        self._found()
        return {NAME: partial(self._reading, settings)}

    @contextlib.contextmanager
    def _reading(self, settings: Settings) -> Iterator[HostSession]:
        with self._agent(settings) as agent:
            yield HostSession(_HERE, agent)

    def down(self, *, settings: Settings, stream: Stream, dry_run: bool) -> Stopped:
        """Stop every service of the target, and its supervisor; raises as `status` does."""
        self._found()
        with self._session("down", settings, stream) as (session, _):
            return Stopped.read(session.ask("down", dry_run=dry_run, wait_ms=self._wait_ms), dry_run=dry_run)

    def purge(self, project: str, service: str, *, settings: Settings, stream: Stream, dry_run: bool) -> Purged:
        """Remove all that the target keeps of a project or of one service, data and logs too, after stopping it.

        Raises:
            TargetMissing: nothing was ever deployed there. GoferryError: `nothing-kept`, `deploy-busy`, as the agent
                says.
        """
        self._found()
        with self._session("purge", settings, stream) as (session, _):
            answer = session.ask("purge", project=project, service=service, dry_run=dry_run, wait_ms=self._wait_ms)
            return Purged.read(answer, dry_run=dry_run)

    def _found(self) -> None:
        """Refuse a folder in which no deploy left anything, before an agent is started for it."""
        if not any(path for pattern in OWN for path in self.root.glob(pattern)) and not self.argv:
            raise TargetMissing(
                f"no deploy left anything in {printable(str(self.root), 300)}",
                state="Nothing was changed.",
                advice=["name the folder of the deploy:  --root DIR"],
            )

    def _serving(self, settings: Settings, error: GoferryError) -> Serving:
        """Return what the target serves: from the error if that says it, else by asking now."""
        known = error.facts.get("serving")
        if isinstance(known, dict):
            return Serving.of(live.services(known))
        try:
            status = self.status(settings)
            return Serving.of(status.live, busy=status.busy)
        except TargetMissing:
            return Serving({})
        except GoferryError as other:
            return Serving({}, unknown=str(other))

    @property
    def _wait_ms(self) -> int:
        return round(self.wait * 1000)

    def _agent(self, settings: Settings, trace: str = "") -> contextlib.AbstractContextManager[client.Agent]:
        argv = self.argv or client.agent_argv(self.root, self.trust)
        # After `status` an agent may go on with a recovery that nobody waits for; it must not be killed.
        return client.opened(argv, settings.environ, where=self.options, trace=trace, lingers=True)

    @contextlib.contextmanager
    def _session(self, stage: str, settings: Settings, stream: Stream) -> Iterator[tuple[HostSession, Span]]:
        """Open the agent for the block, with a line that shows its progress."""
        with stream.span(stage, host=NAME) as span, self._agent(settings, stream.trace) as agent:
            yield HostSession(_HERE, agent, span), span


_HERE = Address(NAME, "", "")


def _finished(
    session: HostSession, span: Span, prepared: Prepared, since: float, *, dry_run: bool
) -> Deployment | Foreseen:
    """Switch and commit what has been prepared."""
    if dry_run:
        span.skip("dry run")
        return Foreseen({NAME: prepared}, alone=True)
    if prepared.unchanged:
        span.skip("live already")
        shown = Committed(switch_ms=0, services=session.status().live)
        host = Host(NAME, RolloutState.UNCHANGED, prepared=prepared, committed=shown)
        return Deployment.of([host], time.monotonic() - since, alone=True)
    for line in prepared.final():
        session.warn(line)
    host = Host(NAME, RolloutState.COMMITTED, prepared=prepared, switched=session.switch(), committed=session.commit())
    record = Deployment.of([host], time.monotonic() - since, alone=True)
    if record.switch_ms is not None:
        session.measure(switch_ms=record.switch_ms)
    for line in record.warnings():
        session.warn(line)
    return record


TARGET: type[Target] = Local
"""What `destination` finds by the target's name."""
