"""Entries of systemd's journal, as `journalctl --output=json` writes them."""

from __future__ import annotations

import json
import time
from typing import NamedTuple

from goferry.kernel.digits import number

LONGEST = 4000
"""Characters that are kept of a line."""


class JournalEntry(NamedTuple):
    """An entry of systemd's journal (systemd.journal-fields(7)).

    Attributes:
        message: its lines. stamp: when, in microseconds since the epoch. invocation: of the unit that wrote it.
        unit: that unit. cursor: the entry's place in the journal.
    """

    message: str = ""
    stamp: int = 0
    invocation: str = ""
    unit: str = ""
    cursor: str = ""

    @classmethod
    def of(cls, data: bytes) -> JournalEntry:
        """Read it from a line of `journalctl --output=json`; what is cut off at ENTRY says nothing."""
        try:
            record = json.loads(data)
        except ValueError:
            return cls()
        if not isinstance(record, dict):
            return cls()
        # journald writes its numbers as strings, and a field that an entry has twice as a list.
        stamp = record.get("__REALTIME_TIMESTAMP")
        micros = number(stamp) if isinstance(stamp, str) else None
        invocation, unit, cursor = (
            str(record.get(name, "")) for name in ("_SYSTEMD_INVOCATION_ID", "_SYSTEMD_UNIT", "__CURSOR")
        )
        return cls(_text(record.get("MESSAGE")), micros or 0, invocation, unit, cursor)

    def lines(self) -> list[str]:
        """Return its lines, each behind its time."""
        return [f"{_time(self.stamp)} {line[:LONGEST]}" for line in self.message.splitlines()]


def _text(message: object) -> str:
    """Return a message as text; what is not UTF-8 comes as a list of bytes."""
    if isinstance(message, list) and all(type(each) is int and 0 <= each < 256 for each in message):
        return bytes(message).decode("utf-8", "replace")
    return message if isinstance(message, str) else ""


def _time(micros: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(micros // 1_000_000)) + f".{micros // 1000 % 1000:03}Z"
