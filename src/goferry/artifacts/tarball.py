"""A dist/ folder as one tar, so that file modes survive a passage between jobs.

The tar is the same for the same files: sorted, without owners and times. Unpacking takes regular files with plain names
from the top of the archive and nothing else; whoever unpacks verifies afterwards.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

from goferry.kernel import invisible
from goferry.kernel.errors import Misuse, Refused, printable

MOST_FILES, MOST_BYTES = 10_000, 16 << 30
MOST_NAMES = 255


class ParcelMissing(Misuse):
    """The path names neither a tar nor a folder.

    Usual causes: the artifact of a job that failed or was skipped, or a path from another job's workspace.
    """

    name = "parcel-missing"


class ParcelUnsafe(Refused):
    """A tar that should hold a dist/ folder holds something else: a link, a folder, a path, or too much.

    Usual causes: the tar was not made by Goferry.
    """

    name = "parcel-unsafe"


def pack(folder: Path, tar: Path) -> Path:
    """Write the files of `folder` to `tar`, which appears whole, and return it."""
    part = tar.with_name(f".{tar.name}.part")
    with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.iterdir(), key=lambda each: each.name):
            archive.add(path, arcname=path.name, recursive=False, filter=_plain)
    part.replace(tar)
    return tar


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    if not member.isreg():
        raise ParcelUnsafe(f"{printable(member.name, 200)} is not a regular file", state="Nothing was packed.")
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def unpack(tar: Path, folder: Path) -> Path:
    """Unpack `tar` into `folder`, which must not exist and appears whole; return it.

    Raises:
        ParcelMissing: there is no such file.
        ParcelUnsafe: it holds anything but regular files with plain names, or too many bytes.
    """
    if not tar.is_file():
        raise ParcelMissing(f"there is no file {tar.name}", state="Nothing was unpacked.")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with tarfile.open(tar, "r:") as archive:
            _extract(archive, part)
    except (tarfile.TarError, OSError, ValueError) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise ParcelUnsafe(f"{tar.name} can't be unpacked: {error}", state="Nothing was unpacked.") from error
    except ParcelUnsafe:
        shutil.rmtree(part, ignore_errors=True)
        raise
    part.rename(folder)
    return folder


def _extract(archive: tarfile.TarFile, folder: Path) -> None:
    total, seen = 0, set[str]()
    for member in archive:
        total += member.size
        name = member.name
        plain = name not in ("", ".", "..") and not {"/", "\\"} & set(name) and not invisible.holds(name)
        if not (plain and member.isreg() and not member.issparse() and len(os.fsencode(name)) <= MOST_NAMES):
            raise ParcelUnsafe(f"{printable(name, 200)} is not a plain file", state="Nothing was unpacked.")
        if name.casefold() in seen:
            raise ParcelUnsafe(f"{printable(name, 200)} is there twice", state="Nothing was unpacked.")
        seen.add(name.casefold())
        if total > MOST_BYTES or len(seen) > MOST_FILES:
            raise ParcelUnsafe("it holds more than any release", state="Nothing was unpacked.")
        source = archive.extractfile(member)
        assert source is not None
        with source, (folder / name).open("xb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        (folder / name).chmod(0o755 if member.mode & 0o111 else 0o644)
