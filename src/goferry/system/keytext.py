"""Keys as people hand them on: what became of a key's text on the way, found before a tool reads it.

Tools say "invalid format" of a key that was pasted with an indent, lost its line ends or its last lines, or is base64
of a key. What is harmless is undone here; all else is named. Whether it is the right kind of key, its reader says.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re

MAX_BYTES = 1 << 20
_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,60})-----")
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_SPACE = re.compile(rb"\s+")


def plain(data: bytes) -> bytes:
    """Return text that begins with a byte order mark as UTF-8 without it, else `data` itself.

    PowerShell's `>` writes such text.
    """
    for mark, codec in _MARKS.items():
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode(codec).encode()
            except UnicodeError:
                return data
    return data


def unwrapped(data: bytes) -> bytes:
    """Return a key's text without what became of it: UTF-16, and base64 when it is that of such a text."""
    text = plain(data)
    inner = plain(decoded(text))
    return inner if _BEGIN.search(inner[:4096]) or inner.startswith(b"untrusted comment:") else text


def decoded(data: bytes) -> bytes:
    """Return what `data` is base64 of, white space in it and quotes around it left out; nothing where it is none."""
    try:
        return base64.b64decode(_SPACE.sub(b"", data).strip(b"\"'"), validate=True)
    except binascii.Error:
        return b""


def label(data: bytes) -> str:
    """Return what the text says that it holds, `PGP PRIVATE KEY BLOCK`; empty without a line that begins a block."""
    return next(iter(labels(data)), "")


def labels(data: bytes) -> list[str]:
    """Return what each of the text's blocks says that it holds, in order."""
    return [found.decode("ascii") for found in _BEGIN.findall(data)]


def flaw(data: bytes) -> str:
    """Return what became of a key's text on the way, as the rest of a sentence about it; empty when nothing did.

    Asked of text that has a `label`; binary keys have none.
    """
    found = _BEGIN.search(data)
    if not data.strip():
        return "is empty"
    if not found:
        return ""
    end = b"-----END " + found[1] + b"-----"
    block = data[found.start() :].partition(end)[0].strip()
    if rb"\n" in block or len(block.splitlines()) == 1:
        return "has lost its line ends: it is on one line"
    if end not in data:
        return f"is cut off: its last line, {end.decode('ascii')}, is missing"
    return ""


def indented(data: bytes) -> bool:
    """Tell whether a line of the key is set in, as text is that was copied out of a YAML file."""
    found = _BEGIN.search(data)
    block = data[data.rfind(b"\n", 0, found.start()) + 1 :] if found else b""
    return any(line[:1] in {b" ", b"\t"} for line in block.splitlines())
