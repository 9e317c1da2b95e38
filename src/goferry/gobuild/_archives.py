"""Archives with the same bytes for the same input: order, time, owner, modes and headers are fixed.

tar.gz: ustar with PAX headers where a name needs them (POSIX.1-2001, pax Interchange Format), gzip header without name
and time (RFC 1952, section 2.3). zip: forward slashes and unix modes (APPNOTE.TXT, sections 4.4.2 and 4.4.17).
The compressor is this Python's zlib: its version belongs to the bytes, so it is recorded, and the digest of what is
inside beside it.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from goferry.kernel import canonical
from goferry.kernel.files import sha256_file

LEVEL = 5
"""zlib's level: two thirds of the time of 6 for one percent more bytes of a stripped Go program; 9 takes four times."""

_BLOCK = 1 << 20
_ZIP_FROM, _ZIP_TO = 315532800, 4354819198
"""1980-01-01T00:00:00Z to 2107-12-31T23:59:58Z: the times that a zip can hold."""


def pack(path: Path, members: Mapping[str, Path], epoch: int) -> dict[str, str | int]:
    """Write the archive `path`, its format by its name, and return `{"codec", "level", "content"}`.

    Args:
        path: the file to write.
        members: name in the archive → file, in their order.
        epoch: the time of every member, seconds since 1970.
    """
    content = hashlib.sha256()
    with path.open("wb") as file:
        os.fchmod(file.fileno(), 0o644)
        if path.name.endswith(".zip"):
            _zip(file, members, epoch, content)
        else:
            _tar_gz(file, members, epoch, content)
    return {"codec": f"zlib {zlib.ZLIB_RUNTIME_VERSION}", "level": LEVEL, "content": content.hexdigest()}


def inputs(members: Mapping[str, Path], epoch: int, known: Mapping[str, str]) -> str:
    """Return the digest of everything that decides an archive's bytes; `known`: SHA-256 of members read already."""
    listed = [[name, f"{_mode(path):o}", known.get(name) or sha256_file(path)] for name, path in members.items()]
    codec = f"zlib {zlib.ZLIB_RUNTIME_VERSION}"
    return hashlib.sha256(canonical.dumps([codec, LEVEL, epoch, listed])).hexdigest()


def _mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & 0o100 else 0o644


class _Gzip(io.RawIOBase):
    """A gzip writer whose header says nothing of the machine; hashes what goes in."""

    def __init__(self, file: IO[bytes], content: hashlib._Hash) -> None:
        self._file = file
        self._content = content
        self._deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._crc = 0
        self._size = 0
        file.write(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._content.update(data)
        self._file.write(self._deflate.compress(data))
        return len(data)

    def tell(self) -> int:
        return self._size

    def close(self) -> None:
        if not self.closed:
            self._file.write(self._deflate.flush())
            self._file.write(self._crc.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little"))
        super().close()


def _tar_gz(file: IO[bytes], members: Mapping[str, Path], epoch: int, content: hashlib._Hash) -> None:
    import tarfile

    with _Gzip(file, content) as gzip, tarfile.open(fileobj=gzip, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, source in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = source.stat().st_size, epoch, _mode(source)
            entry.uid = entry.gid = 0
            with source.open("rb") as data:
                tar.addfile(entry, data)


def _zip(file: IO[bytes], members: Mapping[str, Path], epoch: int, content: hashlib._Hash) -> None:
    import zipfile

    when = time.gmtime(min(max(epoch, _ZIP_FROM), _ZIP_TO))[:6]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name, source in members.items():
            entry = zipfile.ZipInfo(name, when)
            entry.create_system, entry.compress_type = 3, zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100000 | _mode(source)) << 16
            entry.file_size = source.stat().st_size
            with source.open("rb") as data, archive.open(entry, "w") as packed:
                while block := data.read(_BLOCK):
                    content.update(block)
                    packed.write(block)
