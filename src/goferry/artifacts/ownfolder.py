"""`.goferry/`: what Goferry keeps in a repository beside dist/. git ignores it but for the hosts' keys."""

from __future__ import annotations

from pathlib import Path

from goferry.kernel.errors import Failed
from goferry.kernel.files import write_atomically

OWN = ".goferry"
_OLD = b"*\n"
_IGNORED = b"# Goferry's own, keys for trying among it; the hosts' keys alone belong to the source.\n*\n!known_hosts\n"


class OwnFolderUnusable(Failed):
    """The folder `.goferry`, in which Goferry keeps its own files beside a repository, cannot be created or written.

    Usual causes: a file of that name, or a folder that belongs to another user.
    """

    name = "own-folder-unusable"


def make(folder: Path) -> Path:
    """Make the folder where it is missing, and the .gitignore in it; return it. A .gitignore of yours stays.

    Raises:
        OwnFolderUnusable: the folder `.goferry`, in which Goferry keeps its own files beside a repository,
            cannot be created or written.
    """
    ignore = folder / ".gitignore"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not ignore.exists() or ignore.read_bytes() == _OLD:
            write_atomically(ignore, _IGNORED)
    except OSError as error:
        raise OwnFolderUnusable(
            f"{folder} cannot be made or written: {error.strerror or error}",
            state="Nothing was changed.",
            advice=["move a file of that name out of the way, or give the folder to whoever runs this"],
        ) from error
    return folder
