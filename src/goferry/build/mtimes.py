"""Times of the files that git keeps, derived from their content, so that results of tests survive a new checkout.

Go keys a test's result on what the test opened: of a file its size and its time, of a folder those of what lies in it
(cmd/go/internal/test/test.go, hashOpen). A checkout gives every file the time of now, so tests that read testdata would
never find their result. The time that a file gets here hangs on its blob alone: the same content has the same time, and
a change of the same length another. What git finds changed keeps its own time, and so does what holds a file that git
does not keep. Go believes no time of the last seconds, so these lie in the past.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection

from goferry.build.index import Index

_FIRST = 1_000_000_000
"""September 2001, in seconds since 1970."""
_RANGE = 1 << 28
"""Seconds after that: until March 2010."""


def derive(index: Index, changed: Collection[str]) -> int:
    """Set the times of the files that git keeps and of the folders that hold no others; return how many files.

    Args:
        index: what git keeps.
        changed: paths, relative to the root, of what differs from the index or is not in it.

    Files that can't be given a time keep theirs: a result is not found then, nothing else.
    """
    done: dict[str, str] = {}
    for name, entry in index.entries.items():
        if name not in changed and not entry.unseen and not entry.is_link and _set(index, name, entry.blob):
            done[name] = entry.blob
    for folder, below in sorted(_folders(index).items(), key=lambda item: -item[0].count("/")):
        names = {name for name in below if name in done}
        if names == below == _held(index, folder):
            done[folder] = hashlib.sha256(
                "\n".join(f"{done[name]} {name}" for name in sorted(below)).encode()
            ).hexdigest()
            _set(index, folder, done[folder])
    return sum(name in index.entries for name in done)


def _set(index: Index, name: str, digest: str) -> bool:
    path = index.root / name
    try:
        if not stat.S_ISREG(mode := path.lstat().st_mode) and not stat.S_ISDIR(mode):
            return False
        moment = _FIRST + int(digest[:7], 16) % _RANGE
        os.utime(path, (moment, moment))
    except OSError:
        return False
    return True


def _folders(index: Index) -> dict[str, set[str]]:
    """Return folder → what git keeps right in it; the root is left out."""
    found: dict[str, set[str]] = {}
    for name in index.entries:
        while (folder := name.rpartition("/")[0]) and name not in found.get(folder, ()):
            found.setdefault(folder, set()).add(name)
            name = folder  # noqa: PLW2901  on to the folder above
    return found


def _held(index: Index, folder: str) -> set[str]:
    """Return what lies right in a folder."""
    try:
        return {f"{folder}/{path.name}" for path in (index.root / folder).iterdir()}
    except OSError:
        return set()
