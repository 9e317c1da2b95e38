r"""The journal: one file a transaction, one line an event, on the disk before its acts begin.

A line is `<crc32, 8 hex> <canonical JSON>\n`. A torn or damaged tail (power cut) is dropped: the acts of a line that
never reached the disk were never begun. The first line holds the whole transaction, the last one its result.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from goferry.kernel import canonical
from goferry.kernel.files import sync_folder

RESERVE = 1 << 20
"""Bytes that a transaction sets aside when it begins and gives up when it goes back: that must never lack room."""
BACK = ("failed", "abort", "silence", "recover")
KEEP = 20
"""Settled journals that are kept for people to read."""


def encode(record: Dict[str, Any]) -> bytes:
    """Return one line."""
    text = canonical.dumps(record)[:-1]
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode(data: bytes) -> List[Dict[str, Any]]:
    """Return the records up to the first line that is torn or damaged."""
    records: List[Dict[str, Any]] = []
    for line in data.split(b"\n")[:-1]:
        crc, _, text = line.partition(b" ")
        if len(crc) != 8 or crc != b"%08x" % zlib.crc32(text):
            break
        try:
            record = canonical.loads(text)
        except ValueError:
            break
        records.append(record)
    return records


class Journal:
    """One transaction's file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def records(self) -> List[Dict[str, Any]]:
        """Return what is on the disk; empty when there is no file."""
        try:
            return decode(self.path.read_bytes())
        except FileNotFoundError:
            return []

    def append(self, record: Dict[str, Any]) -> None:
        """Add one line and return when it survives a power cut."""
        fresh, reserve = not self.path.exists(), self.path.parent / ".reserve"
        if fresh:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _set_aside(reserve)
        else:
            if record.get("event") in BACK and reserve.exists():
                reserve.unlink()
            self._cut_torn_tail()
        descriptor = os.open(str(self.path), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _write(descriptor, encode(record))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        if fresh:
            for folder in (self.path.parent, self.path.parent.parent, self.path.parent.parent.parent):
                sync_folder(folder)

    def _cut_torn_tail(self) -> None:
        data = self.path.read_bytes()
        whole = sum(len(encode(record)) for record in decode(data))
        if whole != len(data):
            os.truncate(str(self.path), whole)


def _set_aside(path: Path) -> None:
    descriptor = os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, RESERVE)
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def journals(folder: Path) -> Iterator[Journal]:
    """Yield a project's journals, the oldest first."""
    for path in sorted(folder.glob("*.jsonl")):
        yield Journal(path)


def prune(folder: Path) -> None:
    """Remove all but the newest settled journals."""
    paths = sorted(folder.glob("*.jsonl"))
    for path in paths[:-KEEP]:
        path.unlink()


def never_begun(journal: Journal) -> bool:
    """Whether not even the first line reached the disk whole; a damaged one is left for people to read."""
    return b"\n" not in journal.path.read_bytes()


def result(journal: Journal) -> Optional[Dict[str, Any]]:
    """Return the stored result of a settled transaction, else None."""
    records = journal.records()
    if records and records[-1].get("event") == "settled":
        return dict(records[-1].get("result") or {})
    return None
