"""Zips of toolchains, which travel between jobs in place of the toolchains themselves.

    CACHE/zips/<module version>.zip        as a proxy served it

What is brought here is believed no more than what a proxy serves: it is hashed to the proven h1 while it is extracted.
A zip is kept only where it is going to travel (`goferry cache`), until it has; a toolchain that was set up before has
none.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import BinaryIO

LIMIT = 500 << 20
"""Bytes; golang.org/x/mod/zip.MaxZipFile."""
_BLOCK = 1 << 20


def path(cache: Path, module_version: str) -> Path:
    """Return where the zip of a toolchain's module version is, where there is one."""
    return cache / "zips" / f"{module_version}.zip"


def keep(kept: Path, archive: Path) -> None:
    """Put a finished zip there, whole or not at all.

    Raises:
        OSError: it can't be written.
    """
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = kept.with_name(f".{kept.name}.{os.urandom(4).hex()}")
    try:
        try:
            os.link(archive, beside)
        except OSError:  # another file system
            shutil.copyfile(archive, beside)
        beside.replace(kept)
    finally:
        beside.unlink(missing_ok=True)


def bring(source: BinaryIO, kept: Path) -> int:
    """Write a zip that arrives; return its size. A longer one than zips are is cut off, and proves nothing then.

    Raises:
        OSError: it can't be read, or written.
    """
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = kept.with_name(f".{kept.name}.{os.urandom(4).hex()}")
    size = 0
    try:
        with beside.open("xb") as file:
            while size < LIMIT and (block := source.read(_BLOCK)):
                size += file.write(block)
        beside.replace(kept)
    finally:
        beside.unlink(missing_ok=True)
    return size
