"""Annotations within GitHub's limits: 10 notices, 10 warnings and 10 errors a step, 50 a job; what is over is dropped.

So nine of a kind are written at once, the others go to the log as plain lines, and the end of the step writes the
tenth: the one that is left, or "and N more" (limits: actions/toolkit, docs/problem-matchers.md). A file under
RUNNER_TEMP, which the runner empties between jobs, carries the job's count from step to step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from goferry.kernel.errors import printable
from goferry.runner._workflow_commands import command

STEP = 10
"""How many annotations of one kind GitHub keeps of a step."""
JOB = 50
"""How many annotations GitHub keeps of a job."""
_KINDS = ("notice", "warning", "error")


class AnnotationPlace(NamedTuple):
    """What an annotation is headed with and where it is, in the order in which @actions/core writes the properties."""

    title: str = ""
    file: str = ""
    line: int = 0
    end_line: int = 0
    column: int = 0


NOWHERE = AnnotationPlace()


class Annotations:
    """The annotations of one step; `write` gets one line at a time, `close` ends the step."""

    def __init__(self, write: Callable[[str], None], count: Path | None = None) -> None:
        """Write lines through `write`; `count` is the file that remembers how many the job's steps have written."""
        self._write = write
        self._count = count
        self._used = self._before()
        self._written = dict.fromkeys(_KINDS, 0)
        self._held: dict[str, list[tuple[str, dict[str, str | int]]]] = {kind: [] for kind in _KINDS}

    def add(self, kind: str, message: str, place: AnnotationPlace = NOWHERE, *, last: bool = False) -> None:
        """Annotate; untrusted text is made printable here. `last`: it may take the kind's last place."""
        text = printable(message, 4000)
        given = {key: _fit(value) for key, value in place._asdict().items() if value}
        if self._written[kind] < STEP - 1 + last:
            self._annotate(kind, text, given)
            return
        self._held[kind].append((text, given))
        self._write(f"{kind}: {printable(' '.join(text.split()))}")

    def close(self) -> None:
        """Write each kind's last annotation; more may follow and are counted anew only in the log."""
        for kind, held in self._held.items():
            if not held or self._written[kind] >= STEP:
                continue
            if len(held) == 1:
                self._annotate(kind, *held[0])
            else:
                self._annotate(kind, f"and {len(held)} more: they stand in this step's log", {})
            held.clear()
        if self._count:
            with contextlib.suppress(OSError):
                self._count.write_text(f"{self._used}\n")

    def _annotate(self, kind: str, text: str, properties: dict[str, str | int]) -> None:
        """Write an annotation while the job has room; an error is always written."""
        if self._used >= JOB and kind != "error":
            self._write(f"{kind}: {printable(' '.join(text.split()))}")
            return
        self._used += 1
        self._written[kind] += 1
        self._write(command(kind, text, properties))

    def _before(self) -> int:
        try:
            return min(JOB, max(0, int(self._count.read_text()))) if self._count else 0
        except (OSError, ValueError):
            return 0


def _fit(value: str | int) -> str | int:
    return printable(" ".join(value.split()), 200) if isinstance(value, str) else value
