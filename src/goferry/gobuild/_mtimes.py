"""Times of the files that git keeps, derived from their content, so that results of tests survive a new checkout.

Go keys a test's result on what the test opened: of a file its size and its time, of a folder those of what lies in it
(cmd/go/internal/test/test.go, hashOpen). A checkout gives every file the time of now, so tests that read testdata would
never find their result. The time that a file gets here hangs on what lies in it alone: the same content has the same
time, and a change of the same length another. What git keeps for it does not count: filters, line ends and files at
which git was told not to look are what they are in the work tree. A folder's time hangs on the names in it.

The source of packages keeps the time of its checkout. Go indexes a package's folder by names, sizes and times, and
believes an index where those are the same (cmd/go/internal/modindex/read.go, dirHash): imports and build constraints of
another content would be those of an earlier one, should two contents ever share size and time. Go compiles by content,
so such a file costs nothing; only a test that opens it runs again. Go believes no time of the last seconds, so the
times lie in the past.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from goferry.gobuild._index import SOURCES

_FIRST = 315_532_800 * 10**9
"""The year 1980, in nanoseconds since 1970; file systems know none before."""
_BITS = 60
"""How much of a digest a time holds, in nanoseconds: 36 years. Where a file system keeps whole seconds, 30 of it."""
_DEEPEST = 100
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Tree = dict[str, "Tree | None"]


def derive(root: Path, names: Iterable[str]) -> dict[str, int]:
    """Set the times of files, links, and the folders that they lie in; return the times of files and links.

    Args:
        root: the work tree's top.
        names: paths relative to it, with slashes, of what git keeps.

    No link is followed, and a file that has a second name elsewhere is left alone. What can't be given a time keeps its
    own: a result is not found then, nothing else.
    """
    try:
        top = os.open(root, _OPEN | os.O_DIRECTORY)
    except OSError:
        return {}
    try:
        return dict(_folder(top, _tree(names)))
    finally:
        os.close(top)


def moment(digest: bytes) -> int:
    """Return the time of a digest, in nanoseconds since 1970."""
    return _FIRST + (int.from_bytes(digest[:8]) >> (64 - _BITS))


def _tree(names: Iterable[str]) -> Tree:
    top: Tree = {}
    for name in names:
        parts = name.split("/")
        if len(parts) > _DEEPEST or not {"", ".", "..", ".git"}.isdisjoint(parts):
            continue
        *above, last = parts
        at = top
        for part in above:
            inner = at.setdefault(part, {})
            if inner is None:
                break
            at = inner
        else:
            if _is_data(above, last):
                at[last] = None
    return top


def _is_data(above: list[str], name: str) -> bool:
    """Tell whether Go looks for no package's source there (go help packages)."""
    skipped = any(part == "testdata" or part.startswith(("_", ".")) for part in above)
    return skipped or not name.endswith(SOURCES)


def _folder(fd: int, tree: Tree, above: str = "") -> Iterator[tuple[str, int]]:
    for name, below in tree.items():
        with contextlib.suppress(OSError, NotImplementedError):
            if below is None:
                if time := _file(fd, name):
                    yield above + name, time
                continue
            inner = os.open(name, _OPEN | os.O_DIRECTORY, dir_fd=fd)
            try:
                yield from _folder(inner, below, f"{above}{name}/")
            finally:
                os.close(inner)
    with contextlib.suppress(OSError):
        time = moment(hashlib.sha256(os.fsencode("\0".join(sorted(os.listdir(fd))))).digest())
        os.utime(fd, ns=(time, time))


def _file(fd: int, name: str) -> int:
    found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        time = moment(hashlib.sha256(os.fsencode(os.readlink(name, dir_fd=fd))).digest())
        os.utime(name, ns=(time, time), dir_fd=fd, follow_symlinks=False)
        return time
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        return 0
    with os.fdopen(os.open(name, _OPEN, dir_fd=fd), "rb") as file:
        time = moment(hashlib.file_digest(file, "sha256").digest())
        os.utime(file.fileno(), ns=(time, time))
    return time
