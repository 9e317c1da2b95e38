r"""A file of lines, in the journal's form, that loses its oldest when it grows too large.

It is for what can be missed or made again: a line is added without waiting for the disk. A line that a power cut tore
is skipped, wherever it stands, and what is written next begins a line of its own.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from goferry.host import journal
from goferry.kernel.files import write_atomically


def append(path: Path, record: dict[str, object], most: int) -> None:
    """Add a record; a file of more than `most` bytes keeps the newest half of them.

    Raises:
        OSError: when it can't be written. ValueError: when the record is not JSON's.
    """
    data = journal.encode(record)
    descriptor = os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        written = os.write(descriptor, (b"\n" if torn else b"") + data)
    finally:
        os.close(descriptor)
    if size + written > most:
        write_atomically(path, _newest(path.read_bytes(), most // 2), 0o600)


def _newest(data: bytes, room: int) -> bytes:
    """Return the last whole lines that fit."""
    return data if len(data) <= room else data[-room:].partition(b"\n")[2]


def read(path: Path, tail: int = 0) -> list[dict[str, object]]:
    """Return the records, the oldest first; of the last `tail` bytes alone where that is given."""
    found: list[dict[str, object]] = []
    with contextlib.suppress(FileNotFoundError), open(str(path), "rb") as file:
        if tail:
            file.seek(max(0, file.seek(0, os.SEEK_END) - tail))
        for line in file.read().split(b"\n")[:-1]:
            # One by one: `decode` stops at a line that is damaged, and those behind it are good.
            found += journal.decode(line + b"\n")
    return found
