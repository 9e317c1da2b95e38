"""Go's build cache as it lies on disk, and which of its entries a piece of work used.

    xx/<64 hex>-a    of an action: "v1 <action> <output> <size> <nanoseconds>", its name is the action's hash
    xx/<64 hex>-d    an output: its name is the SHA-256 of its bytes

(cmd/go/internal/cache/cache.go.) Go sets an entry's time when it uses it, but only if that is more than an hour old. So
entries are aged before the work; those with a new time afterwards are the ones that it used, and nothing else is.
Programs that Go keeps as folders are left out: `go tool` makes them anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

NAME = r"([0-9a-f]{2})/\1[0-9a-f]{62}-[ad]"
AGED = 2 * 3600
"""Seconds by which entries are aged: more than the hour in which Go leaves a time alone, less than the days after which
it trims (cache.go, mtimeInterval and trimLimit)."""
_YOUNG = 3600 + 300
_LONGEST = 200
_ACTION = rb"v1 ([0-9a-f]{64}) ([0-9a-f]{64}) {0,20}\d{1,20} {0,20}\d{1,20}\n"


def age(folder: Path) -> None:
    """Set the time of every entry that was used lately back, so that a use shows."""
    now = time.time()
    for name, modified in _entries(folder):
        if modified > now - _YOUNG:
            with contextlib.suppress(OSError):
                os.utime(folder / name, (now - AGED, now - AGED))


def used(folder: Path) -> tuple[str, ...]:
    """Return the names of the entries that were used since they were aged, in order."""
    since = time.time() - _YOUNG
    return tuple(sorted(name for name, modified in _entries(folder) if modified > since))


def genuine(name: str, data: memoryview) -> bool:
    """Whether an entry is one that Go could have written: an output has its hash, an action's entry names itself.

    Of an action this says nothing of whether its output is the right one: only who wrote it can be believed, or not.
    """
    if name.endswith("-d"):
        return hashlib.sha256(data).hexdigest() == name[3:-2]
    match = re.fullmatch(_ACTION, bytes(data)) if len(data) <= _LONGEST else None
    return match is not None and match[1].decode() == name[3:-2]


def compiled(folder: Path, names: Iterable[str]) -> frozenset[str]:
    """Return what of the names is not an index of a package's imports, nor leads to one.

    An index of the project's own packages is made for one folder and one time of checkout (cmd/go/internal/modindex):
    no other job finds it.
    """
    return frozenset(name for name in names if not _head(folder, _output(folder, name)).startswith(b"go index v"))


def _output(folder: Path, name: str) -> str:
    """Return the name of the output to which an action's entry leads; an output is its own."""
    match = re.fullmatch(_ACTION, _head(folder, name)) if name.endswith("-a") else None
    output = match[2].decode() if match else name[3:-2]
    return f"{output[:2]}/{output}-d"


def _head(folder: Path, name: str) -> bytes:
    try:
        with (folder / name).open("rb", buffering=0) as file:
            return file.read(_LONGEST)
    except OSError:
        return b""


def _entries(folder: Path) -> Iterator[tuple[str, float]]:
    """Yield name and time of modification of each."""
    for number in range(256):
        try:
            with os.scandir(folder / f"{number:02x}") as found:
                for entry in found:
                    name = f"{number:02x}/{entry.name}"
                    if re.fullmatch(NAME, name):
                        with contextlib.suppress(OSError):
                            held = entry.stat(follow_symlinks=False)
                            if stat.S_ISREG(held.st_mode):
                                yield name, held.st_mtime
        except FileNotFoundError:
            continue
