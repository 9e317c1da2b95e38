"""What services wrote, line by line, of one host or of all together in the order of time; read a page at a time.

Each host is read by a thread of its own over one connection. Reading takes no lock, and a session that reads is one of
those that a host ends first when others need its place; whoever follows then comes back, and goes on behind the last
line. A host that can't be reached hides no other's lines.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, tzinfo
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from goferry.deploy._session import HostSession
from goferry.deploy.reading import Answer, Row, unlike, whole
from goferry.kernel.errors import GoferryError, Unreachable
from goferry.kernel.outcomes import AgentLost, SessionIdle, of_defect

LONGEST = 4000
"""Characters that are kept of a line."""
EACH, PAUSE, TRIES = 1.0, 3.0, 20
"""Seconds between two questions of one who follows; before a host that was lost is asked again; and how often."""
AHEAD = 3
"""Pages that are read of a host before they are shown."""
LATE = 3.0
"""Seconds that a host may keep the others' lines waiting for its own, once they are followed."""
STALLED = 5
"""Pages in a row that may bring nothing though there is more."""
_LAST = 253_370_764_800.0
"""The first second of the year 9999."""
Source = Callable[[], AbstractContextManager[HostSession]]
"""Opens a connection to one host."""


class LogQuery(Struct, frozen=True):
    """What is read.

    Attributes:
        services: whose; empty: all. version: empty: what is live. since: seconds since the epoch, 0: all.
        lines: the last ones of each host, None: all. follow: whether to go on with what is written next.
    """

    services: Sequence[str] = ()
    version: str = ""
    since: float = 0.0
    lines: int | None = None
    follow: bool = False

    @property
    def asked(self) -> int:
        """How many lines a host is asked for, 0 for all; where none is wanted one, as it says where the next begins."""
        return 0 if self.lines is None else max(1, self.lines)


class LogLine(Struct, frozen=True):
    """A line; `at` in microseconds since the epoch, 0 where it has no time."""

    host: str
    service: str
    version: str
    at: int
    text: str

    @property
    def time(self) -> str:
        """When it was written, RFC 3339 in UTC; empty where that is not known."""
        return self._time(UTC).replace("+00:00", "Z")

    @property
    def local_time(self) -> str:
        """The same in this machine's time zone."""
        return self._time(None)

    def _time(self, zone: tzinfo | None) -> str:
        if not self.at:
            return ""
        # An answer may hold any number, and years end at 9999.
        seconds = min(self.at / 1e6, _LAST)
        return datetime.fromtimestamp(seconds, UTC).astimezone(zone).isoformat(timespec="milliseconds")

    def as_json(self) -> dict[str, object]:
        """Return `{"time", "host", "service", "version", "line"}`."""
        return {
            "time": self.time,
            "host": self.host,
            "service": self.service,
            "version": self.version,
            "line": self.text,
        }


class HostLost(Struct, frozen=True):
    """A host that could not be read, or no more; `again`: it is asked again."""

    host: str
    error: GoferryError
    again: bool = False


class LogPage(Struct, frozen=True):
    """A page of a host's lines, where the next one begins, and whether there is more to read now."""

    lines: tuple[LogLine, ...]
    after: tuple[str, ...] = ()
    more: bool = False

    @classmethod
    def read(cls, host: str, answer: Answer) -> LogPage:
        """Read the answer to `read-logs`; malformed lines are left out.

        Raises:
            AgentLost: it is none.
        """
        row = Row(answer)
        parts = [Row(each) for each in row.rows("parts")]
        found = []
        for entry in row.need("lines", list):
            number, at, text = entry if isinstance(entry, list) and len(entry) == 3 else (None, None, None)
            part, stamp = whole(number, len(parts) - 1), whole(at)
            if part is None or stamp is None or not isinstance(text, str):
                raise unlike("lines", entry)
            found.append(LogLine(host, parts[part].text("service"), parts[part].text("version"), stamp, text[:LONGEST]))
        return cls(tuple(found), row.texts("after"), row.flag("more"))


LogEvent = LogLine | HostLost


def read(sources: Mapping[str, Source], query: LogQuery) -> Iterator[LogEvent]:
    """Yield what the hosts' services wrote, in the order of time; with `follow` until all hosts are gone."""
    merge = _Merge(sources, query)
    try:
        yield from merge.events()
    finally:
        merge.stop.set()
        for reader in merge.readers.values():
            reader.credit.release()
        for reader in merge.readers.values():
            if reader.thread is not None:
                reader.thread.join(1)


class _Page(Struct, frozen=True):
    """What a reader found: lines, and whether it is up to date with what is written."""

    lines: tuple[LogLine, ...] = ()
    current: bool = False
    lost: HostLost | None = None
    over: bool = False


class _Reader(Struct):
    """One host's: what was read and not shown, and when it was heard of last.

    Attributes:
        waits: whether what comes next may be older than others' lines. over: whether nothing comes any more.
    """

    pages: deque[deque[LogLine]] = field(default_factory=deque)
    credit: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AHEAD))
    heard: float = field(default_factory=time.monotonic)
    waits: bool = True
    over: bool = False
    thread: threading.Thread | None = None


class _Merge:
    """All hosts' lines in one order."""

    def __init__(self, sources: Mapping[str, Source], query: LogQuery) -> None:
        self.query, self.stop = query, threading.Event()
        self.readers = {host: _Reader() for host in sources}
        self._found: queue.Queue[tuple[str, _Page]] = queue.Queue()
        for host, source in sources.items():
            reader = self.readers[host]
            reader.thread = threading.Thread(target=self._read, args=(host, source, reader.credit), daemon=True)
            reader.thread.start()

    def events(self) -> Iterator[LogEvent]:
        while True:
            yield from self._ready()
            if all(reader.over for reader in self.readers.values()):
                return
            try:
                host, page = self._found.get(timeout=LATE if self.query.follow else None)
            except queue.Empty:
                self._give_up_waiting()
                continue
            reader = self.readers[host]
            reader.heard = time.monotonic()
            if page.lines:
                reader.pages.append(deque(page.lines))
            elif not page.over:
                reader.credit.release()
            reader.waits = reader.waits and not (page.current or page.over)
            reader.over = page.over
            if page.lost is not None:
                yield page.lost
            self._give_up_waiting()

    def _give_up_waiting(self) -> None:
        """Show lines of hosts that are followed without those of one that is late; its own come when they come."""
        if self.query.follow:
            for reader in self.readers.values():
                reader.waits = reader.waits and time.monotonic() - reader.heard < LATE

    def _ready(self) -> Iterator[LogLine]:
        """Yield the lines before which none can come any more."""
        while not any(reader.waits and not reader.pages for reader in self.readers.values()):
            full = [reader for reader in self.readers.values() if reader.pages]
            if not full:
                return
            reader = min(full, key=lambda each: each.pages[0][0].at)
            page = reader.pages[0]
            yield page.popleft()
            if not page:
                reader.pages.popleft()
                reader.credit.release()

    def _read(self, host: str, source: Source, credit: threading.Semaphore) -> None:
        try:
            for page in self._all(host, source, credit):
                self._found.put((host, page))
        except Exception as defect:  # noqa: BLE001  whatever it is, nobody may wait for this host forever
            self._found.put((host, _Page(lost=HostLost(host, of_defect(defect)))))
        self._found.put((host, _Page(over=True)))

    def _all(self, host: str, source: Source, credit: threading.Semaphore) -> Iterator[_Page]:
        """Yield what a host wrote; one that is lost while it is followed is connected to again."""
        failures, last = 0, None
        while not self.stop.is_set():
            try:
                with source() as session:
                    for page in self._pages(host, session, credit, last):
                        failures, last = 0, page
                        yield _Page(page.lines, not page.more)
            except Unreachable as error:
                failures += 1
                if not self.query.follow or failures > TRIES:
                    raise
                # A host that needs the place of a session that only reads is well.
                idle = isinstance(error, SessionIdle)
                yield _Page(current=True, lost=None if idle else HostLost(host, error, again=True))
                self.stop.wait(PAUSE)
            else:
                return

    def _pages(
        self, host: str, session: HostSession, credit: threading.Semaphore, last: LogPage | None
    ) -> Iterator[LogPage]:
        """Yield the pages behind the last one: all that there are, and while they are followed one a second."""
        query, stalled = self.query, 0
        wanted: dict[str, Any] = {"services": list(query.services), "version": query.version}
        wanted["candidates"] = query.follow
        while True:
            credit.acquire()
            if self.stop.is_set():
                return
            begin: dict[str, Any] = {"after": list(last.after)} if last is not None and last.after else {}
            if not begin:
                # Where a page was empty, all that comes next is wanted, and not its last lines alone.
                begin = {"since_ms": int(query.since * 1000), "lines": 0 if last is not None else query.asked}
            page = LogPage.read(host, session.ask("read-logs", **{**wanted, **begin}))
            stuck = page.more and not page.lines and page.after == (last.after if last is not None else ())
            stalled = stalled + 1 if stuck else 0
            if stalled > STALLED:
                raise AgentLost(f"{host} answered {STALLED} times without a page of its logs")
            if last is None and query.lines == 0:
                page = replace(page, lines=())
            yield page
            if stuck:
                continue
            last = page
            if page.more:
                continue
            if not query.follow:
                return
            self.stop.wait(EACH)
