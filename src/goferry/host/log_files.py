"""A page of what versions wrote, from a local target's log files: one service after the other, as lines have no time.

The place where a page ends is a file, by its inode, and how far it was read: supervisord renames a log that is full.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from goferry.host.journald import LONGEST
from goferry.host.log_parts import LogPart, LogWithoutTimes, PageQuery, PartLine, PartPage
from goferry.host.slots import Begin
from goferry.kernel import frames

MOST, ROOM = 2000, frames.MAX_HEADER // 2
"""Lines of one page, and bytes of them as JSON."""
MAX_LOG = 4 << 20
"""Bytes that are read of one file; supervisord begins a new one after one megabyte."""
_LINE = re.compile(rb"[^\n]*\n")
"""A line; what has no line feed yet is still being written."""
_AFTER = re.compile(r"([0-9]{1,20}):([0-9]{1,20})")


class _File(NamedTuple):
    """A file of a slot's log: its bytes from `first` on."""

    inode: int
    first: int
    data: bytes


def read(parts: Sequence[LogPart], query: PageQuery) -> PartPage:
    """Return the next page.

    Raises:
        LogWithoutTimes: when lines are to be selected by their time.
    """
    if query.since:
        raise LogWithoutTimes(
            "lines of a local target's logs have no time", advice=["say how many:  --lines N", "or whose:  --version"]
        )
    places = _places(query.after)
    lines: list[PartLine] = []
    after: dict[int, int] = {}
    room, more = ROOM, False
    for number, part in enumerate(parts):
        files = _since(_window(part), places)
        skip = _all_but_last(files, query.lines) if query.lines and not query.after else 0
        for file in files:
            at = file.first
            for data in _LINE.findall(file.data):
                skip -= 1
                if skip < 0:
                    if room < 0 or len(lines) >= MOST:
                        more = True
                        break
                    text = data.decode("utf-8", "replace").rstrip("\r\n")[:LONGEST]
                    room -= len(json.dumps(text)) + 30
                    lines.append(PartLine(number, 0, text))
                at += len(data)
            after[file.inode] = at
            if more:
                break
    return PartPage(lines, tuple(f"{inode}:{offset}" for inode, offset in after.items()), more)


def _places(after: Sequence[str]) -> dict[int, int]:
    """Return inode → how far its file was read."""
    found = [_AFTER.fullmatch(text) for text in after]
    return {int(each[1]): int(each[2]) for each in found if each}


def _window(part: LogPart) -> list[_File]:
    """Return the files of a part, cut to what is its own, the oldest first."""
    current = part.folder.log_file(part.slot)
    files = [file for path in (current.with_name(current.name + ".1"), current) for file in _read(path)]
    first = next((number for number in reversed(range(len(files))) if _is(files[number], part.begin)), -1)
    # Where its beginning was rotated away, what is left of it begins with the oldest file.
    last, stop = len(files) - 1, -1
    if part.end is not None:
        last = next((number for number in reversed(range(len(files))) if _is(files[number], part.end)), -1)
        stop = part.end.offset or 0
    found = files[max(0, first) : last + 1]
    if stop >= 0 and found:
        found[-1] = found[-1]._replace(data=found[-1].data[:stop])
    if first >= 0 and found:
        found[0] = _from(found[0], part.begin.offset or 0)
    return found


def _read(path: Path) -> list[_File]:
    with contextlib.suppress(OSError), open(str(path), "rb") as file:
        return [_File(os.fstat(file.fileno()).st_ino, 0, file.read(MAX_LOG))]
    return []


def _is(file: _File, noted: Begin) -> bool:
    """Whether it is the file that was noted; a later one may have its inode."""
    offset, mark = noted.offset or 0, bytes.fromhex(noted.mark or "")
    known = file.inode == noted.inode and 0 <= offset <= len(file.data)
    return known and file.data[max(0, offset - len(mark)) : offset] == mark


def _from(file: _File, offset: int) -> _File:
    return file._replace(first=offset, data=file.data[offset - file.first :])


def _since(files: list[_File], places: Mapping[int, int]) -> list[_File]:
    """Return what lies behind the place that was read to last; all of it when the file of that is gone."""
    for number in reversed(range(len(files))):
        file = files[number]
        offset = places.get(file.inode, -1)
        if file.first <= offset <= file.first + len(file.data):
            return [_from(file, offset), *files[number + 1 :]]
    return files


def _all_but_last(files: Sequence[_File], lines: int) -> int:
    return max(0, sum(file.data.count(b"\n") for file in files) - lines)
