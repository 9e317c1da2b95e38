"""The event stream as plain lines, each fact once: for logs, pipes and terminals that cannot move the cursor."""

from __future__ import annotations

from typing import TextIO

from goferry.observe import humanize
from goferry.observe.events import Event

_BRIEF = 0.05


class PlainLines:
    """Writes a line when work starts, one when it ends, and one for each note.

    Progress is left out, and so is inner work that ended well within 50 ms: a log has facts, not motion.
    """

    def __init__(self, file: TextIO) -> None:
        """Write to `file`, a line at a time."""
        self._file = file
        self._stages: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        """Draw one event; a span inside one of the same name says nothing new."""
        if event.kind == "start":
            self._stages[event.span] = event.stage
        if event.kind != "note" and echoes(event, self._stages.get(event.parent, "")):
            return
        text = line(event)
        if text:
            self._file.write(text + "\n")
            self._file.flush()


def line(event: Event) -> str:
    """Return the line that an event is worth, or an empty string."""
    if event.kind == "start":
        return f"{subject(event)} …" if not event.parent or event.target or event.host else ""
    if event.kind == "note":
        level = "note" if event.level == "info" else event.level
        return f"{subject(event)}: {level}: {humanize.one_line(event.message, 2000)}"
    if event.kind != "end":
        return ""
    brief = event.parent and not (event.target or event.host) and event.seconds < _BRIEF
    return "" if brief and event.outcome == "done" else f"{subject(event)}: {ending(event)}"


def echoes(event: Event, above: str) -> bool:
    """Tell whether a span only repeats the stage named `above` that it runs in."""
    return event.stage == above and not (event.target or event.host)


def subject(event: Event) -> str:
    """Return what an event is about: `build linux/arm64`, `deploy web-1`."""
    return " ".join(humanize.one_line(part, 80) for part in (event.stage, event.target, event.host) if part)


def ending(event: Event) -> str:
    """Return how a span ended: `done in 18.2 s (7.9 MB)`, `skipped (unchanged)`, `failed after 2.0 s`.

    An error's own message is not repeated: the command prints it once, whole, at its end.
    """
    detail = humanize.numbers(event.numbers)
    if event.outcome == "done":
        return f"done in {humanize.seconds(event.seconds)}" + (f" ({detail})" if detail else "")
    if event.outcome == "skipped":
        reason = humanize.one_line(event.message)
        return "skipped" + (f" ({reason})" if reason else "")
    return f"{humanize.one_line(event.outcome, 60)} after {humanize.seconds(event.seconds)}"
