"""The target `ssh`: hosts reached over ssh that change together; each host does the work and makes the decisions."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from goferry.config.model import Environment
from goferry.config.settings import Settings
from goferry.deploy import _hosts as hosts, _ssh as ssh, _upload as upload, _verdict as verdict, serving
from goferry.deploy._hosts import Address
from goferry.deploy._overview import FleetLogs, FleetStatus
from goferry.deploy._performer import HostRequest, Performer
from goferry.deploy._requests import DeployRequest, RestartRequest, RollbackRequest
from goferry.deploy._session import HostSession, connected
from goferry.deploy.contract import Target
from goferry.deploy.deployment import Deployment, Foreseen
from goferry.deploy.log_lines import Source
from goferry.deploy.options import Options, default_known_hosts, without_hosts
from goferry.deploy.serving import Serving
from goferry.kernel.errors import GoferryError, Misuse
from goferry.observe.events import Span, Stream

T = TypeVar("T")


@dataclass(frozen=True)
class Fleet:
    """Hosts, and how to reach them over ssh.

    Attributes:
        hosts: as people write them: `web-1`, `goferry@web-2:2222`.
        identity: the private key's file; None means the user's own keys.
        known_hosts: the file with the hosts' keys; None means the user's own.
        wait: seconds to wait on each host for another deploy to end.
        on_silence: `rollback` or `commit`, should this side fall silent before it commits.
        environment: the environment named in requests, or empty; a host may refuse one that is not its own.
        user: the login where none is written. connect_timeout: seconds.
        called: what messages call the files; see ssh.Access.
    """

    hosts: Sequence[str]
    identity: Path | None = None
    known_hosts: Path | None = None
    wait: float = 60.0
    on_silence: str = "rollback"
    environment: str = ""
    user: str = "goferry"
    connect_timeout: int = 15
    called: Mapping[Path, str] = field(default_factory=dict)

    @classmethod
    def of(cls, options: Options, rules: Environment, *, verifies: bool) -> Fleet:  # noqa: ARG003  the hosts verify
        """Return the hosts that were named, else the environment's.

        Raises:
            Misuse: there are none, or something was said that is another target's.
        """
        hosts = tuple(options.hosts) or tuple(rules.hosts)
        if not hosts and options.environment:
            raise without_hosts(options)
        if not hosts:
            raise Misuse("no host is named", advice=["name it:  --host HOST"])
        if options.root is not None:
            raise Misuse("--root is the local target's folder; a host has its own", advice=["leave out --root"])
        return cls(
            hosts,
            options.identity,
            options.known_hosts or default_known_hosts(options.directory),
            options.wait,
            options.on_silence or rules.on_silence or "rollback",
            options.environment,
            called=options.called,
        )

    @property
    def options(self) -> str:
        """The options that select these hosts, as advice prints them."""
        return "--host HOST"

    @property
    def access(self) -> ssh.Access:
        """How to log in to the hosts."""
        return ssh.Access(self.identity, self.known_hosts, self.connect_timeout, self.called)

    def addresses(self, settings: Settings) -> list[Address]:
        """Return the hosts in the order in which fleets lock them; nothing has been connected to yet.

        Raises:
            HostNameInvalid: one is written wrongly. DeployKeyUnusable, ToolMissing: none could be reached.
        """
        found = hosts.parse_all(self.hosts, self.user)
        ssh.check(self.access, settings.environ)
        # By address, not as written: two clients that list the same hosts in another order would else each
        # hold one lock and wait for the other's.
        return sorted(found, key=lambda each: (each.host, each.port))

    def before_deploy(self, settings: Settings) -> contextlib.AbstractContextManager[None]:  # noqa: ARG002
        """Make an error that leaves the block say that no host was changed: none was connected to."""
        return serving.untouched()

    def deploy(
        self, dist: Path, *, services: Sequence[str], settings: Settings, stream: Stream, dry_run: bool
    ) -> Deployment | Foreseen:
        """Bring the sealed release in `dist` into service on every host.

        Raises:
            GoferryError: a host's own, with every host's outcome in its facts; FleetSplit when they differ.
        """
        with serving.untouched():
            release = upload.read_release(dist)
        common = (services, self.environment, self.on_silence, self.wait, dry_run)
        return self._change(DeployRequest(*common, dist=dist, release=release), settings, stream)

    def rollback(
        self, *, to: str, services: Sequence[str], project: str, settings: Settings, stream: Stream, dry_run: bool
    ) -> Deployment | Foreseen:
        """Bring the version `to`, or else the previous version, back into service on every host.

        Raises:
            HostOutdated: a host's agent knows no `to`. And what `deploy` raises.
        """
        common = (services, self.environment, self.on_silence, self.wait, dry_run)
        return self._change(RollbackRequest(*common, to=to, project=project), settings, stream)

    def restart(
        self, *, services: Sequence[str], project: str, settings: Settings, stream: Stream, dry_run: bool
    ) -> Deployment | Foreseen:
        """Start what serves again on every host, with its environment as it is now.

        Raises:
            HostOutdated: a host's agent knows no restarts. And what `deploy` raises.
        """
        common = (services, self.environment, self.on_silence, self.wait, dry_run)
        return self._change(RestartRequest(*common, project=project), settings, stream)

    def _change(self, request: HostRequest, settings: Settings, stream: Stream) -> Deployment | Foreseen:
        with serving.untouched():
            hosts = self.addresses(settings)
        performer = Performer(hosts, self.access, request, settings=settings, stream=stream)
        report = serving.reporting(lambda _: self.serving(settings) if performer.reached else {})
        with report if not request.dry_run else contextlib.nullcontext(), stream.span(request.stage) as span:
            return self._changed(performer, request, span)

    def _changed(self, performer: Performer, request: HostRequest, span: Span) -> Deployment | Foreseen:
        start = time.monotonic()
        with performer.running(span) as ended:
            if failure := verdict.error(ended, request.stage):
                raise failure
            if request.dry_run:
                span.skip("dry run")
                return Foreseen({host.name: host.prepared for host in ended.hosts if host.prepared})
            record = Deployment.of(ended.hosts, time.monotonic() - start)
            if record.unchanged:
                span.skip("live already")
                return record
            span.numbers["hosts"] = len(ended.hosts)
            lines: list[tuple[Span | None, int | None]] = [(span, record.switch_ms)]
            lines += [(performer.span(name), each.switch_ms) for name, each in record.hosts.items()]
            # Within the block: a host's line ends with its connection, and takes no numbers after that.
            for line, switch_ms in lines:
                if line is not None and switch_ms is not None:
                    line.numbers["switch_ms"] = switch_ms
            for text in record.warnings():
                span.note(text, "warning")
            return record

    def status(self, settings: Settings, *, details: bool = False) -> FleetStatus:
        """Ask every host what serves there, and with `details` what it holds.

        Raises:
            GoferryError: the first host's that can't say, with what the others answered under `hosts` in its facts.
        """
        found = _asked(self, settings, lambda session: session.status(details=details))
        return FleetStatus(_whole(found, {name: each.as_json() for name, each in _answers(found).items()}))

    def logs(self, services: Sequence[str], lines: int, settings: Settings) -> FleetLogs:
        """Ask every host for the last lines of what is live; raises as `status` does."""
        found = _asked(self, settings, lambda session: session.logs(list(services), lines))
        return FleetLogs(_whole(found, {name: {"logs": each} for name, each in _answers(found).items()}))

    def sources(self, settings: Settings) -> Mapping[str, Source]:
        """Return how to connect to each host."""
        hosts = self.addresses(settings)
        return {host.text: partial(connected, host, self.access, settings.environ) for host in hosts}

    def serving(self, settings: Settings) -> dict[str, Serving]:
        """Return what each host serves now, asked over new connections, or why it can't be asked."""
        # The command has failed by now: nobody should wait long to read that a host can't be asked.
        found = _asked(replace(self, connect_timeout=min(5, self.connect_timeout)), settings, HostSession.status)
        return {
            name: serving.unknown(each) if isinstance(each, GoferryError) else Serving.of(each.live, busy=each.busy)
            for name, each in found.items()
        }


def _asked(fleet: Fleet, settings: Settings, ask: Callable[[HostSession], T]) -> dict[str, T | GoferryError]:
    """Ask all hosts at once, each over a connection of its own; return the answers and the failures."""

    def one(host: Address) -> T | GoferryError:
        try:
            with connected(host, fleet.access, settings.environ) as session:
                return ask(session)
        except GoferryError as error:
            return error

    hosts = fleet.addresses(settings)
    with ThreadPoolExecutor(len(hosts), thread_name_prefix="host") as pool:
        return dict(zip((host.text for host in hosts), pool.map(one, hosts), strict=True))


def _answers(found: Mapping[str, T | GoferryError]) -> dict[str, T]:
    return {name: each for name, each in found.items() if not isinstance(each, GoferryError)}


def _whole(found: Mapping[str, T | GoferryError], told: Mapping[str, object]) -> dict[str, T]:
    """Return the answers if every host gave one; else raise the first failure, with the others' answers (`told`)."""
    failure = next((each for each in found.values() if isinstance(each, GoferryError)), None)
    if failure is not None:
        # One host that is down must not keep `--json` from what the others answered.
        raise verdict.retold(failure, facts={**failure.facts, "hosts": dict(told)})
    return _answers(found)


TARGET: type[Target] = Fleet
"""What `destination` finds by the target's name."""
