"""Where packs are kept, a folder or a bucket (caches.bucket): named files, each written once and never changed.

    v1/<project>/<kind>/<slot>/<name>.pack     the slot is `all` for modules
    v1/<project>/<kind>/<slot>/<name>.json     what is known of it without reading it; it is written last
    v1/<project>/signed/<sha256>.json          what a signature says of the pack that has this digest (caches.statement)

Names are `<UTC time>-<key>`, so that the newest of a slot is the last one by name, and the pack of a key is found
whenever it was made.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Protocol

import msgspec
from msgspec import Meta, Struct, structs

from goferry.kernel.errors import Misuse, Unreachable

KEY = 32
"""Hex digits of a key."""
_NAME = re.compile(r"(\d{8}T\d{6}Z)-([0-9a-f]{32})")
MOST_NOTE = 1 << 20
"""Bytes of a note that are read."""
# A note's digest becomes a file's name, and its numbers are shown: whoever may write to a place can write others.
_Count = Annotated[int, Meta(ge=0, lt=1 << 53)]
_Seconds = Annotated[float, Meta(ge=0, lt=1 << 53)]
_Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class PlaceUnknown(Misuse):
    """The location of a cache is neither a folder nor a bucket.

    A folder is given by its path, a bucket as s3://NAME/PREFIX.
    """

    name = "cache-place-unknown"


class PlaceUnreachable(Unreachable):
    """A cache can't be read or written.

    Usual causes: a folder of another user, a bucket that does not exist, or credentials that are missing, wrong or lack
    the permission. Jobs continue without the cache; a command whose only purpose is the cache fails.
    """

    name = "cache-place-unreachable"


@dataclass(frozen=True)
class KeptPack:
    """A pack that a place has.

    Attributes:
        where: `<project>/<kind>/<slot>`. name: as above. key: what decides its content, in hex.
        bytes: its size; size: that of its files; files: how many. sha256: of the pack, in hex.
        seconds: what it took to make its content without it. inputs: what the key was made from, each by name.
    """

    where: str
    name: str
    key: str
    bytes: int
    size: int
    files: int
    sha256: str
    seconds: float = 0.0
    inputs: Mapping[str, str] = field(default_factory=dict)


class _Note(Struct, frozen=True):
    """What the file beside a pack says of it: see Kept."""

    bytes: _Count
    size: _Count
    files: _Count
    sha256: _Digest
    seconds: _Seconds
    inputs: dict[str, str]


@dataclass(frozen=True)
class Stored:
    """A pack as a place stores it; `used` is when it was made or used last, in seconds since 1970."""

    where: str
    name: str
    bytes: int
    used: float


class Storage(Protocol):
    """Somewhere that keeps packs. What can't be reached raises OSError, which a caller takes as a miss."""

    def names(self, where: str) -> list[str]:
        """Return the names of the packs there, oldest first."""

    def note(self, where: str, name: str) -> bytes:
        """Return what is known of a pack; FileNotFoundError where there is none."""

    def open(self, where: str, name: str) -> BinaryIO:
        """Open a pack for reading, once and in order; it counts as used."""

    def put(self, where: str, name: str, pack: Path, note: bytes) -> bool:
        """Take a pack in and return whether it is there now; one that is there stays as it is."""

    def write(self, where: str, name: str, note: bytes) -> None:
        """Keep a note that belongs to no pack there; one that is there stays as it is. `note` reads it."""

    def remove(self, where: str, name: str) -> None:
        """Remove a pack, or such a note; what is not there is removed already."""

    def all(self) -> Iterator[Stored]:
        """Yield every pack, those of one slot one after the other, oldest first."""


def opened(text: str) -> Storage:
    """Return the place that somebody named.

    Raises:
        PlaceUnknown: when it is not a place.
    """
    if text.startswith("s3:"):
        from goferry.caches import _bucket as bucket

        return bucket.opened(text)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) or not text or "\0" in text:
        raise PlaceUnknown(
            f"{text!r} is not a place for a cache", advice=["name a folder:  FOLDER", "or a bucket:  s3://NAME/PREFIX"]
        )
    return Folder(Path(text))


def new_name(key: str) -> str:
    """Return the name of a pack of a key that is made now."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{key}"


def find(place: Storage, where: str, key: str) -> tuple[KeptPack | None, bool]:
    """Return the pack of a key or, where there is none, the newest of its place; and whether it is the key's own.

    Raises:
        OSError: the place can't be read.
    """
    return next(candidates(place, where, key), (None, False))


def candidates(place: Storage, where: str, key: str) -> Iterator[tuple[KeptPack, bool]]:
    """Yield each pack that may do, the best first: those of the key, then the others from the newest on; as `find`."""
    names = [name for name in place.names(where) if _NAME.fullmatch(name)]
    exact = [name for name in names if name.endswith("-" + key)]
    for name in dict.fromkeys([*reversed(exact), *reversed(names)]):
        kept = read_note(place, where, name)
        if kept is not None:
            yield kept, name in exact


def put(place: Storage, kept: KeptPack, pack: Path) -> bool:
    """Take a pack in; return whether it is there now.

    Raises:
        OSError: the place can't be written.
    """
    note = {key: value for key, value in asdict(kept).items() if key not in ("where", "name", "key")}
    return place.put(kept.where, kept.name, pack, json.dumps(note, sort_keys=True).encode())


def read_note(place: Storage, where: str, name: str) -> KeptPack | None:
    """Return what is known of a pack; None where its note is damaged or gone.

    Raises:
        OSError: the place can't be read.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    with contextlib.suppress(FileNotFoundError, ValueError, RecursionError):
        note = msgspec.json.decode(place.note(where, name), type=_Note)
        return KeptPack(where, name, match[2], **structs.asdict(note))
    return None


def surplus(stored: Iterable[Stored], keep: int, days: float, now: float) -> list[Stored]:
    """Return what may go: all but the `keep` newest of a slot, and what nobody used for `days` days."""
    slots: dict[str, list[Stored]] = {}
    for each in stored:
        slots.setdefault(each.where, []).append(each)
    kept = {(each.where, each.name) for slot in slots.values() for each in sorted(slot, key=_name)[-keep:]}
    everything = [each for slot in slots.values() for each in slot]
    return [each for each in everything if (each.where, each.name) not in kept or each.used < now - days * 86_400]


def _name(stored: Stored) -> str:
    return stored.name


def _plain(path: Path) -> BinaryIO:
    """Open a plain file; a link leads elsewhere, and a pipe never ends.

    Raises:
        FileNotFoundError: it is another thing. OSError: it can't be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise FileNotFoundError(errno.ENOENT, "it is not a plain file", str(path)) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "it is not a plain file", str(path))
    return os.fdopen(descriptor, "rb")


class Folder:
    """A folder: of a laptop, a self-hosted runner, or one that another system carries from job to job."""

    def __init__(self, path: Path) -> None:
        self._path = path / "v1"

    def names(self, where: str) -> list[str]:
        """See Place."""
        try:
            return sorted(path.stem for path in (self._path / where).glob("*.json"))
        except FileNotFoundError:
            return []

    def note(self, where: str, name: str) -> bytes:
        """See Place."""
        with _plain(self._path / where / f"{name}.json") as file:
            return file.read(MOST_NOTE)

    def open(self, where: str, name: str) -> BinaryIO:
        """See Place."""
        opened = _plain(self._path / where / f"{name}.pack")
        with contextlib.suppress(OSError):  # a folder that may only be read
            os.utime(self._path / where / f"{name}.json")
        return opened

    def put(self, where: str, name: str, pack: Path, note: bytes) -> bool:
        """See Place."""
        self._place(where, {f"{name}.pack": pack, f"{name}.json": note})
        return True

    def write(self, where: str, name: str, note: bytes) -> None:
        """See Place."""
        self._place(where, {f"{name}.json": note})

    def remove(self, where: str, name: str) -> None:
        """See Place."""
        for end in ("json", "pack"):
            (self._path / where / f"{name}.{end}").unlink(missing_ok=True)

    def all(self) -> Iterator[Stored]:
        """See Place."""
        for path in sorted(self._path.glob("*/*/*/*.json")):
            with contextlib.suppress(OSError):
                held = path.with_suffix(".pack").stat().st_size
                where = path.parent.relative_to(self._path).as_posix()
                yield Stored(where, path.stem, held, path.stat().st_mtime)

    def _place(self, where: str, files: Mapping[str, Path | bytes]) -> None:
        """Put files there, one after the other, each whole or not at all."""
        folder = self._path / where
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as work:
            for name, content in files.items():
                made = Path(work) / name
                if isinstance(content, Path):
                    shutil.copyfile(content, made)
                else:
                    made.write_bytes(content)
                with contextlib.suppress(FileExistsError):
                    os.link(made, folder / name)
