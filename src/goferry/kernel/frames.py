"""What the client and the host agent say to each other: versioned frames on a byte stream.

A frame is `GF` · version (1 byte) · header length (4 bytes) · payload length (4 bytes) · header · payload, big-endian.
The header is canonical JSON, an object. Both lengths are limited, so neither side can make the other buffer without
bound, and what is not a frame of this version is an error at its first wrong byte.
"""

from __future__ import annotations

import struct
from typing import IO

from goferry.kernel import canonical

VERSION = 1
MAX_HEADER = 1 << 20
MAX_PAYLOAD = 4 << 20
_HEAD = struct.Struct(">2sBII")
_BEGIN = b"GF%c" % VERSION


class BadFrame(ValueError):
    """The bytes are not a frame of this version within the limits."""


def encode(header: dict[str, object], payload: bytes = b"") -> bytes:
    """Return one frame.

    Raises:
        BadFrame: when header or payload is over its limit.
    """
    text = canonical.dumps(header)
    if len(text) > MAX_HEADER or len(payload) > MAX_PAYLOAD:
        raise BadFrame(f"a frame of {len(text)} + {len(payload)} bytes is over the limit")
    return _HEAD.pack(b"GF", VERSION, len(text), len(payload)) + text + payload


def read(stream: IO[bytes]) -> tuple[dict[str, object], bytes] | None:
    """Read one frame; None when the stream ends between frames.

    Raises:
        BadFrame: on anything but a whole frame.
    """
    head = b""
    while len(head) < _HEAD.size:  # judged as it comes: who speaks another protocol need not send a whole head
        part = stream.read(_HEAD.size - len(head))
        if not part:
            if head:
                raise BadFrame("the stream ended inside a frame")
            return None
        head += part
        _refuse_other(head[: len(_BEGIN)])
    _, _, header_size, payload_size = _HEAD.unpack(head)
    if header_size > MAX_HEADER or payload_size > MAX_PAYLOAD:
        raise BadFrame(f"a frame of {header_size} + {payload_size} bytes is over the limit")
    header = _header(_exactly(stream, header_size))
    return header, _exactly(stream, payload_size)


def _refuse_other(begin: bytes) -> None:
    if _BEGIN.startswith(begin):
        return
    if begin[:2] != b"GF":
        raise BadFrame(f"not a frame: it begins with {begin[:2]!r}")
    raise BadFrame(f"a frame of version {begin[2]}; this side speaks {VERSION}")


def _header(data: bytes) -> dict[str, object]:
    try:
        header = canonical.loads(data)
    except ValueError as error:
        raise BadFrame(f"the header: {error}") from error
    if not isinstance(header, dict):
        raise BadFrame("the header is not an object")
    return header


def _exactly(stream: IO[bytes], size: int) -> bytes:
    parts = []
    missing = size
    while missing:
        # A stream without a buffer may give less than it is asked for.
        part = stream.read(missing)
        if not part:
            raise BadFrame("the stream ended inside a frame")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
