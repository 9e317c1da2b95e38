"""Files that are either whole or absent, also after a power cut."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path
from typing import Union

PathLike = Union[str, "os.PathLike[str]"]


def write_atomically(path: PathLike, data: bytes, mode: int = 0o644) -> None:
    """Write `data` beside `path`, sync it, rename it into place and sync the folder.

    `mode` is exact: the caller's umask is not applied.
    """
    import tempfile  # it brings random numbers along, and most runs write nothing

    target = Path(path)
    # Beside it, as a rename works within one file system alone.
    descriptor, name = tempfile.mkstemp(dir=str(target.parent), prefix="." + target.name + ".")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
            file.flush()
            # Before the rename: after a power cut the name would else stand for an empty file.
            os.fsync(file.fileno())
        os.replace(name, str(target))
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    sync_folder(target.parent)


def make_folder(path: PathLike, mode: int) -> None:
    """Make a folder of exactly this mode, whatever the caller's umask is; one that is there gets the mode."""
    folder = Path(path)
    folder.mkdir(mode=mode, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) != mode:
        folder.chmod(mode)


def link_atomically(path: PathLike, destination: str) -> None:
    """Make `path` a symbolic link to `destination` by one rename: a reader sees the old or the new, never neither."""
    target = Path(path)
    name = os.path.join(str(target.parent), f".{target.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name)
    os.symlink(destination, name)
    os.replace(name, str(target))
    sync_folder(target.parent)


def sync_folder(path: PathLike) -> None:
    """Make a rename in this folder survive a power cut."""
    descriptor = os.open(str(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_file(path: PathLike) -> str:
    """Return the lower-case hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:  # a buffer of Python's costs more than hashing a small file
        for block in iter(lambda: file.read(1 << 18), b""):
            digest.update(block)
    return digest.hexdigest()
