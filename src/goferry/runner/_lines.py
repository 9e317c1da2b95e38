"""The event stream as a runner's log: a group for every root span, the outcome after it, annotations for warnings."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from goferry.observe import humanize, plain
from goferry.observe.events import Event
from goferry.runner._workflow_commands import command

LAST = 30
"""How many of the newest lines are kept for the message of a failure."""


class GroupedLines:
    """A renderer for GitHub's log viewer; groups don't nest there, so one that is open takes all lines.

    Attributes:
        last: the newest lines, for a failure's message.
    """

    def __init__(
        self, write: Callable[[str], None], annotate: Callable[[str, str, str], None], *, debug: bool = False
    ) -> None:
        """Write lines through `write`; `annotate(kind, message, title)` gets what a person must look at."""
        self._write = write
        self._annotate = annotate
        self._debug = debug
        self._open = ""
        self._stages: dict[str, str] = {}
        self.last: deque[str] = deque(maxlen=LAST)

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        if event.kind == "start":
            self._stages[event.span] = event.stage
        if event.kind == "note" and event.level == "warning":
            self._annotate(event.level, humanize.one_line(event.message, 2000), plain.subject(event))
            self.last.append(plain.line(event))
        elif event.kind == "progress":
            if self._debug:
                self._write(command("debug", f"{plain.subject(event)}: {humanize.one_line(event.message)}"))
        elif event.kind == "start" and not event.parent and not self._open:
            self._open = event.span
            self._write(command("group", plain.subject(event)))
        elif event.kind == "end" and event.span == self._open:
            self.close()
            self._say(plain.line(event))
        elif event.kind == "note" or not plain.echoes(event, self._stages.get(event.parent, "")):
            self._say(plain.line(event))

    def close(self) -> None:
        """End the group that is open."""
        if self._open:
            self._open = ""
            self._write(command("endgroup"))

    def _say(self, line: str) -> None:
        if line:
            self._write(line)
            self.last.append(line)
