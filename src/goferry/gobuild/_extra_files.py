"""The files that go into every archive beside the programs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from goferry.kernel.errors import Misuse

_LICENSES = ("LICENSE", "LICENCE", "COPYING", "NOTICE")
_TAKEN = (*_LICENSES, "README")


class ArchiveFileInvalid(Misuse):
    """`builds.files` names a file that can't go into an archive.

    Usual causes: the file does not exist, is a link, lies outside the project's folder, or has the name of a program.
    """

    name = "archive-file-invalid"


def find(directory: Path, root: Path, more: Sequence[str]) -> tuple[str, ...]:
    """Return license, read-me and the files that `builds.files` names, relative to `directory`, with slashes.

    A project in a subfolder without a license takes the one of the repository's top.

    Raises:
        ArchiveFileInvalid: for a name that is not a regular file below `directory`.
    """
    names = _named(directory, _TAKEN, root)
    if directory != root and not _named(directory, _LICENSES, root):
        names += [
            os.path.relpath(root / name, directory).replace(os.sep, "/") for name in _named(root, _LICENSES, root)
        ]
    return tuple(sorted({*names, *(_checked(directory, text) for text in more)}))


def left_out(directory: Path, root: Path) -> tuple[str, ...]:
    """Return a sentence for each license or read-me that no archive gets: a link that leads out, or to no file."""
    links = [entry for folder in {directory, root} for entry in folder.iterdir() if entry.is_symlink()]
    odd = [entry for entry in links if _stem(entry.name) in _TAKEN and not (entry.is_file() and _within(entry, root))]
    return tuple(
        f"{entry.name} is a link out of the repository or to no file, so no archive has it: put the file in its place"
        for entry in sorted(odd)
    )


def _named(folder: Path, stems: Sequence[str], top: Path) -> list[str]:
    return [e.name for e in folder.iterdir() if _stem(e.name) in stems and e.is_file() and _within(e, top)]


def _stem(name: str) -> str:
    return name.upper().split(".")[0].split("-")[0]


def _within(path: Path, top: Path) -> bool:
    """Tell whether a file is of the repository, also by a link; what is read through one that leaves it is not."""
    return path.resolve().is_relative_to(top.resolve())


def _checked(directory: Path, text: str) -> str:
    path = directory / text
    inside = path.resolve().is_relative_to(directory) and not Path(text).is_absolute()
    if not inside or path.is_symlink() or not path.is_file():
        raise ArchiveFileInvalid(
            f"builds.files names {text!r}, which is not a regular file in {directory}",
            state="Nothing was built.",
            advice=["write a path relative to the project's folder"],
        )
    return os.path.relpath(path.resolve(), directory).replace(os.sep, "/")
