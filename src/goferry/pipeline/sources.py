"""One digest for all source that a build can read: the key by which `up` knows that nothing changed.

Git alone can't tell: a generated file that git ignores may be embedded, and a work tree may be dirty. So every regular
file below the project's folder counts, by its path, mode and bytes, and so do local replacements that lie elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from goferry.kernel.files import sha256_file

_NOT_SOURCE = frozenset({".git", ".hg", ".svn", ".goferry", ".demo", "node_modules"})
_REPLACED = re.compile(r'=>\s+"?(\.{1,2}/[^\s"]*|/[^\s"]*|\.\.?)"?\s*$', re.MULTILINE)


def digest(directory: Path, *, without: Iterable[Path] = ()) -> str:
    """Return the SHA-256 over the project's source.

    Args:
        directory: the project's folder, with its go.mod or go.work.
        without: files and folders that don't count: what the run itself writes.
    """
    total = hashlib.sha256()
    skipped = frozenset(path.resolve() for path in without)
    for number, folder in enumerate(folders(directory.resolve())):
        for path in _files(folder, skipped):
            name = path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape")
            total.update(b"%d %d %b\0%b\n" % (number, len(name), name, _content(path).encode()))
    return total.hexdigest()


def folders(directory: Path) -> list[Path]:
    """Return the project's folder, the go.work that governs it, and local replacements outside of it."""
    found = [directory]
    work = next((up / "go.work" for up in directory.parents if (up / "go.work").is_file()), None)
    if work and not (directory / "go.work").is_file():
        found.append(work)
    for module in [
        directory / "go.mod",
        directory / "go.work",
        *directory.glob("*/go.mod"),
        *directory.glob("*/*/go.mod"),
    ]:
        if module.is_file():
            for target in _REPLACED.findall(module.read_text("utf-8", "replace")):
                path = (module.parent / target).resolve()
                if path.is_dir() and not path.is_relative_to(directory) and path not in found:
                    found.append(path)
    return found


def _files(folder: Path, skipped: frozenset[Path]) -> Iterator[Path]:
    """Yield the files below `folder` in one order on every machine; links are yielded, not followed."""
    if folder.is_file():
        yield folder
        return
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _NOT_SOURCE and path not in skipped:
                yield from _files(path, skipped)
        elif path not in skipped and (entry.is_file(follow_symlinks=False) or entry.is_symlink()):
            yield path


def _content(path: Path) -> str:
    if path.is_symlink():
        return "link " + os.fsencode(path.readlink()).hex()
    executable = "x" if path.stat().st_mode & 0o111 else "-"
    return f"{executable} {sha256_file(path)}"
