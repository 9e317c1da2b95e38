"""The event stream as a file: one JSON object a line (NDJSON), so that a report can be drawn later and elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import msgspec
from msgspec.structs import asdict

from goferry.kernel.errors import Misuse
from goferry.observe.events import Event

_EMPTY = {"kind": "", "trace": "", "span": "", "parent": "", "stage": ""}
"""What `as_line` leaves out of the fields that an event must have."""
_LAST = 253_402_300_799
"""The last second of the year 9999: the timeline's axis ends somewhere."""


class EventLogInvalid(Misuse):
    """A file is not an event log, which has one JSON object per line.

    Usual causes: the path of another file, or a log that was edited by hand.
    """

    name = "event-log-invalid"


class EventLog:
    """A renderer that appends every event to a file; each line reaches the file at once.

    with EventLog(path) as log:
        stream = Stream([log])
    """

    def __init__(self, path: Path) -> None:
        """Start a new file at `path`."""
        self._path = path
        self._file: TextIO = path.open("w", encoding="utf-8")

    def __enter__(self) -> Self:
        """Return the renderer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def __call__(self, event: Event) -> None:
        """Append one event."""
        self._file.write(as_line(event))
        # A process that is killed leaves the lines that explain it.
        self._file.flush()


def as_line(event: Event) -> str:
    """Return an event as one line of JSON with its newline; fields at their defaults are left out."""
    # Most fields of most events are empty; `_EMPTY` puts back those that an event must have.
    record = {key: value for key, value in asdict(event).items() if value or key == "kind"}
    return json.dumps(record, separators=(",", ":")) + "\n"


def read(path: Path) -> list[Event]:
    """Read an event log back; a last line that was cut off (the writer was killed) is left out.

    Raises:
        EventLogInvalid: when a whole line is not an event: a field or a type that none has, a time that can't be.
    """
    lines = path.read_text(encoding="utf-8").split("\n")
    return [_event(line, f"{path}:{number}") for number, line in enumerate(lines[:-1], 1) if line]


def _event(line: str, where: str) -> Event:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        # A file of another's making may be nested deeper than Python reads.
        raise EventLogInvalid(f"{where} is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise EventLogInvalid(f"{where} is not an event")
    try:
        event = msgspec.convert({**_EMPTY, **record}, Event)
    except msgspec.ValidationError as error:
        raise EventLogInvalid(f"{where} is not an event: {error}") from error
    if not 0 <= event.start <= _LAST or not 0 <= event.end <= _LAST:  # nor is NaN
        raise EventLogInvalid(f"{where} is not an event: a time is from 0 to {_LAST} seconds")
    return event
