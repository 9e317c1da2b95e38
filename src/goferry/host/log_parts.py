"""Which part of a slot's log is which version's: from its start to the next start in the slot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from goferry.host import bounded_lines, slots
from goferry.host.layout import ServiceFolder
from goferry.host.slots import Begin
from goferry.kernel.errors import Failed, Misuse, printable
from goferry.kernel.fields import Fields

ENDED, TAIL = 6, 16 << 10
"""Parts of versions that ended which are read on by who follows, and bytes of the list's end that are read for them."""


class LogNotKept(Failed):
    """The target doesn't know when that version ran, so it can't tell its log from those of others.

    Usual causes: a typing error in the version, a version that never ran there, or one that ran before the host had an
    agent that notes each start (`goferry provision HOST`).
    """

    name = "log-not-kept"


class LogWithoutTimes(Misuse):
    """The target's log files have no times, so nothing can be selected by them.

    Usual causes: `--since` on a local target, whose services write to files as they are. Use `--lines`, or
    `--version`; a service that should have times writes them itself.
    """

    name = "log-without-times"


class LogPart(NamedTuple):
    """What one version wrote in one slot.

    Attributes:
        name: the service as it is shown. slot: its number.
        begin: where it begins. end: where the next one in the slot begins, None while there is none.
    """

    name: str
    version: str
    folder: ServiceFolder
    slot: int
    begin: Begin
    end: Begin | None = None


class PageQuery(NamedTuple):
    """What is read.

    Attributes:
        since: microseconds since the epoch, 0: from the beginning. lines: only the last ones; 0: all.
        after: where the page before ended; empty for the first one.
    """

    since: int = 0
    lines: int = 0
    after: tuple[str, ...] = ()


class PartLine(NamedTuple):
    """One line: the number of its part, microseconds since the epoch (0 where there is no time), and its text."""

    part: int
    at: int
    text: str


class PartPage(NamedTuple):
    """Lines in their order.

    Attributes:
        after: where the next page begins; empty when nothing was read yet. more: whether there was more to read.
    """

    lines: list[PartLine]
    after: tuple[str, ...] = ()
    more: bool = False


def of_slot(folder: ServiceFolder, name: str, number: int) -> LogPart:
    """Return what the version that is in a slot wrote since it was started."""
    slot = slots.read(folder, number)
    return LogPart(name, slot.version if slot else "", folder, number, slots.noted_start(folder, number))


def of_version(folder: ServiceFolder, name: str, version: str) -> list[LogPart]:
    """Return what a version wrote whenever it ran here, the oldest first; nothing when no start of it was noted."""
    found: list[LogPart] = []
    starts = [start for start in map(_start, bounded_lines.read(folder.starts)) if start is not None]
    for at, start in enumerate(starts):
        if start.version != version:
            continue
        begin, end = start.begin, _next(starts[at + 1 :], start.slot)
        before = found[-1] if found else None
        # Started again on another port, or after a crash of its supervisor: still the same part.
        if before is not None and before.slot == start.slot and before.end == begin:
            begin = found.pop().begin
        found.append(LogPart(name, version, folder, start.slot, begin, end))
    live = slots.live(folder)
    slot = slots.read(folder, live)
    if not found and slot is not None and slot.version == version:
        # An older agent started it.
        return [of_slot(folder, name, live)]
    return found


def ended_last(folder: ServiceFolder, name: str) -> list[LogPart]:
    """Return what the versions wrote that ended last, the oldest first: for who follows and has not read their end."""
    starts = [start for start in map(_start, bounded_lines.read(folder.starts, TAIL)) if start is not None]
    parts = [
        LogPart(name, start.version, folder, start.slot, start.begin, _next(starts[at + 1 :], start.slot))
        for at, start in enumerate(starts)
    ]
    return [part for part in parts if part.end is not None or slots.read(folder, part.slot) is None][-ENDED:]


def not_kept(version: str) -> LogNotKept:
    """Return the error of a version of which no start was noted."""
    return LogNotKept(
        f"no start of {printable(version, 80)} was noted here", advice=["which versions ran:  goferry history"]
    )


class _Start(NamedTuple):
    slot: int
    version: str
    begin: Begin


def _start(record: dict[str, object]) -> _Start | None:
    """Read a line of the list; what is none is left out."""
    fields = Fields(record, "a start")
    try:
        return _Start(fields.number("slot"), fields.text("version"), slots.begin_of(fields))
    except (TypeError, ValueError):
        return None


def _next(starts: Sequence[_Start], slot: int) -> Begin | None:
    return next((start.begin for start in starts if start.slot == slot), None)
