r"""Files of variables as systemd reads them (systemd.exec(5), EnvironmentFile=), and how one is changed; pure.

The reader is systemd's own machine, character by character, so that a file which people wrote by hand is understood as
it is. What is written is quoted such that systemd, of any version that a host may have, reads exactly the value.

    # a comment, as is a line that begins with ;
    NAME=value of one or more words
    NAME="quoted: \" \\ \$ \` stand for themselves, and a line feed for itself"
    NAME='quoted, and nothing in it means anything else'
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_VALUE = 100_000
"""Bytes of a value. Linux starts no program with a variable of 128 KiB (execve(2))."""
_REFUSED = re.compile(
    r"LD_.*|LISTEN_.*|NOTIFY_SOCKET|GOFERRY_.*|OPENSSL_.*|GCONV_PATH|LOCPATH|GLIBC_TUNABLES"
    r"|STATE_DIRECTORY|RUNTIME_DIRECTORY|CREDENTIALS_DIRECTORY|JOURNAL_STREAM|INVOCATION_ID|SYSTEMD_EXEC_PID"
)
"""What the dynamic linker, the C library or OpenSSL of the program before the service would obey, or systemd sets."""
_DEBUG = "GODEBUG"
"""What it switches off are checks of Go's own libraries."""
_SPACE, _NEWLINE, _ESCAPED = " \t\n\r", "\n\r", '"\\`$'
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
"""Control characters but tab and line feed, for which older versions of systemd pass an assignment over."""
_NONE = re.compile(
    "[\ufdd0-\ufdef" + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF)) + "]"
)
"""Code points that stand for no character: of a file that has one in a name or a value systemd reads nothing."""


class EnvFileError(ValueError):
    """The file can't be changed safely; the text says why and where."""


class Assignment(NamedTuple):
    """One of the file's.

    Attributes:
        start, end: where it stands in the text, its line feed included.
    """

    name: str
    value: str
    start: int
    end: int


def refused(name: str, *, debug: bool = False) -> str:
    """Return why a service may not be given a variable of the name, or an empty text; `debug` allows GODEBUG."""
    if not NAME.fullmatch(name):
        return "is not a name: letters, digits and _, and no digit first"
    if _REFUSED.fullmatch(name):
        return "decides what is started, or how, and is not a value of a service"
    if name == _DEBUG and not debug:
        return "switches checks of Go's libraries off"
    return ""


def unwritable(value: str) -> str:
    """Return why systemd would not take the value, or an empty text; the value is not in it."""
    if len(value.encode("utf-8", "surrogatepass")) > MAX_VALUE:
        return f"has more than {MAX_VALUE} bytes"
    if "\r" in value:
        return "has a carriage return; the lines of the input end as Windows writes them"
    if _CONTROL.search(value) or _NONE.search(value):
        return "has a control character, or bytes that are not UTF-8"
    return ""


def quoted(value: str) -> str:
    """Return the value as the file has it."""
    return '"' + "".join("\\" + each if each in _ESCAPED else each for each in value) + '"'


def values(data: bytes) -> dict[str, str]:
    """Return what a service gets of a file."""
    if unread(data):
        return {}
    taken = {each.name: _encoded(each.value).decode() for each in _Reader(_text(data)).assignments}
    return {name: value for name, value in taken.items() if NAME.fullmatch(name)}


def unread(data: bytes) -> str:
    """Return why systemd reads nothing of a file, or an empty text.

    It judges names and values alone: a comment, or a line without =, may have any bytes but NUL.
    """
    if b"\0" in data:
        return "it has a NUL byte, and systemd then reads nothing of it"
    reader = _Reader(_text(data))
    for each in reader.assignments:
        for part in (each.name, each.value):
            if why := _not_utf8(_encoded(part)):
                return f"line {reader.line(each.start)} {why}, and systemd then reads nothing of the file"
    return ""


def _not_utf8(data: bytes) -> str:
    try:
        found = _NONE.search(data.decode())
    except UnicodeDecodeError:
        return "gives a value that is not UTF-8"
    return f"has the code point U+{ord(found[0]):04X}" if found else ""


def _text(data: bytes) -> str:
    """Return a file as text of which `_encoded` makes the same bytes again."""
    return data.decode("utf-8", "surrogateescape")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def edited(data: bytes, values: Mapping[str, str], removed: Collection[str] = ()) -> bytes:
    """Return the file with other values, and without those of `removed`; all else stays as it stands.

    A variable that stands there several times keeps its last place, the one that counts.

    Raises:
        EnvFileError: systemd would read the file otherwise than its text says, or not at all.
    """
    text, assignments = _whole(data)
    last = {each.name: each for each in assignments}
    parts, done = [], 0
    for each in assignments:
        if each.name in values or each.name in removed:
            parts.append(text[done : each.start])
            if each.name in values and last[each.name] is each:
                same = each.value == values[each.name]
                parts.append(text[each.start : each.end] if same else _line(each.name, values[each.name]))
            done = each.end
    parts.append(text[done:])
    kept = "".join(parts)
    added = [_line(name, value) for name, value in values.items() if name not in last]
    # A value that ends with an escaped line feed goes on in the next line.
    if added and kept and (not kept.endswith("\n") or _Reader(kept).unended):
        kept += "\n"
    data = _encoded(kept + "".join(added))
    before = {each.name: each.value for each in assignments if each.name not in removed}
    if {each.name: each.value for each in _whole(data)[1]} != {**before, **values}:
        raise EnvFileError("systemd would read other values than those asked for; edit the file by hand")
    return data


def checked(data: bytes) -> dict[str, str]:
    """Return what a service gets of a file, in the order of the file.

    Raises:
        EnvFileError: as `edited` does.
    """
    _whole(data)
    return values(data)


def _line(name: str, value: str) -> str:
    return f"{name}={quoted(value)}\n"


def _whole(data: bytes) -> tuple[str, list[Assignment]]:
    """Return a file's text and what it assigns, when every version of systemd reads it as it looks."""
    if why := unread(data):
        raise EnvFileError(why)
    text = _text(data)
    found = _Reader(text)
    if found.open:
        raise EnvFileError(f"line {found.line(found.begun)} begins a value that does not end")
    if found.continued >= 0:
        raise EnvFileError(
            f"line {found.line(found.continued)} is a comment that ends with a backslash, and systemd before 254 "
            "takes the next line for a part of it"
        )
    return text, found.assignments


class _Reader:
    """systemd's reader (src/basic/env-file.c).

    Attributes:
        assignments: what it finds. open: whether the text ends within quotes, or behind a backslash.
        unended: whether its last assignment ends with the text, and not with a line feed of its own.
        begun: where that one begins. continued: where a comment ends with a backslash, -1 where none does.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self.assignments: list[Assignment] = []
        self.open, self.unended, self.begun, self.continued = False, False, 0, -1
        place = 0
        while place < len(text):
            place = self._statement(place)

    def line(self, place: int) -> int:
        """Return the number of a place's line."""
        return self._text.count("\n", 0, place) + 1

    def _statement(self, place: int) -> int:
        """Read what begins at a place: space, a comment, or an assignment; return where the next one begins."""
        first = self._text[place]
        if first in _SPACE:
            return place + 1
        if first in "#;":
            return self._comment(place)
        end = self._end_of_line(place)
        equals = self._text.find("=", place + 1, end)
        # A line without = says nothing, and systemd passes it over.
        return self._assignment(place, equals) if equals >= 0 else end + 1

    def _end_of_line(self, place: int) -> int:
        ends = [found for found in (self._text.find(each, place) for each in _NEWLINE) if found >= 0]
        return min(ends, default=len(self._text))

    def _comment(self, place: int) -> int:
        end = self._end_of_line(place)
        # An escaped backslash escapes nothing.
        backslashes = len(self._text[place:end]) - len(self._text[place:end].rstrip("\\"))
        if backslashes % 2 and self.continued < 0:
            self.continued = place
        return end + 1

    def _assignment(self, start: int, equals: int) -> int:
        self.begun = start
        value = ""
        kept, end = 0, len(self._text)
        for text, whole, place in self._pieces(equals + 1):
            value, end = value + text, place
            # Trailing space goes where it is neither quoted nor escaped.
            kept = len(value) if whole else max(kept, len(value.rstrip(_SPACE)))
        self.assignments.append(Assignment(self._text[start:equals].rstrip(_SPACE), value[:kept], start, end))
        return end

    def _pieces(self, place: int) -> Iterator[tuple[str, bool, int]]:
        """Yield a value's pieces: the text, whether its space at the end stays, and where the next one begins."""
        fresh = True  # where a quote opens, and space is passed over
        while place < len(self._text):
            each = self._text[place]
            place += 1
            if each in _NEWLINE:
                yield "", False, place
                return
            if each == "\\":
                self.open = place >= len(self._text)
                taken = self._text[place : place + 1]
                place += 1
                fresh = False
                yield ("" if taken in _NEWLINE else taken), True, place
            elif fresh and each in "'\"":
                text, place = self._quoted(each, place)
                yield text, True, place
            elif fresh and each in _SPACE:
                continue
            else:
                fresh = False
                yield each, False, place
        self.unended = True

    def _quoted(self, quote: str, place: int) -> tuple[str, int]:
        """Return what stands within quotes, and where they end."""
        text = ""
        while place < len(self._text):
            each = self._text[place]
            place += 1
            if each == quote:
                return text, place
            if each == "\\" and quote == '"':
                each, place = self._text[place : place + 1], place + 1
                text += each if each in _ESCAPED else "" if each == "\n" else "\\" + each
            else:
                text += each
        self.open = True
        return text, place
