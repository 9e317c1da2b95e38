"""Reads one HTTP/1.1 answer from bytes that arrive in pieces (RFC 9112, sections 4 to 6)."""

from __future__ import annotations

from typing import NamedTuple

MOST = 64 * 1024  # bytes of one answer; orders are answered in a few dozen


class Answer(NamedTuple):
    """A whole answer: its status, whether the server closes the connection after it, and its length in bytes."""

    status: int
    close: bool
    length: int


def parse(data: bytes | bytearray) -> Answer | None:
    """The answer at the start of `data`, or None while it is not whole; ValueError when it is not an HTTP answer."""
    if len(data) > MOST:
        raise ValueError(f"an answer of more than {MOST} bytes")
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if data and not b"HTTP/1.".startswith(bytes(data[:7])):
            raise ValueError(f"not HTTP: {bytes(data[:16])!r}")
        return None
    start, *lines = bytes(data[:end]).split(b"\r\n")
    status = _status(start)
    fields = {
        name.strip().lower(): value.strip().lower() for name, _, value in (line.partition(b":") for line in lines)
    }
    close = b"close" in fields.get(b"connection", b"") or start.startswith(b"HTTP/1.0")
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        last = data.find(b"\r\n0\r\n\r\n", end)
        return Answer(status, close, last + 7) if last >= 0 else None
    size = fields.get(b"content-length")
    if size is None or not size.isdigit():
        raise ValueError("an answer without a length")
    length = end + 4 + int(size)
    return Answer(status, close, length) if len(data) >= length else None


def _status(line: bytes) -> int:
    version, _, rest = line.partition(b" ")
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or not rest[:3].isdigit():
        raise ValueError(f"not HTTP: {line[:16]!r}")
    return int(rest[:3])
