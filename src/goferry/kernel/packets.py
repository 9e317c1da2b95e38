"""OpenPGP's outer forms: ASCII armor and packets (RFC 4880 and RFC 9580, sections 4 to 6), read strictly.

Tools differ in what they tolerate around and between blocks, and in which of several signatures they judge. So this
reader comes before any of them and accepts one armor block with nothing around it, and packets of definite length.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

# `Hash` stands in a message with its own text, and `MessageID` in one in parts: both are refused.
_HEADER = re.compile(rb"(Version|Comment|Charset): [\x20-\x7e\x80-\xff]*")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{1,76}={0,2}")

# Types of packets (RFC 9580, section 5). Marker, Trust and Padding mean nothing in a certificate.
SIGNATURE, SECRET_KEY, PUBLIC_KEY, SECRET_SUBKEY, USER_ID, PUBLIC_SUBKEY, USER_ATTRIBUTE = 2, 5, 6, 7, 13, 14, 17
MARKER, TRUST, PADDING = 10, 12, 21


class FormError(ValueError):
    """The bytes are not what they should be; the text says where."""


class Surrounded(FormError):
    """There is more than one block, or something around it."""


def dearmor(data: bytes, kind: str) -> bytes:
    """Return the binary content of the only armor block of `kind` (`PGP SIGNATURE`, `PGP PUBLIC KEY BLOCK`).

    White space may follow the block; the CRC is checked where there is one (RFC 9580, section 6.1).

    Raises:
        Surrounded: when there is text around the block or a second block.
        FormError: when the block is broken or of another kind.
    """
    begin, end = b"-----BEGIN " + kind.encode() + b"-----", b"-----END " + kind.encode() + b"-----"
    # Mail and editors add CR and blanks at the ends of lines, where nothing is said.
    lines = [line.rstrip(b"\r\t ") for line in data.split(b"\n")]
    while lines and not lines[-1]:
        lines.pop()
    if begin not in lines:
        raise FormError(f"there is no line {begin.decode()}")
    if end not in lines:
        raise FormError("the armor has no end; the file is cut off")
    if lines[0] != begin or lines.index(end) != len(lines) - 1 or lines.count(begin) != 1:
        raise Surrounded("there is something before or after the armor block")
    return _body(lines[1:-1])


def _body(lines: list[bytes]) -> bytes:
    if b"" not in lines:
        raise FormError("the armor has no empty line after its headers")
    start = lines.index(b"")
    if not all(_HEADER.fullmatch(line) for line in lines[:start]):
        raise FormError("the armor has an unknown header")
    body, checksum = lines[start + 1 :], b""
    # The checksum's line: base64 has its padding at the end of a line, never at the beginning.
    if body and body[-1].startswith(b"="):
        checksum = body.pop()[1:]
    if not body or not all(_BASE64.fullmatch(line) for line in body):
        raise FormError("the armor's text is not base64")
    try:
        content = base64.b64decode(b"".join(body), validate=True)
        expected = base64.b64decode(checksum, validate=True)
    except binascii.Error:
        raise FormError("the armor's text is not base64") from None
    if checksum and expected != _crc24(content):
        raise FormError("the armor's checksum is wrong")
    return content


def armor(content: bytes, kind: str) -> bytes:
    """Return `content` as one armor block of `kind`."""
    text = base64.b64encode(content)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    label = kind.encode()
    checksum = b"=" + base64.b64encode(_crc24(content))
    return b"\n".join([b"-----BEGIN " + label + b"-----", b"", *lines, checksum, b"-----END " + label + b"-----", b""])


def _crc24_step(crc: int) -> int:
    for _ in range(8):
        crc <<= 1
        if crc & 0x1000000:
            # CRC-24's polynomial (RFC 9580, section 6.1).
            crc ^= 0x1864CFB
    return crc


_CRC24 = tuple(_crc24_step(byte << 16) for byte in range(256))


def _crc24(data: bytes) -> bytes:
    crc = 0xB704CE
    for byte in data:
        crc = (crc << 8 & 0xFFFFFF) ^ _CRC24[crc >> 16 ^ byte]
    return crc.to_bytes(3, "big")


def encode(kind: int, body: bytes) -> bytes:
    """Return one packet, its length in five bytes (RFC 9580, section 4.2.1)."""
    return bytes([0xC0 | kind, 0xFF]) + len(body).to_bytes(4, "big") + body


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each packet's type and body.

    Raises:
        FormError: on partial or indeterminate lengths, and when the data ends inside a packet.
    """
    offset = 0
    while offset < len(data):
        kind, length, offset = _head(data, offset)
        if offset + length > len(data):
            raise FormError("the data ends inside a packet")
        yield kind, data[offset : offset + length]
        offset += length


def _head(data: bytes, offset: int) -> tuple[int, int, int]:
    first = data[offset]
    if not first & 0x80:
        raise FormError("this is not an OpenPGP packet")
    # The new form. gpg writes keys and signatures in the old one, below.
    if first & 0x40:
        length, after = variable_length(data, offset + 1)
        return first & 0x3F, length, after
    # Type 3 has no length and goes on to the end, whatever somebody adds there.
    size = (1, 2, 4, 0)[first & 3]
    if not size:
        raise FormError("a packet has no definite length")
    return first >> 2 & 15, int.from_bytes(take(data, offset + 1, size), "big"), offset + 1 + size


def variable_length(data: bytes, offset: int) -> tuple[int, int]:
    """Read a length of one, two or five bytes (RFC 9580, section 4.2.1); return it and the offset behind it."""
    first = take(data, offset, 1)[0]
    if first < 192:
        return first, offset + 1
    if first < 224:
        return ((first - 192) << 8) + take(data, offset + 1, 1)[0] + 192, offset + 2
    if first == 255:
        return int.from_bytes(take(data, offset + 1, 4), "big"), offset + 5
    raise FormError("a packet has no definite length")


def take(data: bytes, offset: int, size: int) -> bytes:
    """Return `size` bytes.

    Raises:
        FormError: when there are fewer.
    """
    if offset + size > len(data):
        raise FormError("the data ends early")
    return data[offset : offset + size]
