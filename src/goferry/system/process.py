"""Run programs: argument lists only, an explicit environment, ended as a group when we are stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct

from goferry.kernel.errors import Failed

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL for a program that we end."""


class ToolMissing(Failed):
    """This machine lacks a program that this step needs.

    Usual causes: it was never installed; `goferry doctor` lists which program is needed for what.
    """

    name = "tool-missing"


class Completed(Struct, frozen=True):
    """What a program left: its exit code (negative: ended by that signal) and its outputs as bytes."""

    argv: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def errors(self) -> str:
        """Standard error as text."""
        return self.stderr.decode("utf-8", "replace")


SECRETS = ("GOFERRY_SIGNING_PASSPHRASE",)
"""Variables that no program gets that is started here: whoever needs one is given it by a pipe."""


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    environ: Mapping[str, str],
    cwd: Path | None = None,
    stdin: bytes = b"",
    timeout: float | None = None,
    on_line: Callable[[str], None] | None = None,
    on_output: Callable[[str], None] | None = None,
    on_start: Callable[[subprocess.Popen[bytes]], None] | None = None,
    pass_fds: Sequence[int] = (),
) -> Completed:
    """Run a program to its end; never raises for its exit code.

    `on_line` hears every line of standard error while it runs, `on_output` of standard output; `on_start` gets the
    process, so that another thread can end its group. The program leads a process group of its own, which is
    ended (SIGTERM, then SIGKILL after GRACE) on any exception here, KeyboardInterrupt included.

    Raises:
        ToolMissing: when the program can't be started.
        subprocess.TimeoutExpired: after `timeout` seconds.
    """
    words = tuple(os.fspath(word) for word in argv)
    try:
        process = subprocess.Popen(
            words,
            env={key: value for key, value in environ.items() if key not in SECRETS},
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            pass_fds=tuple(pass_fds),
        )
    except OSError as error:
        raise ToolMissing(
            f"cannot start {words[0]}: {error.strerror}", advice=["see what is missing:  goferry doctor"]
        ) from error
    with ended(process):
        if on_start is not None:
            on_start(process)
        if on_line is None and on_output is None:
            out, err = process.communicate(stdin, timeout)
        else:
            out, err = _communicate_by_line(process, stdin, timeout, on_line, on_output)
    return Completed(words, process.returncode, out, err)


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever happens in the block, the process group is gone after it if the process was left running."""
    try:
        yield
    finally:
        if process.poll() is None:
            end_group(process)


def end_group(process: subprocess.Popen[bytes], grace: float = GRACE) -> None:
    """SIGTERM to the process's group, SIGKILL after `grace` seconds, and reap it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _communicate_by_line(
    process: subprocess.Popen[bytes],
    stdin: bytes,
    timeout: float | None,
    on_line: Callable[[str], None] | None,
    on_output: Callable[[str], None] | None,
) -> tuple[bytes, bytes]:
    lines: list[bytes] = []
    output: list[bytes] = []

    def read(pipe: IO[bytes] | None, kept: list[bytes], hear: Callable[[str], None] | None) -> None:
        assert pipe is not None
        for line in pipe:
            kept.append(line)
            if hear is not None:
                hear(line.decode("utf-8", "replace").rstrip("\r\n"))

    def write_input() -> None:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(stdin)

    work: list[tuple[Callable[..., None], tuple[object, ...]]] = [
        (read, (process.stdout, output, on_output)),
        (read, (process.stderr, lines, on_line)),
        (write_input, ()),
    ]
    threads = [threading.Thread(target=target, args=args, daemon=True) for target, args in work]
    for thread in threads:
        thread.start()
    process.wait(timeout)
    for thread in threads:
        thread.join(timeout)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    return b"".join(output), b"".join(lines)
