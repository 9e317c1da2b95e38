"""The client's side of the host agent: starts it, speaks frames with it, and never judges what the host judges.

The local target's agent is a process on this machine; the same frames will travel over ssh. When the client is
interrupted it ends the stream: the agent then undoes what was not committed, and is waited for.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from goferry.kernel import frames
from goferry.kernel.errors import Misuse, printable
from goferry.kernel.outcomes import AgentLost, from_frame
from goferry.system.process import SECRETS

SETTLE = 120.0
"""Seconds in which an agent whose client left must have undone what was open."""


class Agent:
    """A running agent; made by `opened`."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self._process, self._errors = process, errors
        self.pid = process.pid

    def ask(self, request: str, heard: Callable[[str], None] = lambda _: None, **fields: Any) -> dict[str, Any]:
        """Send one request and return its answer; `heard` gets each act as the host begins it.

        Raises:
            GoferryError: the host's own, by its name.
            AgentLost: when the agent ended or answered something else.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(frames.encode({"request": request, **fields}))
            self._process.stdin.flush()
            while True:
                frame = frames.read(self._process.stdout)
                if frame is None:
                    raise self._lost("it ended")
                answer = frame[0]
                if "progress" not in answer:
                    break
                heard(printable(str(answer["progress"]), 200))
        except (OSError, frames.BadFrame) as error:
            raise self._lost(str(error)) from error
        if not answer.get("ok"):
            raise from_frame(answer.get("error") or {})
        return answer

    def _lost(self, why: str) -> AgentLost:
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()[-1:]
        return AgentLost(
            f"the host agent gave no answer: {why}" + (f" ({said[0]})" if said else ""),
            state="What it had begun is undone by the next command on the target.",
            advice=["look:  goferry status --target local --root DIR"],
        )

    def leave(self) -> None:
        """End the stream and wait for the agent to settle."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(SETTLE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


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


def agent_argv(root: Path, trust: Path | None) -> list[str]:
    """Return the local agent's command line."""
    words = [sys.executable, "-I", "-m", "goferry.host", "serve", "--root", sendable(root)]
    return words + (["--trust", sendable(trust)] if trust else [])


@contextlib.contextmanager
def opened(argv: Sequence[str], environ: Mapping[str, str]) -> Iterator[Agent]:
    """Run an agent for the block; it is in a session of its own, so a Ctrl-C here does not stop it half-way."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            argv,
            env={key: value for key, value in environ.items() if key not in SECRETS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        agent = Agent(process, errors)
        try:
            yield agent
        finally:
            agent.leave()


def check_target(target: str) -> None:
    """Refuse a target that is not there.

    Raises:
        Misuse: for anything but `local`.
    """
    if target != "local":
        raise Misuse(f"--target {printable(target, 40)} is not known", advice=["use:  --target local --root DIR"])
