"""A fleet: hosts over ssh, and the work on all of them at once; `phases` says in which order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any

from goferry.config.settings import Settings
from goferry.deploy import address, serving, ssh
from goferry.deploy.session import Session, connected, understood
from goferry.kernel.errors import GoferryError
from goferry.observe.events import Span, Stream

HEARTBEAT = 15.0
"""Seconds between two signs of life to a host that waits for the others; its own deadline is 60."""


@dataclass(frozen=True)
class Fleet:
    """Hosts that are reached over ssh, and how.

    Attributes:
        hosts: as people write them: `web-1`, `goferry@web-2:2222`.
        identity: the private key's file; None means the user's own keys.
        known_hosts: the file with the hosts' keys; None means the user's own.
        wait: seconds to wait on each host for another deploy to end.
        on_silence: `rollback` or `commit`, should this side fall silent before it commits.
        environment: the environment that the hosts are asked for, or empty; they may refuse another than theirs.
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

    @property
    def access(self) -> ssh.Access:
        """What opens the hosts."""
        return ssh.Access(self.identity, self.known_hosts, self.connect_timeout, self.called)

    def sessions(self, settings: Settings) -> list[Session]:
        """Return one session a host, in the order in which fleets lock them; nothing is connected yet.

        Raises:
            HostNameInvalid, DeployKeyUnusable, ToolMissing: as their names say.
        """
        found = [Session(each) for each in address.parse_all(self.hosts, self.user)]
        ssh.check(self.access, settings.environ)
        return sorted(found, key=lambda session: (session.address.host, session.address.port))


class Campaign:
    """One change of a fleet."""

    def __init__(self, fleet: Fleet, settings: Settings, stream: Stream, stage: str) -> None:
        self.fleet, self.settings, self.stream, self.stage = fleet, settings, stream, stage
        self.sessions = fleet.sessions(settings)
        self.stopping = Event()

    @property
    def reached(self) -> bool:
        """Whether any host answered anything; before that, none can have changed."""
        return any(session.agent is not None and session.agent.answered for session in self.sessions)

    @contextlib.contextmanager
    def running(self) -> Iterator[Span]:
        """Hold the fleet's span and every connection for the block; on an interrupt all hosts are let go at once."""
        with self.stream.span(self.stage) as span:
            try:
                yield span
            finally:
                for session in self.sessions:
                    session.held.close()

    def connect(self, session: Session, parent: Span) -> None:
        """Open one host's connection; its span stays open with it."""
        session.span = session.held.enter_context(self._line(session, parent))
        agent = connected(session.address, self.fleet.access, self.settings.environ, self.stream.trace)
        session.agent = session.held.enter_context(agent)

    @contextlib.contextmanager
    def _line(self, session: Session, parent: Span) -> Iterator[Span]:
        with self.stream.span(self.stage, host=session.name, parent=parent) as span:
            yield span
            if session.failure is not None:
                span.outcome, span.message = session.failure.name, session.failure.what
            elif session.outcome == "unchanged":
                span.skip("live already")

    def each(self, sessions: Sequence[Session], work: Callable[[Session], None]) -> None:
        """Do `work` on all of them at once; what a host raises becomes its `failure`, and ends nothing else."""
        if not sessions:
            return
        with ThreadPoolExecutor(max_workers=len(sessions), thread_name_prefix="host") as pool:
            pending = {pool.submit(self._guarded, session, work): session for session in sessions}
            try:
                self._await(pending, pool)
            except BaseException:
                self.stopping.set()
                for session in self.sessions:
                    if session.agent is not None:
                        session.agent.hang_up()
                raise

    def _guarded(self, session: Session, work: Callable[[Session], None]) -> None:
        try:
            with understood(session.name):
                work(session)
        except GoferryError as error:
            session.failure = error

    def _await(self, pending: dict[Future[None], Session], pool: ThreadPoolExecutor) -> None:
        waiting, signs = dict(pending), dict[str, Future[None]]()
        while waiting:
            finished, _ = wait(waiting, timeout=HEARTBEAT, return_when=FIRST_COMPLETED)
            for future in finished:
                future.result()
                del waiting[future]
            if not finished:
                busy = {session.name for session in waiting.values()}
                for session in self.sessions:
                    idle = session.open and session.name not in busy and session.failure is None
                    if idle and (session.name not in signs or signs[session.name].done()):  # a host may hang
                        signs[session.name] = pool.submit(self._guarded, session, _sign_of_life)

    def failed(self) -> list[Session]:
        """Return those that failed."""
        return [session for session in self.sessions if session.failure is not None]

    def hosts(self) -> dict[str, Any]:
        """Return the record of each host."""
        return {session.name: session.record() for session in self.sessions}


def _sign_of_life(session: Session) -> None:
    session.ask("hello")


def standing(fleet: Fleet, settings: Settings) -> dict[str, serving.Serving]:
    """Return what each host serves now, asked over new connections; of who can't be asked the reason."""
    campaign = Campaign(replace(fleet, connect_timeout=min(5, fleet.connect_timeout)), settings, Stream(), "status")
    found: dict[str, serving.Serving] = {}

    def work(session: Session) -> None:
        with connected(session.address, campaign.fleet.access, settings.environ) as agent:
            found[session.name] = serving.of_status(agent.ask("status"))

    campaign.each(campaign.sessions, work)
    for session in campaign.failed():
        if session.failure is not None and session.name not in found:
            found[session.name] = {"unknown": f"{session.failure.name}, {session.failure.what}"}
    return {session.name: found[session.name] for session in campaign.sessions}


def ask_all(fleet: Fleet, settings: Settings, request: str, **fields: Any) -> dict[str, dict[str, Any]]:
    """Ask every host the same; return host → answer.

    Raises:
        GoferryError: the first failure, with what the others answered under `hosts` in its facts.
    """
    campaign, answers = Campaign(fleet, settings, Stream(), request), {}

    def work(session: Session) -> None:
        with connected(session.address, fleet.access, settings.environ, campaign.stream.trace) as agent:
            answers[session.name] = agent.ask(request, **fields)

    campaign.each(campaign.sessions, work)
    for session in campaign.failed():
        assert session.failure is not None
        session.failure.facts = {**session.failure.facts, "hosts": answers}
        raise session.failure
    return {session.name: answers[session.name] for session in campaign.sessions}
