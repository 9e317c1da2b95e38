"""Whose files they are: what root makes in an action's container belongs to the owner of the checkout.

A later step, and the runner when it cleans up, runs as that owner and could neither write nor remove root's files.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def give(path: Path, owner: Path) -> None:
    """Hand a file or folder that root made to the owner of the folder `owner`; links are not followed."""
    if os.name != "posix" or os.geteuid() != 0:
        return
    with contextlib.suppress(OSError):
        whose = owner.stat()
        os.chown(path, whose.st_uid, whose.st_gid, follow_symlinks=False)


def give_all(path: Path, owner: Path) -> None:
    """Hand over a folder with all that it holds."""
    give(path, owner)
    if path.is_dir() and not path.is_symlink():
        for folder, folders, names in os.walk(path):
            for name in (*folders, *names):
                give(Path(folder) / name, owner)


def shared(temp: Path, owner: Path) -> Path:
    """Return Goferry's folder in the runner's temporary one, which the steps of a job share; it is made if need be."""
    folder = temp / "goferry"
    folder.mkdir(parents=True, exist_ok=True)
    give(folder, owner)
    return folder
