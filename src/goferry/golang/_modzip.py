"""Module zips: which names they may hold, and extraction that computes the module's hash h1 in the same pass.

h1 is the base64 of SHA-256 over the sorted lines `<sha256 of the file>  <name in the zip>`
(golang.org/x/mod/sumdb/dirhash):
it covers names and contents, so what h1 proves is exactly what was written, whatever else the zip says.
Names follow golang.org/x/mod/zip: all below `<module>@<version>/`, files only, no two that differ only by case.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import mmap
import os
import re
import stat
import struct
import threading
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from goferry.kernel import invisible
from goferry.kernel.errors import Refused, printable

MOST_FILES = 60_000
MOST_BYTES = 1 << 30
MOST_PATH = 1000
"""Bytes of a file's path below the module's folder; a file system takes 4096 with the folder's own."""
MOST_DIRECTORY = 8 << 20
"""Bytes of the zip's list of files, which is read whole; that of Go 1.27 has 2 MiB."""
BLOCK = 1 << 20
"""Bytes that are inflated, hashed and written at a time."""
_PLAIN = re.compile(r"[A-Za-z0-9 !#$%&()+,\-./=@\[\]^_{}~']+")
_LOCAL = struct.Struct("<4s5H3L2H")
_END = struct.Struct("<4s4H2LH")
_END_64 = b"PK\x06\x07"


class ZipUnsafe(Refused):
    """A module's zip contains something that is not allowed: a path outside its folder, a link, or two equal names.

    Usual causes: it was made to write somewhere else on the machine that unpacks it.
    """

    name = "zip-unsafe"


class ZipDamaged(Refused):
    """A module's zip cannot be read to its end.

    Usual causes: the download was cut off. Try again.
    """

    name = "zip-damaged"


@dataclass(frozen=True)
class Member:
    """One file: its whole name in the zip, its path below the module's folder, and where its bytes lie."""

    name: str
    path: str
    offset: int
    packed: int
    size: int
    deflated: bool


def h1(digests: Mapping[str, str]) -> str:
    """Return `h1:…` of files given as whole name → hex SHA-256."""
    summary = hashlib.sha256()
    for name in sorted(digests):
        summary.update(f"{digests[name]}  {name}\n".encode())
    return "h1:" + base64.b64encode(summary.digest()).decode()


def members(infos: Iterable[zipfile.ZipInfo], prefix: str) -> list[Member]:
    """Check every entry and return the files, in the order in which they lie in the zip.

    Raises:
        ZipUnsafe: naming the first entry that breaks a rule.
    """
    found: list[Member] = []
    names = _Names()
    total = 0
    for info in infos:
        path = _checked(info, prefix)
        names.add(path)
        total += info.file_size
        if total > MOST_BYTES or len(found) >= MOST_FILES:
            raise _unsafe(info.orig_filename, f"with it the zip exceeds {MOST_FILES} files or {MOST_BYTES} bytes")
        deflated = info.compress_type == zipfile.ZIP_DEFLATED
        found.append(Member(info.orig_filename, path, info.header_offset, info.compress_size, info.file_size, deflated))
    found.sort(key=lambda member: member.offset)
    for one, two in itertools.pairwise(found):
        if one.offset + _LOCAL.size + one.packed > two.offset:
            raise _unsafe(two.name, "it overlaps another entry")
    return found


def _checked(info: zipfile.ZipInfo, prefix: str) -> str:
    name = info.orig_filename
    path = name.removeprefix(prefix)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if path == name:
        raise _unsafe(name, f"it is not below {prefix}")
    parts = path.split("/")
    if len(path.encode("utf-8", "replace")) > MOST_PATH:
        raise _unsafe(name, f"its path has more than {MOST_PATH} bytes")
    if any(part in ("", ".", "..") or len(part.encode("utf-8", "replace")) > 200 for part in parts):
        raise _unsafe(name, "it is not a plain path to a file")
    if not _PLAIN.fullmatch(path) and any(_foreign(letter) for letter in path):
        raise _unsafe(name, "it has a character that no file of a module has")
    if kind not in (0, stat.S_IFREG):
        raise _unsafe(name, "it is a link or a special file")
    if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _unsafe(name, "it is encrypted or packed in an unknown way")
    if parts[-1] == "go.mod":
        raise _unsafe(name, "a toolchain's module has _go.mod only")
    return path


class _Names:
    """Refuses names that are equal on a file system that ignores case or normalises."""

    def __init__(self) -> None:
        self._exact: dict[str, str] = {}
        self._folders = {""}

    def add(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        while parent not in self._folders:
            self._folders.add(parent)
            if self._taken(parent, parent + "/") not in ("", parent + "/"):
                raise _unsafe(path, f"its folder collides with {printable(self._exact[_folded(parent)], 120)}")
            parent = parent.rpartition("/")[0]
        other = self._taken(path, path)
        if other:
            raise _unsafe(path, f"it collides with {printable(other, 120)}")

    def _taken(self, path: str, exact: str) -> str:
        """Return what stands under the folded name already, or enter `exact` and return an empty text."""
        folded = _folded(path)
        other = self._exact.get(folded, "")
        if not other:
            self._exact[folded] = exact
        return other


def _folded(path: str) -> str:
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path).casefold()


def _foreign(letter: str) -> bool:
    return invisible.holds(letter) or letter in '\\:*?"<>|'


def _unsafe(name: str, why: str) -> ZipUnsafe:
    return ZipUnsafe(f"the module's zip holds {printable(name, 200)!r}: {why}", state="Nothing was installed.")


def extract(archive: Path, folder: Path, prefix: str, workers: int = 2) -> str:
    """Write a zip's files below `folder` (which exists and is empty) and return their h1.

    Files get mode 0644, folders 0755; nothing is executable. The caller removes the folder when h1 is not the wanted.

    Raises:
        ZipUnsafe: a module's zip contains something that is not allowed: a path outside its folder, a link,
            or two equal names.
        ZipDamaged: a module's zip cannot be read to its end.
    """
    _hold_directory(archive)
    try:
        with zipfile.ZipFile(archive) as opened:
            files = members(opened.infolist(), prefix)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, struct.error, OverflowError) as error:
        raise ZipDamaged(f"the module's zip cannot be read: {error}", state="Nothing was installed.") from error
    _make_folders(files, folder)
    with archive.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        writer = _Writer(data, folder)
        with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="extract") as pool:
            tasks = [pool.submit(writer.write, part) for part in _shares(files, workers)]
            for task in tasks:
                task.result()
    return h1(writer.digests)


def _hold_directory(archive: Path) -> None:
    """Refuse a zip whose list of files would fill the memory before a single one was looked at."""
    with archive.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = file.seek(max(0, size - _END.size - len(_END_64) * 5 - 0xFFFF))
        tail = file.read()
    plain = len(tail) - _END.size
    at = plain if tail[plain : plain + 4] == b"PK\x05\x06" and tail[-2:] == b"\0\0" else tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise ZipDamaged("the module's zip cannot be read: it has no end", state="Nothing was installed.")
    listed = _END.unpack_from(tail, at)[5]
    if listed > MOST_DIRECTORY or tail[max(0, at - 20) : at][:4] == _END_64:
        raise ZipUnsafe(
            f"the module's zip of {start + len(tail)} bytes lists more files than a toolchain has",
            state="Nothing was installed.",
        )


def _shares(files: Sequence[Member], workers: int) -> list[Sequence[Member]]:
    """Split by packed size, keeping neighbours together."""
    goal = sum(member.packed + 4096 for member in files) / max(1, workers)
    shares: list[list[Member]] = [[]]
    weight = 0
    for member in files:
        if weight > goal and len(shares) < workers:
            shares.append([])
            weight = 0
        shares[-1].append(member)
        weight += member.packed + 4096
    return list(shares)


def _make_folders(files: Sequence[Member], folder: Path) -> None:
    for name in sorted({member.path.rpartition("/")[0] for member in files}):
        if name:
            (folder / name).mkdir(parents=True, exist_ok=True)


class _Writer:
    """Unpacks members out of the mapped zip; its threads share nothing but the dictionary of digests."""

    def __init__(self, data: mmap.mmap, folder: Path) -> None:
        self._data = data
        self._folder = folder
        self._failed = threading.Event()
        self.digests: dict[str, str] = {}

    def write(self, files: Sequence[Member]) -> None:
        base = str(self._folder) + "/"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | getattr(os, "O_BINARY", 0)
        try:
            for member in files:
                if self._failed.is_set():
                    return
                descriptor = os.open(base + member.path, flags, 0o644)
                try:
                    os.fchmod(descriptor, 0o644)
                    self.digests[member.name] = self._copy(member, descriptor)
                finally:
                    os.close(descriptor)
        except BaseException:
            self._failed.set()
            raise

    def _copy(self, member: Member, descriptor: int) -> str:
        """Write a member's content and return its SHA-256 in hex."""
        digest, size = hashlib.sha256(), 0
        for block in self._blocks(member):
            size += len(block)
            if size > member.size:
                raise _damaged(member)
            digest.update(block)
            _write_all(descriptor, block)
        if size != member.size:
            raise _damaged(member)
        return digest.hexdigest()

    def _blocks(self, member: Member) -> Iterator[bytes]:
        """Yield a member's content, a block at a time, however much a few packed bytes inflate to."""
        header = self._data[member.offset : member.offset + _LOCAL.size]
        if len(header) != _LOCAL.size or header[:4] != b"PK\x03\x04":
            raise _damaged(member)
        *_, name_length, extra_length = _LOCAL.unpack(header)
        start = member.offset + _LOCAL.size + name_length + extra_length
        if self._data[member.offset + _LOCAL.size : start - extra_length] != member.name.encode():
            raise _unsafe(member.name, "its local header names another file")
        if start + member.packed > len(self._data):
            raise _damaged(member)
        inflater = zlib.decompressobj(-15)
        for at in range(start, start + member.packed, BLOCK):
            piece = self._data[at : min(at + BLOCK, start + member.packed)]
            if not member.deflated:
                yield piece
                continue
            try:
                while piece:
                    yield inflater.decompress(piece, BLOCK)
                    piece = inflater.unconsumed_tail
            except zlib.error as error:
                raise _damaged(member) from error
        if member.deflated and not inflater.eof:
            raise _damaged(member)


def _damaged(member: Member) -> ZipDamaged:
    return ZipDamaged(f"the module's zip is damaged at {printable(member.name, 200)!r}", state="Nothing was installed.")


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
