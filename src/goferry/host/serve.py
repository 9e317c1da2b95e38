"""The agent's loop: frames in on standard input, answers and progress out on standard output.

A client that ends the stream, or says nothing until the deadline, is silent: an open transaction follows its policy.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Callable

from goferry.host.agent import AgentSession
from goferry.host.session_places import SessionPlace
from goferry.host.tables import TABLES, Tables, open_target
from goferry.kernel import frames
from goferry.kernel.errors import GoferryError
from goferry.kernel.machine import BAKING
from goferry.kernel.outcomes import (
    ClientSilent,
    HostFailed,
    MalformedFrame,
    SessionIdle,
    as_frame,
    of_defect,
)

DEADLINE = 60.0
"""Seconds in which a client with an open transaction must speak."""
IDLE = 300.0
"""Seconds that a session without a transaction waits for its client in all, whatever that says meanwhile: connections
are few, and one that only says hello would keep everybody else out. What it uploads gives it more time."""
SLOWEST = 16_384
"""Bytes a second that an upload must bring on average."""
KEEP_ALIVE_SECONDS = 60.0
"""Seconds after which a client that waits hears from us again, while it is waited for the candidate."""
READ_AHEAD = 2
"""Frames that are read before they are answered; a client that sends faster waits."""
LONGEST = 3600.0
"""Seconds that a transaction waits in one phase, whatever else the client says: the lock is not its own."""
TURN, WATCHED = 1.0, 0.05
"""Seconds after which a session without a transaction looks whether its place is wanted; and after which one whose
candidates serve looks at them, while it waits for its client."""
READ_ONLY_REQUESTS = ("hello", "status", "logs", "read-logs", "history")
"""Requests that change nothing: a session that asks for nothing else is an idle one."""
WRITE_TIMEOUT = 60.0
"""Seconds in which a client must take something of what it is sent; one that does not is gone."""
Frame = tuple[dict[str, Any], bytes]


class ClientWriter:
    """Writes to the client; a write that makes no progress for WRITE_TIMEOUT fails."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._room = select.poll()
        self._room.register(descriptor, select.POLLOUT)
        self.place_wanted: Callable[[], bool] = lambda: False

    def write(self, data: bytes) -> int:
        """Write all of it.

        Raises:
            TimeoutError: when the client has not taken it in time. OSError: when it is gone.
        """
        deadline = time.monotonic() + WRITE_TIMEOUT
        view = memoryview(data)
        while view:
            left = deadline - time.monotonic()
            if self._room.poll(max(0.0, min(left, TURN)) * 1000):
                sent = os.write(self._descriptor, view[: select.PIPE_BUF])  # so much never blocks after the poll
                view = view[sent:]
            elif left <= TURN or self.place_wanted():
                raise TimeoutError("the client does not listen")
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """Let the client see the end, also when a recovery goes on in this process."""
        os.close(self._descriptor)


class ClientConnection:
    """The connection to the client."""

    def __init__(self, reader: IO[bytes], writer: ClientWriter | IO[bytes]) -> None:
        self._writer, self._stalled = writer, False
        self._last_progress, self._sent_at = "", time.monotonic()
        self._requests: queue.Queue[Frame | None] = queue.Queue(READ_AHEAD)
        self.malformed = ""
        self.place: SessionPlace | None = None
        self._gone = threading.Event()
        threading.Thread(target=self._read, args=(reader,), daemon=True).start()

    def _read(self, reader: IO[bytes]) -> None:
        try:
            frame = frames.read(reader)
            while frame is not None:
                self._requests.put(frame)
                frame = frames.read(reader)
        except frames.BadFrame as error:
            self.malformed = str(error)
        # A stream that breaks, or is closed while it is read, ends as any other.
        except (OSError, ValueError):
            pass
        self._gone.set()
        self._requests.put(None)

    def gone(self) -> bool:
        """Whether the client has ended the stream (or sent what is not a frame); one that is there hears from us."""
        if time.monotonic() - self._sent_at > KEEP_ALIVE_SECONDS and not self._gone.is_set():
            self.send({"progress": self._last_progress})
        return self._gone.is_set()

    def next(
        self, timeout: float, *, idle: bool = False, meanwhile: Callable[[], None] = lambda: None, turn: float = TURN
    ) -> Frame | None:
        """Return the next request; None at the end, when the time is over, or when an idle one's place is wanted.

        `meanwhile` is called every `turn` seconds.
        """
        until = time.monotonic() + timeout
        while not (self._stalled or (idle and self.wanted())):
            left = until - time.monotonic()
            try:
                frame = self._requests.get(timeout=max(0.0, min(left, turn)))
            except queue.Empty:
                if left <= turn:
                    break
                meanwhile()
                continue
            if frame is None:
                self._requests.put(None)  # the end is the end, also for who asks again
            return frame
        return None

    def wanted(self) -> bool:
        """Whether another session needs this one's place."""
        return self.place is not None and self.place.wanted()

    def send(self, header: dict[str, object]) -> None:
        """Send one frame; a client that no longer listens changes nothing.

        What cannot be sent is reported as an error: a client that waits for an answer must get one.
        """
        self._last_progress, self._sent_at = str(header.get("progress", "")), time.monotonic()
        if self._stalled:
            return
        try:
            data = frames.encode(header)
        except ValueError as error:  # too large, or a surrogate of a path that is not UTF-8
            failure = HostFailed(f"the host's answer cannot be sent: {error}")
            data = frames.encode(
                {"progress": ""} if "progress" in header else {"ok": False, "error": as_frame(failure)}
            )
        try:
            self._writer.write(data)
            self._writer.flush()
        except TimeoutError:  # it would hold the lock by not listening
            self._stalled = True
            self._gone.set()
        except (OSError, ValueError):
            pass


def serve(
    reader: IO[bytes],
    writer: ClientWriter | IO[bytes],
    root: Path,
    trust: Path | None,
    environ: Mapping[str, str],
    *,
    host: Path | None = None,
    own: Path | None = None,
    tables: Tables = TABLES,
) -> int:
    """Serve one client until it goes, and return the exit code.

    `host` names the host file of a provisioned host; `own` the folder of its projects' own trust files, of which one
    takes the place of `trust`; `tables` what the agent can be made of.
    """
    line = ClientConnection(reader, writer)
    try:
        target = open_target(root, host, tables).for_client(lambda: line.next(DEADLINE))
    except GoferryError as error:
        line.next(DEADLINE)
        line.send({"ok": False, "error": as_frame(error)})
        return error.exit_code
    if own is not None and (own / (target.bound + ".trust")).exists():
        trust = own / (target.bound + ".trust")
    session = AgentSession(
        target, trust, environ, on_progress=lambda text: line.send({"progress": text}), gone=line.gone
    )
    session.leave = line.wanted
    if isinstance(writer, ClientWriter):
        writer.place_wanted = lambda: session.engine is None and line.wanted()
    with target.session() as place:
        line.place = place
        return _served(session, line)


def _served(session: AgentSession, line: ClientConnection) -> int:
    phase, since, idle_left = "", time.monotonic(), IDLE

    def tend() -> None:
        with contextlib.suppress(Exception):  # what can't be ended now is ended by the next command
            session.tend()

    while True:
        asked = time.monotonic()
        if session.phase != phase:
            phase, since, idle_left = session.phase, asked, IDLE
        left = min(DEADLINE, since + LONGEST - asked) if session.engine else idle_left
        turn = WATCHED if phase == BAKING else TURN
        frame = line.next(left, idle=session.engine is None, meanwhile=tend, turn=turn) if left > 0 else None
        if frame is None:
            return _ended(session, line)
        idle_left = min(IDLE, idle_left - (time.monotonic() - asked) + len(frame[1]) / SLOWEST)
        if line.place is not None and frame[0].get("request") not in READ_ONLY_REQUESTS:
            line.place.used()
        line.send(_answer(session, *frame))


SILENCE_STATES = {
    "": "No transaction was open, so nothing was undone.",
    "aborted": "What it had prepared was undone, and no traffic was touched.",
    "rolled-back": "Its transaction was undone: what served before serves again.",
    "committed": "Its new version was committed, as its on-silence says.",
}


def _ended(session: AgentSession, line: ClientConnection) -> int:
    """End a session that nothing more is heard of, and tell a client that is still there how; return the exit code."""
    try:
        state = SILENCE_STATES.get(session.silence(), "The next command on the host ends what was begun.")
    except Exception as defect:  # noqa: BLE001  the next session tries again
        error = of_defect(defect)
    else:
        error = _why(line, state)
    # What is not a frame ends the reading, so its sender counts as gone, and may still listen.
    if line.malformed or not line.gone():
        line.send({"ok": False, "error": as_frame(error)})
    return error.exit_code if line.malformed else 0


def _why(line: ClientConnection, state: str) -> GoferryError:
    if line.malformed:
        return MalformedFrame(f"the host agent was sent something else than a frame: {line.malformed}", state=state)
    if state == SILENCE_STATES[""]:
        why = "others wait for its place" if line.wanted() else "it was asked for nothing that changes it"
        return SessionIdle(f"the host ended a session: {why}", state=state)
    return ClientSilent("nothing was heard of the client in time", state=state)


def _answer(session: AgentSession, request: dict[str, Any], payload: bytes) -> dict[str, Any]:
    try:
        return {"ok": True, **session.answer(request, payload)}
    except Exception as error:  # noqa: BLE001  the client gets a defect as an answer too
        return {"ok": False, "error": as_frame(of_defect(error))}
