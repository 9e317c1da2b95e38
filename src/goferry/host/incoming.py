"""Uploads: a release's files, sent in blocks into `.goferry/incoming/<transaction>/` before it is prepared.

Nothing here is believed: names are checked, sizes are bounded whatever the lists say, and the verifier judges the
folder afterwards. A file grows as `.<sha256>.part`, and gets its name when its bytes are all there and are the
announced ones. A folder is its session's as long as that holds the folder's lock; what a broken upload has left is
taken over by the next one that wants these bytes, which goes on where the host's answer says. What nobody fetched is
removed after an hour, or when another upload needs its room: who leaves many behind keeps nobody else from deploying.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from goferry.host import lock
from goferry.host.layout import NAME
from goferry.kernel import checksums, manifest
from goferry.kernel.errors import Misuse
from goferry.kernel.files import sha256_file, sync_folder
from goferry.kernel.outcomes import DiskFull, UploadDamaged, UploadRefused
from goferry.kernel.protocol import Request
from goferry.kernel.refusals import Refusal

if TYPE_CHECKING:
    from goferry.host.target import HostTarget

SMALL = {manifest.MANIFEST: manifest.MAX_BYTES, checksums.LIST: checksums.MAX_BYTES}
SMALL.update(dict.fromkeys(manifest.SIGNATURES.values(), 1 << 20))
MAX_FILE, MAX_TOTAL, MAX_FILES, MAX_FOLDERS = 2 << 30, 4 << 30, 100, 32
MARGIN = 16 << 20
"""Bytes that an upload leaves free."""
STALE = 3600.0
"""Seconds after which an upload that nobody continued is removed."""
_SHA256 = re.compile("[0-9a-f]{64}")


def folder(root: HostTarget, identifier: str) -> Path:
    """Return where a transaction's files arrive.

    Raises:
        Misuse: when the id is none.
    """
    if not NAME.fullmatch(identifier):
        raise Misuse("a transaction id of letters, digits, . _ and - is wanted")
    return root.incoming / identifier


def claim(root: HostTarget, identifier: str) -> int:
    """Make a transaction's folder a session's own, as long as the returned descriptor is open.

    Raises:
        Misuse: when the id is none. UploadRefused: when another session has the folder.
    """
    place = folder(root, identifier)
    descriptor = _made(root, place)
    if descriptor < 0:
        raise UploadRefused(f"another client uploads as {identifier}")
    _make_room(root, place, 0)
    return descriptor


def _made(root: HostTarget, place: Path) -> int:
    """Return the lock on a folder that is made where it is missing, again when it was removed before it was locked."""
    for path in (root.incoming, place):
        path.mkdir(mode=0o700, exist_ok=True)
    try:
        return _locked(place)
    except FileNotFoundError:
        place.mkdir(mode=0o700)
        return _locked(place)


def _locked(place: Path) -> int:
    return lock.flock(os.open(str(place), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC))


class Uploads:
    """What one session uploads: one release, which it alone may have prepared."""

    def __init__(self, root: HostTarget) -> None:
        self._root = root
        self._claimed: dict[str, int] = {}
        self._digests: dict[str, str] = {}

    def receive(self, request: Request, payload: bytes) -> dict[str, object]:
        """Take one block of a file, as the function `receive` does; the folder is claimed with the first one."""
        self._root.prepare()
        identifier = request.id
        if identifier not in self._claimed:
            if self._claimed:
                raise Misuse("one session uploads one release")
            self._claimed[identifier] = claim(self._root, identifier)
        return receive(self._root, request, payload, self._digests)

    def folder(self, identifier: str) -> Path:
        """Return where what this session uploaded lies: another session's is neither verified nor removed.

        Raises:
            UploadRefused: when it has uploaded nothing as that.
        """
        if identifier not in self._claimed:
            raise UploadRefused(f"this session has uploaded nothing as {identifier}", state="Nothing was changed.")
        return folder(self._root, identifier)

    def drop(self) -> None:
        """Remove what was uploaded, and claim nothing any more."""
        for identifier, descriptor in self._claimed.items():
            # Removed under its lock: once that is gone, another session may take over what is there.
            remove(folder(self._root, identifier))
            os.close(descriptor)
        self._claimed.clear()
        self._digests.clear()


def receive(root: HostTarget, request: Request, payload: bytes, digests: dict[str, str]) -> dict[str, object]:
    """Take one block of a file: `{"id", "name", "size", "sha256", "offset"}`; return `{"have": bytes, "done": bool}`.

    With another offset than the bytes that are there, nothing is written: the answer says where to go on. The folder is
    claimed before. `digests` is the session's memory of what arrived whole, name → SHA-256: asking again and again for
    a file of 2 GiB must not cost its hash each time.

    Raises:
        UploadRefused: an uploaded file was rejected: its name, its size or the number of files is out of
            bounds.
        UploadDamaged: an uploaded file arrived with different bytes than its client announced.
        DiskFull: the target's disk has no room for the release.
        Misuse: wrong usage or configuration.
    """
    name, size, sha256 = _announced(request)
    place = folder(root, request.id)
    # `prune` goes by the folder's time, which a block that is added to a file in it does not change.
    os.utime(str(place))
    done, part = place / name, place / f".{sha256}.part"
    # Asked without a payload, as what is taken over decides from which offset the client goes on.
    if not payload and not done.exists() and not part.exists():
        _take_over(root, done, part, size)
    if done.is_file() and done.stat().st_size == size:
        if name not in digests:
            digests[name] = sha256_file(done)
        if digests[name] == sha256:
            return {"have": size, "done": True}
    have = part.stat().st_size if part.is_file() else 0
    # Somebody announced a false size for these bytes. From the beginning, the digest tells.
    if have > size:
        part.unlink()
        have = 0
    if request.offset != have or (not payload and size):
        return {"have": have, "done": False}
    if have + len(payload) > size:
        raise UploadRefused(f"{name} is longer than the {size} bytes that were announced")
    _bound(root, part, name, size - have)
    _append(part, payload, have)
    have += len(payload)
    if have == size:
        _finish(part, done, sha256)
        digests[name] = sha256
    return {"have": have, "done": have == size}


def _announced(request: Request) -> tuple[str, int, str]:
    name, size, sha256 = request.name, request.size, request.sha256
    try:
        checksums.check_name(name.encode("utf-8", "surrogatepass"))
    except Refusal as error:
        raise UploadRefused(error.what) from None
    if not 0 <= size <= SMALL.get(name, MAX_FILE):
        raise UploadRefused(f"{name} can't have {str(size)[:30]} bytes")
    if not _SHA256.fullmatch(sha256):
        raise UploadRefused(f"the SHA-256 of {name} is not 64 lower-case hex digits")
    return name, size, sha256


def _take_over(root: HostTarget, done: Path, part: Path, size: int) -> None:
    """Move what another upload has left of these bytes here, be it the whole file or its beginning."""
    for other in root.incoming.iterdir():
        try:
            descriptor = -1 if other == done.parent else _locked(other)
        except OSError:  # it was removed meanwhile
            continue
        if descriptor < 0:
            continue
        try:
            for left, mine in ((other / done.name, done), (other / part.name, part)):
                if not left.is_symlink() and left.is_file() and (mine == part or left.stat().st_size == size):
                    os.replace(str(left), str(mine))
                    with contextlib.suppress(OSError):  # unless more is left there
                        other.rmdir()
                    return
        finally:
            os.close(descriptor)


def _bound(root: HostTarget, part: Path, name: str, missing: int) -> None:
    place = part.parent
    others = [path for path in place.iterdir() if path.name not in (name, part.name)]
    if len(others) >= MAX_FILES:
        raise UploadRefused(f"more than {MAX_FILES} files were sent")
    if not _make_room(root, place, missing):
        raise UploadRefused(f"uploads would take more than {MAX_TOTAL} bytes")
    if _free(place) < missing + MARGIN:
        remove_unclaimed(root, place)
    if _free(place) < missing + MARGIN:
        raise DiskFull(
            f"{name} needs {missing} bytes more and {MARGIN} to spare; {_free(place)} are free",
            state="Nothing was installed.",
            advice=[f"make room on the disk of {root.path}"],
        )


def _free(place: Path) -> int:
    space = os.statvfs(str(place))
    return space.f_bavail * space.f_frsize


def _make_room(root: HostTarget, mine: Path, missing: int) -> bool:
    """Remove what others have left, the oldest first, until `missing` bytes more are allowed; return whether they are.

    What a session uploads at this moment stays.
    """
    others = sorted(_measured(root))
    total, count = sum(size for _, size, _ in others), len(others)
    for _, size, other in others:
        if total + missing <= MAX_TOTAL and count <= MAX_FOLDERS:
            break
        with contextlib.suppress(OSError):  # it was removed meanwhile
            if other != mine and _remove_unclaimed(other):
                total, count = total - size, count - 1
    return total + missing <= MAX_TOTAL


def _measured(root: HostTarget) -> Iterator[tuple[float, int, Path]]:
    """Yield each upload's time of change, its bytes and its folder."""
    for place in root.incoming.iterdir():
        with contextlib.suppress(OSError):
            yield place.stat().st_mtime, sum(path.lstat().st_size for path in place.iterdir()), place


def _append(part: Path, payload: bytes, have: int) -> None:
    """Add a block, or nothing: a block that was written in part is cut off."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(str(part), flags, 0o600)
    try:
        while payload:
            payload = payload[os.write(descriptor, payload) :]
    except OSError:
        os.ftruncate(descriptor, have)
        raise
    finally:
        os.close(descriptor)


def _finish(part: Path, done: Path, sha256: str) -> None:
    # From the disk and as a whole: its beginning may be another client's.
    digest = sha256_file(part)
    if digest != sha256:
        part.unlink()
        raise UploadDamaged(
            f"{done.name} arrived with SHA-256 {digest[:12]}… instead of {sha256[:12]}…",
            state="What arrived was removed.",
            advice=["deploy again"],
        )
    os.replace(str(part), str(done))
    sync_folder(done.parent)


def names(place: Path) -> Iterator[str]:
    """Yield the names of the files that arrived whole."""
    if place.is_dir():
        yield from sorted(path.name for path in place.iterdir() if not path.name.startswith("."))


def received(source: Path) -> list[str]:
    """Return the names that are to be checked of a folder that was sent: the manifest, and each file of a release."""
    lists = {checksums.LIST, *manifest.SIGNATURES.values()}
    return sorted({manifest.MANIFEST, *names(source)} - lists)


def remove(place: Path) -> None:
    """Remove a transaction's files."""
    shutil.rmtree(str(place), ignore_errors=True)


def prune(root: HostTarget, age: float = STALE) -> None:
    """Remove uploads that nobody continued for `age` seconds."""
    if root.incoming.is_dir():
        for place in root.incoming.iterdir():
            with contextlib.suppress(OSError):
                if time.time() - place.stat().st_mtime >= age:
                    _remove_unclaimed(place)


def remove_unclaimed(root: HostTarget, mine: Path | None = None) -> None:
    """Remove what nobody uploads at this moment, in every project of the host: the disk is theirs together."""
    folders = root.uploads()
    for place in (place for folder in folders if folder.is_dir() for place in folder.iterdir()):
        with contextlib.suppress(OSError):
            if place != mine:
                _remove_unclaimed(place)


def _remove_unclaimed(place: Path) -> bool:
    """Remove an upload unless it is a session's; return whether it was."""
    descriptor = _locked(place)
    if descriptor < 0:
        return False
    # Under the lock, which is let go afterwards: nobody can have claimed the folder meanwhile.
    remove(place)
    os.close(descriptor)
    return True
