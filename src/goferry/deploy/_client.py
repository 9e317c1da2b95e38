"""The client side of the host agent: starts or reaches it and exchanges frames with it; the agent makes the decisions.

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
from types import MappingProxyType
from typing import IO

from goferry.kernel import frames
from goferry.kernel.errors import GoferryError, Misuse, printable
from goferry.kernel.outcomes import AgentLost, from_frame
from goferry.system.process import SECRETS, ToolMissing

SETTLE, SOON = 120.0, 1.0
"""Seconds an agent has to undo what is open once its client has left, and then to exit."""
PATIENCE = 900.0
"""Seconds within which an agent must send something, if only progress."""
LONGEST, LIMITS = 48 * 3600.0, {"hello": 300.0, "status": 300.0, "logs": 300.0, "read-logs": 60.0, "history": 60.0}
"""Seconds a whole request may take, however much progress it reports; requests that change nothing get less."""
MOST = 20_000
"""Progress messages allowed for one request; a bake of a day sends one a minute."""
COMPLAINTS = 32 << 10
"""Bytes kept of an agent's standard error, of its beginning and its end each."""
CHANGES = ("prepare", "rollback", "restart", "switch", "commit", "down", "purge")
"""Requests that start or continue a change to the target."""
_NAME = re.compile("[a-z][a-z0-9-]{0,60}")

Explain = Callable[[int | None, str], GoferryError | None]
"""(exit code, standard error) → what it means that an agent ended without an answer, or None."""


class _Complaints:
    """A program's standard error: all of it is read, and only the beginning and the end are kept."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._first, self._last = stream, b"", b""
        # Always read: a program whose pipe of complaints is full blocks in the middle of its work.
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._stream:
            while data := self._stream.read(COMPLAINTS):
                room = COMPLAINTS - len(self._first)
                self._first += data[:room]
                self._last = (self._last + data[room:])[-COMPLAINTS:]

    def text(self) -> str:
        """Return what was kept, after waiting a moment for output still in flight."""
        self._thread.join(1)
        return (self._first + self._last).decode("utf-8", "replace").strip()


class Agent:
    """A running agent; made by `opened`. `answered`: whether it has sent anything yet, if only progress."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        explain: Explain,
        where: str,
        settle: float,
        trace: str = "",
        *,
        lingers: bool = False,
        notes: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        assert process.stderr is not None
        self._lingers = lingers
        # An agent that knows of no notes keeps to the rest.
        self._about = {**({"trace": trace} if trace else {}), **({"notes": dict(notes)} if notes else {})}
        self._process, self._explain, self._where, self._settle = process, explain, where, settle
        self.complaints = _Complaints(process.stderr).text
        self._writing = threading.Lock()
        self.pid, self.answered, self._begun = process.pid, False, False

    def ask(
        self, request: str, on_progress: Callable[[str], None] = lambda _: None, payload: bytes = b"", **fields: object
    ) -> dict[str, object]:
        """Send one request and return its answer; `on_progress` is called with each step as the host begins it.

        Raises:
            GoferryError: the host's own, by its name.
            AgentLost: when the agent ended or answered something else.
        """
        # Before it is sent: a request that broke off on its way may have arrived all the same.
        self._begun = self._begun or request in CHANGES
        try:
            data = frames.encode({"request": request, **self._about, **fields}, payload)
            with contextlib.suppress(BrokenPipeError):  # it may have said why before it ended
                self._send(data)
            with self._limited(LIMITS.get(request, LONGEST)):
                answer = self._answer(on_progress)
        except (OSError, ValueError) as error:  # BadFrame, or a stream that hang_up closed
            raise self._lost(printable(str(error), 200)) from error
        if answer.get("ok") is not True:
            failure = error_of(answer.get("error"))
            failure.advice = tuple(placed(line, self._where) for line in failure.advice)
            raise failure
        return answer

    def _answer(self, on_progress: Callable[[str], None]) -> dict[str, object]:
        for _ in range(MOST):
            answer = self._next()
            if "progress" not in answer:
                return answer
            on_progress(printable(str(answer["progress"]), 200))
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
            # ssh closes its streams a moment before it ends, and its exit code says what happened.
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
        """End the stream from another thread: the agent undoes what is open, and a waiting thread gets an error."""
        # A writer that is stuck holds this lock. Closing the pipe under it could hand its descriptor to
        # another file; ending the program breaks the pipe instead.
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
        """Close the stream and wait until the agent has undone what is open and closed its own."""
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
        # The pipe is unbuffered, so poll sees all that is unread; what is still said is of no use to anybody.
        descriptor, until = self._process.stdout.fileno(), time.monotonic() + self._settle
        said = select.poll()
        said.register(descriptor, select.POLLIN)
        while (left := until - time.monotonic()) > 0 and said.poll(left * 1000):
            if not os.read(descriptor, 1 << 16):
                return True
        return False

    @contextlib.contextmanager
    def _limited(self, seconds: float) -> Iterator[None]:
        """Kill the program if the block does not finish in time, whatever trickles through."""
        # No timeout of a read: each byte that trickles in would start it anew.
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


_ERROR = ("name", "exit_code", "what", "state", "advice", "facts")


def error_of(record: object) -> GoferryError:
    """Return the error in an answer, whatever the answer holds: a host must not invent an outcome.

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


_ON_A_TARGET = re.compile(
    r"goferry (?:status|history|rollback|restart|deploy)\b(?!.* --(?:target|host|environment|root)\b)"
)
_PLACES = re.compile(r"--target local --root DIR|--target ssh --host HOST")


def placed(line: str, where: str) -> str:
    """Return a line of a host's advice with the target in its commands: a host does not know how it is reached."""
    proof = " --trust FILE" if "goferry deploy" in line and "--target local" in where else ""
    return _PLACES.sub(lambda _: where, f"{line} {where}{proof}" if _ON_A_TARGET.search(line) else line)


def agent_argv(root: Path, trust: Path | None) -> list[str]:
    """Return the local agent's command line."""
    # -I: neither PYTHONPATH nor a folder of the repository may bring modules into the agent.
    words = [sys.executable, "-I", "-m", "goferry.host", "serve", "--root", sendable(root)]
    return words + (["--trust", sendable(trust)] if trust else [])


def asker(environ: Mapping[str, str]) -> dict[str, str]:
    """Return who asks and from which run, as a host notes it with what it does: the actor of GitHub's run, or the user.

    A host takes it as said: what it believes is the deploy key.
    """
    if environ.get("GITHUB_ACTIONS") == "true":
        names = ("GITHUB_ACTOR", "GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
        actor, server, repository, run = (environ.get(name, "") for name in names)
        found = {"by": actor, "run": f"{server}/{repository}/actions/runs/{run}" if run else ""}
    else:
        found = {"by": environ.get("USER", "") or environ.get("LOGNAME", "")}
    return {name: printable(value, 200) for name, value in found.items() if value}


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
    run's trace id, which travels in each request. With `lingers` it may keep running after it has closed its
    stream, to finish a recovery in the background.

    Raises:
        ToolMissing: when the program can't be started.
    """
    try:
        process = subprocess.Popen(
            argv,
            # The agent starts services and their supervisor, which must not inherit a signing passphrase.
            env={key: value for key, value in environ.items() if key not in SECRETS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        raise ToolMissing(f"cannot start {argv[0]}: {error.strerror}") from error
    agent = Agent(process, explain, where, settle, trace, lingers=lingers, notes=asker(environ) if trace else {})
    try:
        yield agent
    finally:
        agent.leave()
