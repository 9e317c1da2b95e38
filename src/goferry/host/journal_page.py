"""A page of what versions wrote, from systemd's journal: one `journalctl` for all of them, in the order of its entries.

The place where a page ends is journalctl's cursor, which is good however many entries were left out.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Callable

from goferry.host.journald import LONGEST, JournalEntry
from goferry.host.log_parts import LogPart, PageQuery, PartLine, PartPage
from goferry.kernel import frames

MOST, ROOM = 2000, frames.MAX_HEADER // 2
"""Lines of one page, and bytes of them as JSON."""
SECONDS = 1.5
"""Seconds after which a page ends with what it has; journalctl has a little more (host.systemd)."""
_CURSOR = re.compile("[A-Za-z0-9=;_-]{1,500}")
_INVOCATION = re.compile("[0-9a-f]{32}")


def read(
    parts: Sequence[LogPart],
    units: Sequence[str],
    invocations: Mapping[str, str],
    query: PageQuery,
    stream: Callable[[Sequence[str]], Iterable[bytes]],
) -> PartPage:
    """Return the next page.

    Args:
        parts: what is read.
        units: each part's.
        invocations: of units whose start was not noted; only what these wrote is theirs.
        query: which lines.
        stream: yields what journalctl writes for the words that it is given.
    """
    if not parts:
        return PartPage([])
    lines: list[PartLine] = []
    cursor, room, more = "", ROOM, False
    until = time.monotonic() + SECONDS
    for data in stream(_words(parts, units, query)):
        entry = JournalEntry.of(data)
        part = _part(parts, units, invocations, entry)
        if part >= 0:
            for text in _fitting(entry):
                lines.append(PartLine(part, entry.stamp, text))
                room -= len(json.dumps(text)) + 30
        cursor = entry.cursor or cursor
        # After a whole entry: a cursor names no line in one.
        if room < 0 or len(lines) >= MOST or time.monotonic() > until:
            more = True
            break
    # journalctl that was slow may have been ended (host.systemd) before it had written all, or anything.
    more = more or time.monotonic() > until
    after = (cursor,) if _CURSOR.fullmatch(cursor) else query.after
    return PartPage(lines, after, more)


def _words(parts: Sequence[LogPart], units: Sequence[str], query: PageQuery) -> list[str]:
    matches = ["_SYSTEMD_UNIT=" + unit for unit in sorted(set(units))]
    if query.after and _CURSOR.fullmatch(query.after[0]):
        return [f"--after-cursor={query.after[0]}", *matches]
    since = max(query.since, min(part.begin.since or 0 for part in parts))
    times = [f"--since=@{since // 1_000_000}.{since % 1_000_000:06}"] if since else []
    ends = [part.end.since for part in parts if part.end is not None and part.end.since]
    if len(ends) == len(parts):
        # journalctl takes whole entries up to this time; what is later in it is left out below.
        times.append(f"--until=@{max(ends) // 1_000_000 + 1}")
    return [*times, *([f"--lines={query.lines}"] if query.lines else []), *matches]


def _part(parts: Sequence[LogPart], units: Sequence[str], invocations: Mapping[str, str], entry: JournalEntry) -> int:
    """Return the number of the part to which an entry belongs, -1 for none."""
    for number, (part, unit) in enumerate(zip(parts, units)):
        begin, end = part.begin, part.end
        if unit != entry.unit:
            continue
        if begin.since is None:
            if entry.invocation == invocations.get(unit) and _INVOCATION.fullmatch(entry.invocation):
                return number
            continue
        # What the invocation before left in the pipe comes later than the start of this one.
        late = begin.before and entry.invocation == begin.before
        if begin.since <= entry.stamp and not late and (end is None or entry.stamp < (end.since or 0)):
            return number
        if end is not None and end.before and entry.invocation == end.before and entry.stamp >= (end.since or 0):
            return number
    return -1


def _fitting(entry: JournalEntry) -> list[str]:
    """Return an entry's lines, as many as one page can hold."""
    found: list[str] = []
    room = ROOM
    for line in entry.message.splitlines():
        text = line[:LONGEST]
        room -= len(json.dumps(text)) + 30
        if room < 0:
            return [*found, "…"]
        found.append(text)
    return found
