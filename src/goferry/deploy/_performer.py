"""Does what a rollout asks for: a thread per host, real time, and connections that stay open until the end.

Nothing is decided here. A thread's result is an event, and so is a timer that ran out; events are handled one at a
time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from goferry.config.settings import Settings
from goferry.deploy import _rollout as rollout
from goferry.deploy._hosts import Address
from goferry.deploy._rollout import Answer, Ask, Rollout, RolloutEvent
from goferry.deploy._rollout_table import AskKind, EventKind, HostOutcome, Phase
from goferry.deploy._session import HostSession, OnProgress, connected, transaction_id
from goferry.deploy._ssh import Access
from goferry.deploy.answers import Prepared
from goferry.deploy.live import Status
from goferry.kernel.errors import GoferryError, RolledBack, Unreachable
from goferry.observe.events import Span, Stream

HEARTBEAT = 15.0
"""Seconds between two heartbeats to a host that waits for the others; its own deadline is 60."""
RECHECK = 100.0
"""Seconds in which a host that lost its client has followed `on_silence`: its deadline of 60, and time to act."""
GATE = 30.0
"""Seconds the other hosts wait for the first host's lock, at most; fleets that share that host queue there."""
PAUSE = 1.0
"""Seconds between two looks at a host whose lock is held."""


class HostRequest(Protocol):
    """What every host is asked to do: deploy an uploaded release, roll back to one that it holds, or restart."""

    @property
    def stage(self) -> str:
        """The command: `deploy`, `rollback` or `restart`."""

    @property
    def uploads(self) -> bool:
        """Whether something is uploaded first."""

    @property
    def on_silence(self) -> str:
        """What a host does when its client disappears: `rollback` or `commit`."""

    @property
    def dry_run(self) -> bool:
        """Whether to show only what would be done."""

    @property
    def environment(self) -> str:
        """The environment named in requests, or empty."""

    def upload(self, session: HostSession, /) -> int:
        """Send what the host needs; return the number of bytes sent."""

    def prepare(self, session: HostSession, on_progress: OnProgress) -> Prepared:
        """Prepare the host, so that only the switch is left to do; `on_progress` is called with its progress."""


@dataclass
class _Line:
    """One host: its line on the screen, its connection, and a second one for looking at it afterwards."""

    address: Address
    span: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    own: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    anew: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    session: HostSession | None = None
    looking: HostSession | None = None

    @property
    def open(self) -> HostSession:
        assert self.session is not None, "it is connected first"
        return self.session


class Performer:
    """One change of a fleet.

    Attributes:
        rollout: where it is.
    """

    def __init__(
        self,
        hosts: Sequence[Address],
        access: Access,
        request: HostRequest,
        *,
        settings: Settings,
        stream: Stream,
    ) -> None:
        self.rollout = Rollout(
            tuple(rollout.Host(each.text) for each in hosts), request.on_silence, request.uploads, request.dry_run
        )
        self._access, self._request, self._settings, self._stream = access, request, settings, stream
        self._lines = {each.text: _Line(each) for each in hosts}
        # Without a bound, so that a thread can leave its last event when nobody reads any more.
        self._events: SimpleQueue[RolloutEvent | BaseException] = SimpleQueue()
        self._due: dict[Ask, float] = {}
        self._tick = time.monotonic() + HEARTBEAT
        self._span: Span | None = None
        self._asks: Mapping[AskKind, Callable[[str], Answer]] = {
            AskKind.CONNECT: self._connect,
            AskKind.UPLOAD: lambda host: request.upload(self._lines[host].open),
            AskKind.PREPARE: self._prepare,
            AskKind.SWITCH: lambda host: self._lines[host].open.switch(),
            AskKind.COMMIT: lambda host: self._lines[host].open.commit(),
            AskKind.ABORT: lambda host: self._lines[host].open.abort(),
            AskKind.HELLO: self._greet,
            AskKind.SHOW: lambda host: self._lines[host].open.status(),
            AskKind.LOOK: self._look,
            AskKind.LOOK_AGAIN: self._look_again,
            AskKind.BRING_BACK: self._bring_back,
        }

    @property
    def reached(self) -> bool:
        """Whether any host answered anything; before that, none can have changed."""
        return any(line.session is not None and line.session.agent.answered for line in self._lines.values())

    @contextlib.contextmanager
    def running(self, span: Span) -> Iterator[Rollout]:
        """Run the rollout to its end, and keep every connection open for the block."""
        self._span = span
        try:
            self._run()
            yield self.rollout
        finally:
            for line in self._lines.values():
                for held in (line.anew, line.own, line.span):
                    held.close()

    def span(self, host: str) -> Span | None:
        """Return a host's line, for numbers that are known at the end."""
        session = self._lines[host].session
        return session.span if session else None

    def _run(self) -> None:
        # One thread per host is enough: no host is asked anything while it owes an answer (`Host.works`).
        with ThreadPoolExecutor(len(self._lines), thread_name_prefix="host") as pool:
            try:
                asks = self._decide(RolloutEvent(EventKind.BEGIN))
                while True:
                    for ask in asks:
                        self.perform(ask, pool)
                    if self.rollout.phase is Phase.END:
                        return
                    asks = self._decide(self._next())
            except BaseException:
                # A defect of ours, too: leaving the pool waits for threads, and those wait for hosts.
                for ask in self._decide(RolloutEvent(EventKind.INTERRUPTED)):
                    self.perform(ask, pool)
                raise

    def _decide(self, event: RolloutEvent) -> tuple[Ask, ...]:
        self.rollout, asks = rollout.decide(self.rollout, event)
        return asks

    def perform(self, ask: Ask, pool: ThreadPoolExecutor) -> None:
        """Start what is asked for; its completion is an event."""
        match ask.act:
            case AskKind.AWAIT_LOCK:
                self._due[ask] = time.monotonic() + GATE
            case AskKind.AWAIT_RECOVERY:
                self._due[ask] = time.monotonic() + RECHECK
            case AskKind.WARN:
                self._warn(ask.host)
            case AskKind.HANG_UP:
                # From this thread: the host's own is blocked, waiting for the answer that this cuts short.
                self._lines[ask.host].open.agent.hang_up()
            case _:
                pool.submit(self._work, ask)

    def _work(self, ask: Ask) -> None:
        try:
            answer = self._asks[ask.act](ask.host)
        except GoferryError as error:
            self._events.put(RolloutEvent(_kind(error), ask.host, failure=error))
        except BaseException as error:  # noqa: BLE001  a defect: it ends the whole, in the thread that waits
            self._events.put(error)
        else:
            self._events.put(RolloutEvent(EventKind.ANSWERED, ask.host, answer))

    def _next(self) -> RolloutEvent:
        """Wait for whatever comes first: an answer, a timer, or the next heartbeat."""
        first = min(self._due, key=lambda ask: self._due[ask], default=None)
        until = self._tick if first is None else min(self._tick, self._due[first])
        try:
            event = self._events.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            if first is not None and until == self._due[first]:
                del self._due[first]
                return RolloutEvent(EventKind.TIMED_OUT, first.host)
            self._tick = time.monotonic() + HEARTBEAT
            return RolloutEvent(EventKind.TICK)
        if isinstance(event, BaseException):
            raise event
        return event

    def _connect(self, host: str) -> None:
        line = self._lines[host]
        span = line.span.enter_context(self._host_span(host))
        # This only starts ssh: whether the host can be reached shows when it is asked something.
        session = connected(line.address, self._access, self._settings.environ, self._stream.trace, span)
        line.session = line.own.enter_context(session)

    @contextlib.contextmanager
    def _host_span(self, host: str) -> Iterator[Span]:
        """Keep one host's line open; when it closes, it shows how the host ended."""
        with self._stream.span(self._request.stage, host=host, parent=self._span) as span:
            yield span
            ended = self.rollout.host(host)
            if ended.failure is not None:
                span.outcome, span.message = ended.failure.name, ended.failure.what
            elif ended.outcome is HostOutcome.UNCHANGED:
                span.skip("live already")

    def _prepare(self, host: str) -> Prepared:
        def on_progress(text: str) -> None:  # what follows "verify" is done with the lock
            if text != "verify":
                self._events.put(RolloutEvent(EventKind.LOCKED, host))

        # While it waits for the lock the agent repeats its last progress, which is still "verify".
        first = host == self.rollout.hosts[0].name
        return self._request.prepare(self._lines[host].open, on_progress if first else lambda _: None)

    def _greet(self, host: str) -> None:
        self._lines[host].open.hello()

    def _warn(self, host: str) -> None:
        """Warn, before the switch, that a commit there can't be undone."""
        divides = "; should another host fail at its commit, the hosts will serve two versions"
        prepared = self.rollout.host(host).prepared
        for line in prepared.final(f" on {host}") if prepared else ():
            self._lines[host].open.warn(line + (divides if len(self._lines) > 1 else ""))

    def _look(self, host: str) -> Status:
        """Ask what serves, over a new connection that stays open while the host is busy."""
        line = self._lines[host]
        if not self.rollout.host(host).reached:
            line.own.close()  # its agent has settled then, unless the line is dead: what serves now is what stays
        session = connected(line.address, self._access, self._settings.environ, self._stream.trace)
        line.anew.close()
        line.looking = line.anew.enter_context(session)
        return self._seen(line)

    def _look_again(self, host: str) -> Status:
        time.sleep(PAUSE)
        return self._seen(self._lines[host])

    def _seen(self, line: _Line) -> Status:
        assert line.looking is not None, "it was looked at before"
        with contextlib.ExitStack() as ends:
            ends.callback(line.anew.close)
            status = line.looking.status()
            if status.busy:
                ends.pop_all()
            return status

    def _bring_back(self, host: str) -> None:
        """Have the host go back to what it served before, from what it holds."""
        session, prepared = self._lines[host].open, self.rollout.host(host).prepared
        assert prepared is not None, "it was committed"
        for sequence, services in prepared.earlier().items():
            # An older agent does not say which release served before; without one it goes one step back.
            which = {"sequence": sequence} if sequence else {}
            named = {"environment": self._request.environment} if self._request.environment else {}
            about: dict[str, Any] = {"project": prepared.project, "services": services, **which, **named}
            # An id of its own: under the deploy's the host would answer with what that deploy came to.
            session.ask("rollback", id=transaction_id(), on_silence="rollback", wait_ms=60_000, **about)
            session.switch()
            session.commit()


def _kind(error: GoferryError) -> EventKind:
    """Return what an error means for its host: it rolled back by itself, its state is unknown, or it refused."""
    # An answer that can't be used (AgentLost) is one of Unreachable: nobody knows what the host did.
    if isinstance(error, RolledBack):
        return EventKind.UNDONE
    return EventKind.LOST if isinstance(error, Unreachable) else EventKind.REFUSED
