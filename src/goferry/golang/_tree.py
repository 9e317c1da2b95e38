"""A toolchain's folder: what makes it runnable after extraction, and how its files are held to the proof later.

After the proof, in the order of cmd/go/internal/toolchain/select.go: execute bits for pkg/tool, the lib/go_*_exec
scripts, bin/gofmt and at last bin/go; each `_go.mod` is copied to `go.mod`, src/go.mod last.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from goferry.kernel.files import sha256_file

_UNREAD = frozenset({"api", "doc", "misc", "src/cmd", "test"})
"""Folders of a toolchain that no build and no test reads."""
_SHARE = 200
"""Files that a thread hashes at once: a future for each of eleven thousand costs more than hashing them."""


def finish(folder: Path) -> None:
    """Make an extracted and proven toolchain runnable."""
    for path in _walk(folder / "pkg" / "tool"):
        _allow(path)
    for path in _walk(folder / "lib"):
        if fnmatch.fnmatchcase(path.name, "go_?*_?*_exec"):
            _allow(path)
    programs = sorted(_walk(folder / "bin"), key=lambda path: path.stem == "go")
    for path in programs:
        _allow(path)
    modules = sorted(
        (path for path in _walk(folder) if path.name == "_go.mod"), key=lambda path: path.parent == folder / "src"
    )
    for path in modules:
        shutil.copyfile(path, path.with_name("go.mod"))
        path.with_name("go.mod").chmod(0o644)


def _allow(path: Path) -> None:
    path.chmod(0o755)


def _walk(folder: Path) -> Iterator[Path]:
    for base, _, names in os.walk(folder):
        for name in names:
            yield Path(base, name)


class TreeSurvey(Struct, frozen=True):
    """What every file of a toolchain looks like.

    Attributes:
        files: a digest over path, size, mode, inode, and times of change (content and inode) of each.
        roots: whether root alone can write to any of them, and to the folders that hold them.
    """

    files: str
    roots: bool


def of_root(state: os.stat_result) -> bool:
    """Whether root alone can write to a file or folder."""
    return state.st_uid == 0 and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def survey(folder: Path) -> TreeSurvey:
    """Look at every file that a build reads, and read none.

    It is the cheap check that nothing was touched since the files were hashed: some hundredths of a second. Programs
    cannot set a file's inode time, so a changed file shows.
    Go's own tests with their data, and the source of the go command itself, are a good two thirds of the files; no
    build reads them, and they are not looked at.
    """
    lines: list[str] = []
    roots = True
    pending = [("", str(folder))]
    while pending:
        inner, outer = pending.pop()
        opened = os.open(outer, os.O_RDONLY | os.O_DIRECTORY)
        try:
            roots = roots and of_root(os.fstat(opened))
            with os.scandir(opened) as entries:  # by its descriptor: each file is looked up from its folder alone
                for entry in entries:
                    name = entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if name != "testdata" and inner + name not in _UNREAD:
                            pending.append((f"{inner}{name}/", f"{outer}/{name}"))
                    elif not name.endswith("_test.go"):
                        seen = entry.stat(follow_symlinks=False)
                        roots = roots and of_root(seen)
                        identity = seen.st_size, seen.st_mode, seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns
                        lines.append(f"{inner}{name}\0{identity}\n")
        finally:
            os.close(opened)
    digest = hashlib.sha256("".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()
    return TreeSurvey(digest, roots)


def hash_folder(folder: Path, prefix: str, workers: int = 2) -> str:
    """Return the module's h1 computed from an installed toolchain's files; a link or special file spoils it.

    The copies `go.mod` that `finish` made are left out where they equal their `_go.mod`.
    """
    from concurrent.futures import ThreadPoolExecutor

    from goferry.golang._modzip import h1

    names = _regular(str(folder))
    if names is None:
        return ""
    shares = [names[start : start + _SHARE] for start in range(0, len(names), _SHARE)]
    with ThreadPoolExecutor(max_workers=workers) as pool:
        hashed = pool.map(lambda share: [(name, sha256_file(f"{folder}/{name}")) for name in share], shares)
        digests = dict(each for share in hashed for each in share)
    copies = {name for name, digest in digests.items() if digests.get(_original(name)) == digest}
    return h1({prefix + name: digest for name, digest in digests.items() if name not in copies})


def _original(name: str) -> str:
    """Return of what a file is the copy if it is one."""
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}_go.mod" if last == "go.mod" else ""


def _regular(root: str) -> list[str] | None:
    """Return every file below a folder; None when anything there is neither a file nor a folder, such as a link."""
    names: list[str] = []
    pending = [""]
    while pending:
        inner = pending.pop()
        with os.scandir(f"{root}/{inner}") as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(f"{inner}{entry.name}/")
                elif entry.is_file(follow_symlinks=False):
                    names.append(inner + entry.name)
                else:
                    return None
    return names
