"""Where Go's tools say something is, from the repository's top: what an annotation needs, and a reader.

    compiler, vet     ./store.go:7:2: undefined: x                       relative to the folder that go ran in
    go.mod, go.work   go.mod:3: unknown directive                        the same
    tests             example.com/shop/pkg/x_test.go:12: want 1, got 2   with -fullpath -trimpath: module and path
                      /src/shop/pkg/x_test.go:12: want 1, got 2          with -fullpath alone
    a panic's stack   example.com/shop/pkg/x.go:7 +0x1d                  as tests

A path is changed only where a file of the repository is meant; whatever else a test prints stays as it is.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

from goferry.config.load import repository
from goferry.kernel.digits import number
from goferry.kernel.errors import printable

Problem = dict[str, str | int]
"""`{"file", "line", "column", "message"}`: the file from the repository's top, column 0 where there is none."""

_TOOL = r"^(\s*(?:(?:vet|go): )?)([^\s:][^:\n]*\.\w+):(\d+)(?::(\d+))?: (.*)$"
_ANYWHERE = r"(?<![\w./@~+-])((?:/|[A-Za-z0-9])[^\s:()\"']*\.go):(\d+)\b"
_LOGGED = r"^\s+([^\s:][^:\n]*\.go):(\d+)(?:: (.*)| \+0x[0-9a-f]+)?$"


class Places(Struct, frozen=True):
    """What is needed to find a file again.

    Attributes:
        directory: where the go command ran. root: the repository's top; both absolute and resolved.
        modules: module path → folder relative to `directory`.
    """

    directory: Path
    root: Path
    modules: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, directory: Path) -> Places:
        """Return the places of a folder of a repository, or of a folder by itself outside git."""
        folder = directory.resolve()
        return cls(folder, repository(folder) or folder)

    @property
    def chdir(self) -> str:
        """The flag of a go command that is typed at the repository's top, with the space behind it; often nothing."""
        folder = os.path.relpath(self.directory, self.root).replace(os.sep, "/")
        return "" if folder == "." else f"-C {shlex.quote(folder)} "

    def from_top(self, text: str) -> str:
        """Return what compiler, vet or the go command said, with files named from the repository's top."""
        return "\n".join(self._tool_line(line) for line in text.split("\n"))

    def tested(self, line: str) -> str:
        """Return a line of a test's output in the same way, wherever in it files are named."""
        return re.sub(_ANYWHERE, lambda match: f"{self._of_test(match[1]) or match[1]}:{match[2]}", line)

    def problems(self, text: str) -> list[Problem]:
        """Return the places in the repository that compiler, vet or the go command complain about."""
        found: list[Problem] = []
        for line in text.splitlines():
            match = re.match(_TOOL, line)
            file = self._of_tool(match[2]) if match else ""
            if match and file:
                found.append(_problem(file, match[3], match[4] or "0", match[5]))
        return found

    def strangers(self, text: str) -> bool:
        """Whether the go command complains about a file that is not in the repository."""
        return any(
            match and not self._of_tool(match[2]) for match in (re.match(_TOOL, line) for line in text.splitlines())
        )

    def failures(self, lines: Sequence[str], test: str) -> list[Problem]:
        """Return the places in the repository that a failing test complains about; of a panic the first frame."""
        logged, frames = [], []
        for line in lines:
            match = re.match(_LOGGED, line)
            file = self._of_test(match[1]) if match else ""
            if match and file and match[3] is not None:
                logged.append(_problem(file, match[2], "0", f"{test}: {match[3]}"))
            elif match and file:
                frames.append(_problem(file, match[2], "0", f"{test} panicked here"))
        return logged or frames[:1]

    def within(self, path: Path) -> str:
        """Return a path from the repository's top when it is a file there, else nothing."""
        plain = os.path.normpath(path)
        try:
            inside = plain.startswith(f"{self.root}{os.sep}") and Path(plain).is_file()
        except (OSError, ValueError):  # a name that no file has
            inside = False
        return os.path.relpath(plain, self.root).replace(os.sep, "/") if inside else ""

    def _tool_line(self, line: str) -> str:
        match = re.match(_TOOL, line)
        file = self._of_tool(match[2]) if match else ""
        return f"{match[1]}{file}{line[match.end(2) :]}" if match and file else line

    def _of_tool(self, path: str) -> str:
        return self.within(self.directory / path)

    def _of_test(self, path: str) -> str:
        if path.startswith("/"):
            return self.within(Path(path))
        for module in sorted(self.modules, key=len, reverse=True):
            if path.startswith(module + "/"):
                return self.within(self.directory / self.modules[module] / path[len(module) + 1 :])
        return ""


def _problem(file: str, line: str, column: str, message: str) -> Problem:
    place: Problem = {"file": printable(file), "line": number(line) or 0, "column": number(column) or 0}
    return {**place, "message": printable(message)}
