"""A page of what versions wrote, from a local target's log files: one service after the other, as lines have no time.

The place where a page ends is a file, by its inode, and how far it was read: supervisord renames a log that is full.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from goferry.host.journald import LONGEST
from goferry.host.log_parts import LogPart, LogWithoutTimes, PageQuery, PartLine, PartPage
from goferry.host.slots import Begin
from goferry.kernel import frames

MOST, ROOM = 2000, frames.MAX_HEADER // 2
"""Lines of one page, and bytes of them as JSON."""
MARK = 32
"""Bytes before a place by which its file is known again."""
MAX_LOG = 4 << 20
"""Bytes that are read of one file; supervisord begins a new one after one megabyte."""
_LINE = re.compile(rb"[^\n]*\n")
"""A line; what has no line feed yet is still being written."""
_AFTER = re.compile(r"([0-9]{1,20}):([0-9]{1,20}):((?:[0-9a-f]{2}){0,64})")


class _File(NamedTuple):
    """A file of a slot's log, and from where to where it is read."""

    inode: int
    data: bytes
    first: int
    stop: int

    @property
    def text(self) -> bytes:
        """What is read of it."""
        return self.data[self.first : self.stop]

    def place(self, offset: int) -> str:
        """Return how a place in it is written: the inode, the offset, and how it ends there."""
        return f"{self.inode}:{offset}:{self.data[max(0, offset - MARK) : offset].hex()}"

    def has(self, inode: int | None, offset: int, mark: str) -> bool:
        """Whether a place is in it; a later file may have the inode of one that is gone."""
        known = self.inode == inode and 0 <= offset <= len(self.data)
        ends = self.data[max(0, offset - len(mark) // 2) : offset]
        return known and ends.hex() == mark


def read(parts: Sequence[LogPart], query: PageQuery) -> PartPage:
    """Return the next page.

    Raises:
        LogWithoutTimes: when lines are to be selected by their time.
    """
    if query.since:
        raise LogWithoutTimes(
            "lines of a local target's logs have no time", advice=["say how many:  --lines N", "or whose:  --version"]
        )
    lines: list[PartLine] = []
    after: dict[int, str] = {}
    room, more = ROOM, False
    for number, part in enumerate(parts):
        files = _behind(_window(part), query.after)
        skip = _all_but_last(files, query.lines) if query.lines and not query.after else 0
        for file in files:
            full, at = more, file.first
            for data in _LINE.findall(file.text):
                skip -= 1
                if skip < 0:
                    if room < 0 or len(lines) >= MOST:
                        more = True
                        break
                    text = data.decode("utf-8", "replace").rstrip("\r\n")[:LONGEST]
                    room -= len(json.dumps(text)) + 30
                    lines.append(PartLine(number, 0, text))
                at += len(data)
            # Several versions may have written to a file; what a full page lacks of an earlier one comes first.
            if not (full and file.inode in after):
                after[file.inode] = file.place(at)
            if more:
                break
    return PartPage(lines, tuple(after.values()), more)


def _window(part: LogPart) -> list[_File]:
    """Return the files of a part, cut to what is its own, the oldest first."""
    current = part.folder.log_file(part.slot)
    files = [file for path in (current.with_name(current.name + ".1"), current) for file in _read(path)]
    first = _newest(files, part.begin)
    # Where its beginning was rotated away, what is left of it begins with the oldest file.
    last = len(files) - 1 if part.end is None else _newest(files, part.end)
    if part.end is not None and last >= 0:
        files[last] = files[last]._replace(stop=part.end.offset or 0)
    if first >= 0:
        files[first] = files[first]._replace(first=part.begin.offset or 0)
    return files[max(0, first) : last + 1]


def _newest(files: Sequence[_File], noted: Begin) -> int:
    """Return the number of the file that was noted, -1 when it is gone."""
    found = [number for number, file in enumerate(files) if file.has(noted.inode, noted.offset or 0, noted.mark or "")]
    return found[-1] if found else -1


def _read(path: Path) -> list[_File]:
    with contextlib.suppress(OSError), open(str(path), "rb") as file:
        data = file.read(MAX_LOG)
        return [_File(os.fstat(file.fileno()).st_ino, data, 0, len(data))]
    return []


def _behind(files: list[_File], after: Sequence[str]) -> list[_File]:
    """Return what lies behind the place that was read to last; all of it when the file of that is gone."""
    places = [(int(each[1]), int(each[2]), each[3]) for each in map(_AFTER.fullmatch, after) if each]
    for number in reversed(range(len(files))):
        for inode, offset, mark in places:
            if files[number].has(inode, offset, mark):
                return [files[number]._replace(first=max(files[number].first, offset)), *files[number + 1 :]]
    return files


def _all_but_last(files: Sequence[_File], lines: int) -> int:
    return max(0, sum(file.text.count(b"\n") for file in files) - lines)
