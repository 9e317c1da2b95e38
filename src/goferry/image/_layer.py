"""Layers: a tar of entries and its gzip, the same bytes for the same entries (OCI image-spec 1.1, layer.md).

Nothing comes from the machine: owner, mode and time are given, the order is the path's, and the gzip header (RFC 1952,
section 2.3) holds no time, no name and the unknown operating system.
"""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

LEVEL = 6
"""zlib's level; 9 is three times slower for 0.6 % less."""


def compressor() -> str:
    """Name the compressor: equal layers on two machines need an equal one."""
    return f"zlib {zlib.ZLIB_RUNTIME_VERSION} level {LEVEL}"


@dataclass(frozen=True)
class LayerEntry:
    """A folder (`data` is None) or a file.

    Attributes:
        path: without a slash at its start or end. mode: permission bits. uid, gid: numeric owner. data: a file's bytes.
    """

    path: str
    mode: int
    uid: int = 0
    gid: int = 0
    data: bytes | None = None


@dataclass(frozen=True)
class Layer:
    """A layer, ready to be a blob.

    Attributes:
        blob: the gzip's bytes. diff_id: `sha256:` of the tar (config.md, "Layer DiffID"). sizes: path → bytes of files.
    """

    blob: bytes
    diff_id: str
    sizes: dict[str, int]


def layer(entries: Iterable[LayerEntry], mtime: int) -> Layer:
    """Make a layer; `mtime` in seconds since the epoch is every entry's time."""
    ordered = sorted(entries, key=lambda entry: entry.path.split("/"))
    plain = tar(ordered, mtime)
    sizes = {f"/{entry.path}": len(entry.data) for entry in ordered if entry.data is not None}
    return Layer(gzip(plain), digest(plain), sizes)


def tar(entries: Iterable[LayerEntry], mtime: int) -> bytes:
    """Return the tar archive (POSIX ustar; pax headers only for names that ustar can't hold)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.path + ("/" if entry.data is None else ""))
            info.type = tarfile.DIRTYPE if entry.data is None else tarfile.REGTYPE
            info.mode, info.uid, info.gid, info.mtime = entry.mode, entry.uid, entry.gid, mtime
            info.size = len(entry.data or b"")
            archive.addfile(info, io.BytesIO(entry.data) if entry.data is not None else None)
    return buffer.getvalue()


def gzip(data: bytes) -> bytes:
    """Compress into one gzip member with a fixed header."""
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(data) + deflate.flush()
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def digest(data: bytes) -> str:
    """Return `sha256:<hex>` (OCI image-spec 1.1, descriptor.md, "Digests")."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
