"""The client's side of the host agent: starts it or reaches it, speaks frames with it, and never judges what it judges.

The local target's agent is a process on this machine; a host's is reached through ssh. When the client is interrupted
it ends the stream: the agent then undoes what was not committed, and is waited for.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from goferry.kernel import frames
from goferry.kernel.errors import GoferryError, Misuse, printable
from goferry.kernel.outcomes import AgentLost, from_frame
from goferry.system.process import SECRETS, ToolMissing

SETTLE, SOON = 120.0, 1.0
"""Seconds in which an agent whose client left must have undone what was open, and then have ended."""
PATIENCE = 900.0
"""Seconds in which an agent must say something, be it progress."""
LONGEST, LIMITS = 48 * 3600.0, {"hello": 300.0, "status": 300.0, "logs": 300.0}
"""Seconds that a whole request may take, signs of progress included; what changes nothing is answered soon."""
MOST = 20_000
"""Signs of progress that one request may have: a day's bake has one a minute."""
COMPLAINTS = 32 << 10
"""Bytes of an agent's standard error that are kept, of its beginning and of its end each."""
CHANGES = ("prepare", "rollback", "switch", "commit", "down", "purge")
"""Requests that begin or go on with a change of the target."""
_NAME = re.compile("[a-z][a-z0-9-]{0,60}")

Explain = Callable[[int | None, str], GoferryError | None]
"""(exit code, standard error) → what an agent's end without an answer means, or None."""


class _Complaints:
    """What a program writes to standard error: read to its end, and only its beginning and its end kept."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._first, self._last = stream, b"", b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._stream:
            while data := self._stream.read(COMPLAINTS):
                room = COMPLAINTS - len(self._first)
                self._first += data[:room]
                self._last = (self._last + data[room:])[-COMPLAINTS:]

    def text(self) -> str:
        """Return what was kept, after a moment for what is still on its way."""
        self._thread.join(1)
        return (self._first + self._last).decode("utf-8", "replace").strip()


class Agent:
    """A running agent; made by `opened`. `answered`: whether it said anything yet, be it a sign of progress."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        explain: Explain,
        where: str,
        settle: float,
        trace: str = "",
        *,
        lingers: bool = False,
    ) -> None:
        assert process.stderr is not None
        self._lingers = lingers
        self._about = {"trace": trace} if trace else {}
        self._process, self._explain, self._where, self._settle = process, explain, where, settle
        self.complaints = _Complaints(process.stderr).text
        self._writing = threading.Lock()
        self.pid, self.answered, self._begun = process.pid, False, False

    def ask(
        self, request: str, heard: Callable[[str], None] = lambda _: None, payload: bytes = b"", **fields: object
    ) -> dict[str, object]:
        """Send one request and return its answer; `heard` gets each act as the host begins it.

        Raises:
            GoferryError: the host's own, by its name.
            AgentLost: when the agent ended or answered something else.
        """
        self._begun = self._begun or request in CHANGES
        try:
            data = frames.encode({"request": request, **self._about, **fields}, payload)
            with contextlib.suppress(BrokenPipeError):  # it may have said why before it ended
                self._send(data)
            with self._limited(LIMITS.get(request, LONGEST)):
                answer = self._answer(heard)
        except (OSError, ValueError) as error:  # BadFrame, or a stream that hang_up closed
            raise self._lost(printable(str(error), 200)) from error
        if answer.get("ok") is not True:
            failure = told(answer.get("error"))
            failure.advice = tuple(placed(line, self._where) for line in failure.advice)
            raise failure
        return answer

    def _answer(self, heard: Callable[[str], None]) -> dict[str, object]:
        for _ in range(MOST):
            answer = self._next()
            if "progress" not in answer:
                return answer
            heard(printable(str(answer["progress"]), 200))
        raise OSError(f"more than {MOST:,} progress messages without an answer")

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        view = memoryview(data)
        with self._writing, self._limited(PATIENCE):
            while view:  # unbuffered: a pipe takes what it has room for
                view = view[self._process.stdin.write(view) :]

    def _next(self) -> dict[str, object]:
        assert self._process.stdout is not None
        with self._limited(PATIENCE):
            frame = frames.read(self._process.stdout)
        if frame is None:
            raise OSError("it ended")
        self.answered = True
        return frame[0]

    def _lost(self, why: str) -> GoferryError:
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(3)
        said = self.complaints()
        known = self._explain(code, said)
        if known is not None:
            return known
        last = printable(said.splitlines()[-1], 300) if said else ""
        return AgentLost(
            f"the host agent gave no answer: {why}" + (f" ({last})" if last else ""),
            state="What it had begun is undone by the next command on the target."
            if self._begun
            else "It had begun nothing, so nothing was undone.",
            advice=[f"look:  goferry status {self._where}"],
        )

    def hang_up(self) -> None:
        """End the stream from another thread: the agent undoes what is open, and who waits for an answer gets one."""
        if self._writing.acquire(timeout=0.2):
            try:
                self._close_input()
            finally:
                self._writing.release()
        else:
            self._process.terminate()

    def _close_input(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def leave(self) -> None:
        """End the stream and wait for the agent to settle: it then ends its own."""
        self._close_input()
        settled = self._ended()
        assert self._process.stdout is not None
        self._process.stdout.close()
        try:
            self._process.wait(SOON)
        except subprocess.TimeoutExpired:
            if settled and self._lingers:
                self._process.returncode = 0  # it goes on by itself, by intent
                return
            self._process.kill()
            self._process.wait()

    def _ended(self) -> bool:
        """Read on until the agent ends its stream; return whether it did in time."""
        assert self._process.stdout is not None
        descriptor, until = self._process.stdout.fileno(), time.monotonic() + self._settle
        said = select.poll()
        said.register(descriptor, select.POLLIN)
        while (left := until - time.monotonic()) > 0 and said.poll(left * 1000):
            if not os.read(descriptor, 1 << 16):
                return True
        return False

    @contextlib.contextmanager
    def _limited(self, seconds: float) -> Iterator[None]:
        """End the program when the block is not over in time, whatever trickles through it."""
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


_ERROR = ("name", "exit_code", "what", "state", "advice", "facts")


def told(record: object) -> GoferryError:
    """Return the error that an answer carries, whatever the answer holds: a host must not choose what cannot be.

    Its name is a name, its exit code one of the documented ones and never 0.
    """
    fields = record if isinstance(record, dict) else {}
    name, code, what, state, advice, facts = (fields.get(key) for key in _ERROR)
    return from_frame(
        {
            "name": name if isinstance(name, str) and _NAME.fullmatch(name) else "host-failed",
            "exit_code": code,
            "what": _text(what) or "the host refused without giving a reason",
            "state": _text(state),
            "advice": [line for line in advice[:20] if isinstance(line, str)] if isinstance(advice, list) else [],
            "facts": facts if isinstance(facts, dict) else {},
        }
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def sendable(path: Path) -> str:
    """Return a path as a frame carries it.

    Raises:
        Misuse: when it is not UTF-8.
    """
    text = str(path.absolute())
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Misuse(f"the path {text} is not UTF-8", advice=["rename the folder"]) from None
    return text


_ON_A_TARGET = re.compile(r"goferry (?:status|rollback|deploy)\b(?!.* --(?:target|host|environment|root)\b)")
_PLACES = re.compile(r"--target local --root DIR|--target ssh --host HOST")


def placed(line: str, where: str) -> str:
    """Return a line of a host's advice with the target in its commands: a host does not know how it is reached."""
    proof = " --trust FILE" if "goferry deploy" in line and "--target local" in where else ""
    return _PLACES.sub(lambda _: where, f"{line} {where}{proof}" if _ON_A_TARGET.search(line) else line)


def agent_argv(root: Path, trust: Path | None) -> list[str]:
    """Return the local agent's command line."""
    words = [sys.executable, "-I", "-m", "goferry.host", "serve", "--root", sendable(root)]
    return words + (["--trust", sendable(trust)] if trust else [])


@contextlib.contextmanager
def opened(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    explain: Explain = lambda _code, _errors: None,
    where: str = "--target local --root DIR",
    settle: float = SETTLE,
    trace: str = "",
    lingers: bool = False,
) -> Iterator[Agent]:
    """Run an agent for the block; it is in a session of its own, so a Ctrl-C here does not stop it half-way.

    `settle` is how long it may take to end after the block; `where` the options of commands on this target; `trace` the
    run's trace id, which travels in each request. With `lingers` it may go on by itself when it has ended its stream,
    with a recovery that nobody waits for.

    Raises:
        ToolMissing: when the program can't be started.
    """
    try:
        process = subprocess.Popen(
            argv,
            env={key: value for key, value in environ.items() if key not in SECRETS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        raise ToolMissing(f"cannot start {argv[0]}: {error.strerror}") from error
    agent = Agent(process, explain, where, settle, trace, lingers=lingers)
    try:
        yield agent
    finally:
        agent.leave()
