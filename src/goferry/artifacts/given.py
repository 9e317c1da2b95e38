"""The folder of a release as a person gives it: named as it is typed where they stand, refused where there is none."""

from __future__ import annotations

import glob
import itertools
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from goferry.kernel.errors import printable
from goferry.kernel.refusals import FolderUnreadable

MARKS = ("goferry.json", "SHA256SUMS")
"""Files by which a folder is one of a build or a release."""
_LOOKED_AT, _TOLD = 2000, 3
"""Folders that are looked at for one that may be meant, and those that are shown."""


def typed(path: Path) -> str:
    """Return a path as a person types it in the working folder: relative below that, as a word of a shell."""
    try:
        here = Path.cwd()
        whole = _whole(path)
    except OSError:  # the working folder was removed
        return shlex.quote(str(path))
    return shlex.quote(str(whole.relative_to(here) if whole.is_relative_to(here) else path))


def refuse_absent(folder: Path) -> None:
    """Refuse a folder that is not there; what else keeps one from being read is reported by what opens it.

    Raises:
        FolderUnreadable: it does not exist, or is a file.
    """
    try:
        there, right = folder.exists(), folder.is_dir()
    except OSError:  # a folder above it is closed
        return
    if right:
        return
    shown = printable(str(folder), 300)
    raise FolderUnreadable(
        f"{shown} is a file, not the folder of a release" if there else f"there is no folder {shown}",
        advice=[
            *(f"did you mean {typed(each)}?" for each in itertools.islice(likely(folder), _TOLD)),
            f"make it:  goferry build --out {typed(folder)}",
            f"then seal it:  goferry sign {typed(folder)} --openpgp-key FILE",
        ],
    )


def likely(folder: Path) -> Iterator[Path]:
    """Yield folders of builds and releases that may be meant: of a near name, then those of projects in folders."""
    import difflib  # which no command needs that finds its folder

    beside = _folders(folder.parent, "*")
    near = difflib.get_close_matches(folder.name, [each.name for each in beside], n=_TOLD)
    below = (*_folders(folder.parent, f"*/{glob.escape(folder.name)}"), *_folders(Path(), "*/dist"))
    seen: dict[Path, Path] = {}
    for each in (*(folder.parent / name for name in near), *below):
        seen.setdefault(_whole(each), each)
    yield from (each for each in seen.values() if any((each / mark).is_file() for mark in MARKS))


def _whole(path: Path) -> Path:
    """Return the path without `..`; a link stays as it was typed."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _folders(parent: Path, pattern: str) -> list[Path]:
    try:
        found = itertools.islice(parent.glob(pattern), _LOOKED_AT)
        return sorted(each for each in found if not each.parent.name.startswith(".") and each.is_dir())
    except (OSError, ValueError):
        return []
