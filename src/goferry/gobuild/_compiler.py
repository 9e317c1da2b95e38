"""One go command: progress from what it says, and its failures by name."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from subprocess import Popen

from msgspec import Struct, field

from goferry.artifacts import Toolchain, fetching
from goferry.gobuild._positions import Places
from goferry.kernel.errors import Failed, GoferryError, printable
from goferry.observe.events import Span
from goferry.system import process

_PACKAGE = r"[A-Za-z0-9][A-Za-z0-9._~+/-]*"
_BUSY = rf"{_PACKAGE}|go: downloading .*"
_KILLED = r"signal: killed|cannot allocate memory|out of memory"
_STATUS = "error obtaining VCS status:"
"""How cmd/go begins when the stamp is what fails."""
_PATIENCE = 2.0
"""Seconds after which a compilation is long enough that counting its packages is worth a `go list`."""


class CompileFailed(Failed):
    """The Go compiler or linker rejected the source.

    Usual causes: an error in the code, shown with file and line; sometimes code that is missing for one platform.
    """

    name = "compile-failed"


class OutOfMemory(Failed):
    """The compiler ran out of memory and was killed, also when it ran alone.

    Usual causes: a container whose memory limit is too low for the largest package, or another process beside it.
    """

    name = "out-of-memory"


class Compiler(Struct):
    """Runs go commands in one project and can end them all.

    Attributes:
        toolchain: the go command. environ: the clean environment. directory: where commands run.
        stamping: whether programs may carry what git says (`-buildvcs`); a command that asks for it is answered without
            it otherwise.
    """

    toolchain: Toolchain
    environ: Mapping[str, str]
    directory: Path
    stamping: bool = True
    _running: set[Popen[bytes]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: bool = False

    def build(self, argv: Sequence[str], env: Mapping[str, str], span: Span) -> None:
        """Run one `go build`; a compiler that was killed for memory gets one more try, alone in its group.

        Raises:
            CompileFailed: the Go compiler or linker rejected the source.
            OutOfMemory: the compiler ran out of memory and was killed, also when it ran alone.
            Those of artifacts.fetching: go could not get a module.
        """
        argv = list(argv) if self.stamping else _unstamped(argv)
        done = self._run(argv, env, span)
        if done.code and not self._stopped and _STATUS in done.errors:
            busy = done.errors.partition(_STATUS)[2].strip().splitlines()
            span.note(f"programs carry no commit and version: {printable(busy[0] if busy else '', 200)}", "warning")
            argv = _unstamped(argv)
            done = self._run(argv, env, span)
        if done.code and not self._stopped and killed(done):
            span.note("the compiler was killed, probably for want of memory: once more, with one compiler", "warning")
            frugal = [word if not word.startswith("-p=") else "-p=1" for word in argv]
            frugal_env = {**env, "GOMAXPROCS": "1", "GOGC": "50"}
            frugal_env.pop("GOMEMLIMIT", None)
            done = self._run(frugal, frugal_env, span)
        if done.code:
            raise failure(done, span.event.target, Places.of(self.directory))

    def stop(self) -> None:
        """End what runs; nothing more starts."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for started in running:
            process.end_group(started)

    def _run(self, argv: Sequence[str], env: Mapping[str, str], span: Span) -> process.Completed:
        progress = _Progress(span, lambda: self._count(argv, env))
        held: list[Popen[bytes]] = []

        def started(popen: Popen[bytes]) -> None:
            held.append(popen)
            with self._lock:
                self._running.add(popen)
                stopped = self._stopped
            if stopped:
                process.end_group(popen)

        try:
            words = [str(self.toolchain.go), *argv[1:]]
            environ = {**self.environ, **env}
            return process.run(words, environ=environ, cwd=self.directory, on_line=progress.on_output, on_start=started)
        finally:
            with self._lock:
                self._running.difference_update(held)

    def _count(self, argv: Sequence[str], env: Mapping[str, str]) -> int:
        """Return how many packages the command's packages need, themselves included."""
        packages = argv[list(argv).index("-o") + 2 :]
        tags = [word for word in argv if word.startswith("-tags=")]
        words = [str(self.toolchain.go), "list", "-deps", *tags, *packages]
        done = process.run(words, environ={**self.environ, **env}, cwd=self.directory)
        return len(done.text.splitlines()) if done.code == 0 else 0


def _unstamped(argv: Sequence[str]) -> list[str]:
    return ["-buildvcs=false" if word.startswith("-buildvcs=") else word for word in argv]


class _Progress:
    """Turns the package lines of `go build -v` into progress; counts the total once a build takes long."""

    def __init__(self, span: Span, count: Callable[[], int]) -> None:
        self.span = span
        self.count = count
        self.begun = time.monotonic()
        self.seen = 0
        self.total = -1

    def on_output(self, line: str) -> None:
        if not re.fullmatch(_PACKAGE, line):
            return
        self.seen += 1
        if self.total < 0 and time.monotonic() - self.begun > _PATIENCE:
            self.total = 0
            threading.Thread(target=self._count, daemon=True).start()
        whole = f" of {self.total}" if self.total >= self.seen else ""
        self.span.progress(f"compiling {self.seen}{whole} packages", packages=self.seen)

    def _count(self) -> None:
        self.total = self.count()


def killed(done: process.Completed) -> bool:
    """Tell whether a go command, or a compiler under it, was killed (by the kernel, for memory)."""
    return done.code in (137, -9) or bool(re.search(_KILLED, done.errors))


def failure(done: process.Completed, target: str, places: Places) -> GoferryError:
    """Return the named error for a go command that failed: its own words, with files as from the repository's top."""
    raw = messages(done)
    text = shown(places.from_top(raw))
    state = "DIST is as it was before."
    if killed(done):
        advice = ["give the container more memory", "or build the targets in parts:  --shard 1/2"]
        return OutOfMemory(f"{target}: the compiler was killed\n{text}", state=state, advice=advice)
    modules = fetching.fault(raw, text, state=state, chdir=places.chdir)
    if modules:
        modules.facts["problems"] = places.problems(raw)
        return modules
    return CompileFailed(
        f"{target}\n{text}" if target else text, state=state, target=target, problems=places.problems(raw)
    )


def messages(done: process.Completed) -> str:
    """Return what a go command said, without the packages and modules that it was busy with."""
    lines = [line.rstrip() for line in done.errors.splitlines()]
    return "\n".join(line for line in lines if line and not re.fullmatch(_BUSY, line)) or f"go ended with {done.code}"


def shown(text: str, limit: int = 1500) -> str:
    """Return the first lines of a text, whole ones, in about `limit` characters, and how many more there are."""
    if len(text) <= limit:
        return text
    first = text[:limit].rpartition("\n")[0] or text[:limit] + "…"
    left = text.count("\n") - first.count("\n")
    return f"{first}\n… and {left} more line{'s' if left > 1 else ''}" if left else first
