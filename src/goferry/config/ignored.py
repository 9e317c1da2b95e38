"""The lines of .gitignore for what builds write: a `dist/` in the folder of each project."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

_ANYWHERE = frozenset({"dist", "dist/", "**/dist", "**/dist/"})
"""Lines that name a dist/ in every folder below."""
_HERE = _ANYWHERE | {"/dist", "/dist/"}


def ignore(directory: Path, folders: Sequence[str] = (".",), *, dry_run: bool = False) -> list[str]:
    """Add a line for each project's dist/ to the .gitignore of a git work tree; return the lines that were missing.

    `folders` are the projects', from `directory`. A line that names the folder already, there, above or in the
    project's own folder, is enough.
    """
    if not any((folder / ".git").exists() for folder in (directory.resolve(), *directory.resolve().parents)):
        return []
    path = directory / ".gitignore"
    if path.is_symlink() or (path.exists() and not path.is_file()):
        return []
    wanted = [each for each in dict.fromkeys(posixpath.normpath(folder) for folder in folders) if _nameable(each)]
    missing = [_line(folder) for folder in wanted if not _covered(directory, folder)]
    if missing and not dry_run:
        text = _read(path)
        with path.open("a", encoding="utf-8") as file:
            file.write(("\n" if text and not text.endswith("\n") else "") + "".join(f"{line}\n" for line in missing))
    return missing


def _nameable(folder: str) -> bool:
    """Whether the folder lies below, and a line can name it."""
    return not folder.startswith(("/", "..")) and folder.isprintable()


def _line(folder: str) -> str:
    return "/dist/" if folder == "." else "/" + re.sub(r"([*?[\\])", r"\\\1", folder) + "/dist/"


def _covered(directory: Path, folder: str) -> bool:
    line = _line(folder).rstrip("/")
    own = _HERE if folder == "." else {line, line[1:], f"{line}/", f"{line[1:]}/"}
    if (_ANYWHERE | own) & _lines(directory):
        return True
    if folder != "." and _HERE & _lines(directory / folder):
        return True
    return any(_ANYWHERE & _lines(above) for above in _above(directory.resolve()))


def _above(directory: Path) -> Iterator[Path]:
    """Yield the folders above, up to the work tree's top."""
    for folder in (directory, *directory.parents):
        if folder != directory:
            yield folder
        if (folder / ".git").exists():
            return


def _lines(folder: Path) -> set[str]:
    return {line.strip() for line in _read(folder / ".gitignore").splitlines()}


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "surrogateescape")
    except OSError:
        return ""
