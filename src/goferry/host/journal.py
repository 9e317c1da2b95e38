r"""The journal: one file per transaction, one line per event, on the disk before its acts begin.

A line is `<crc32, 8 hex> <canonical JSON>\n`. A torn or damaged tail (power cut) is dropped: the acts of a line that
never reached the disk were never begun. The first line holds the whole transaction, the last one its result.

A file's name is the agent's own: `_<number>-<digest of the client's id>.jsonl`, numbered by a counter that never sinks.
So the order of journals, and which is removed first, is nothing that a client chooses, and its id says only what was
asked for twice. The first agents named the file by the client's id; those are read too, and count as older.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from goferry.kernel import canonical
from goferry.kernel.errors import Failed
from goferry.kernel.fields import typed
from goferry.kernel.files import sync_folder, write_atomically

RESERVE, RESERVED = 1 << 20, ".reserve"
"""Bytes that a transaction sets aside when it begins and gives up when it goes back: that must never lack room. The
file stays afterwards, so that a rollback has them on a disk that is full."""
COUNTER = ".counter"
"""The file with the number of the journal that was begun last."""
BACK = ("failed", "abort", "silence", "recover")
KEEP, YOUNG = 20, 30 * 86_400.0
"""Settled journals that stay whatever their age; and seconds for which each stays after its last line."""
MOST = {"deploy": 10_000, "restart": 10_000, "rollback": 11_000}
"""Journals of a project with which nothing more is begun. Deploys and restarts can't use up what the way back needs."""
_OWN = re.compile(r"_([0-9]{10,})-([0-9a-f]{16})\.jsonl")


_TORN = re.compile(rb"[0-9a-f]{0,8}|[0-9a-f]{8} (\{[^\n]*)?")


class JournalFull(Failed):
    """The project already has the most journals that a host keeps, all younger than 30 days, so nothing new is started.

    Usual causes: something deploys the same project in a loop. Each journal is removed when it is 30 days old.
    """

    name = "journal-full"


def encode(record: dict[str, object]) -> bytes:
    """Return one line."""
    text = canonical.dumps(record)[:-1]
    # CRC-32 finds what a power cut tore. It is against nobody: the folder is the agent's alone.
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode(data: bytes) -> list[dict[str, object]]:
    """Return the records up to the first line that is torn or damaged."""
    records: list[dict[str, Any]] = []
    # What stands behind the last line feed was never finished.
    for line in data.split(b"\n")[:-1]:
        crc, _, text = line.partition(b" ")
        if len(crc) != 8 or crc != b"%08x" % zlib.crc32(text):
            break
        try:
            records.append(typed(canonical.loads(text), dict, "a line"))
        except (TypeError, ValueError):
            break
    return records


class Result(NamedTuple):
    """What a transaction came to.

    Attributes:
        outcome: `committed`, `aborted` or `rolled-back`; empty when it is not over.
        error: what went wrong, as a frame carries it, or None. numbers: what was measured on the way.
    """

    outcome: str = ""
    error: Mapping[str, Any] | None = None
    numbers: Mapping[str, int] = MappingProxyType({})

    @classmethod
    def of(cls, record: Mapping[str, object]) -> Result:
        """Read it from a journal's last line."""
        known: dict[str, Any] = {name: record[name] for name in cls._fields if name in record}
        return cls(**known)


@dataclass(frozen=True)
class JournalLine:
    """An event of a transaction.

    Attributes:
        phase: the one that it led to. more: what `begin` and `settled` say besides, by its names in the file.
    """

    event: str
    phase: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Mapping[str, object]) -> JournalLine:
        """Read it from the file's record."""
        more = {name: value for name, value in record.items() if name not in ("event", "phase")}
        return cls(str(record.get("event")), str(record.get("phase", "")), more)

    def record(self) -> dict[str, object]:
        """Return what the file has; JSON types."""
        return {"event": self.event, **({"phase": self.phase} if self.phase else {}), **self.more}

    @property
    def result(self) -> Result:
        """What the last line says."""
        return Result.of(self.more.get("result") or {})

    @property
    def transaction(self) -> Mapping[str, object]:
        """What the first line says of it; not believed."""
        return cast("Mapping[str, object]", self.more.get("transaction"))


class Journal:
    """One transaction's file."""

    def __init__(self, path: Path, *, spent: bool = False) -> None:
        """`spent` says that what was set aside is needed to begin at all."""
        self.path, self._spent = path, spent

    def lines(self) -> list[JournalLine]:
        """Return what is on the disk; empty when there is no file."""
        try:
            return [JournalLine.of(record) for record in decode(self.path.read_bytes())]
        except FileNotFoundError:
            return []

    def append(self, line: JournalLine) -> None:
        """Add one line and return when it survives a power cut."""
        fresh, reserve = not self.path.exists(), self.path.parent / RESERVED
        if fresh:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Before the first line: what has begun can then go back, whatever fills the disk.
            if not self._spent:
                _set_aside(reserve)
        else:
            if line.event in BACK and reserve.exists():
                reserve.unlink()
            # A line behind a torn one would never be read.
            self._cut_torn_tail()
        descriptor = os.open(str(self.path), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _write(descriptor, encode(line.record()))
            # Enough for a line that is added: it writes the file's new size too, and leaves out its times.
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        if fresh:
            # A new folder is an entry of the one above it, and any of these three may be new.
            for folder in (self.path.parent, self.path.parent.parent, self.path.parent.parent.parent):
                sync_folder(folder)

    def _cut_torn_tail(self) -> None:
        data = self.path.read_bytes()
        whole = sum(len(encode(record)) for record in decode(data))
        if whole != len(data):
            os.truncate(str(self.path), whole)


def _set_aside(path: Path) -> None:
    descriptor = os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Real blocks: a file that is only as long (ftruncate) reserves nothing.
        os.posix_fallocate(descriptor, 0, RESERVE)
    except OSError:
        # Half of one would count as a whole: whoever needs it looks only whether it is there.
        path.unlink()
        raise
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def journals(folder: Path) -> Iterator[Journal]:
    """Yield a project's journals, the oldest first."""
    own: list[tuple[int, Path]] = []
    older: list[tuple[int, Path]] = []
    for path in folder.glob("*.jsonl"):
        with contextlib.suppress(FileNotFoundError):
            if not path.is_file():
                continue
            found = _OWN.fullmatch(path.name)
            (own if found else older).append((int(found[1]) if found else path.stat().st_mtime_ns, path))
    for _, path in [*sorted(older), *sorted(own)]:
        yield Journal(path)


def unsettled(folder: Path) -> Iterator[Journal]:
    """Yield what may be unfinished. Nothing begins before that, so none is older than one that is settled."""
    for entry in reversed(list(journals(folder))):
        if not settled(entry):
            yield entry
        elif _OWN.fullmatch(entry.path.name):
            return


def begin(folder: Path, identifier: str, kind: str) -> Journal:
    """Return the journal of a new transaction, with the next number; nothing of it but the number is on the disk.

    Raises:
        JournalFull: when there are too many.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [found for found in map(_OWN.fullmatch, os.listdir(str(folder))) if found]
    if len(names) >= MOST[kind]:
        raise JournalFull(
            f"{len(names)} journals of the last 30 days lie in {folder}",
            state="Nothing was changed.",
            advice=["wait until the oldest is 30 days old", "or remove old ones by hand, on the host"],
        )
    # A counter that was lost or came from a backup must not give a number twice.
    number = max([_counted(folder), *(int(found[1]) for found in names)]) + 1
    spent = kind == "rollback" and _full(folder)
    if spent:
        # Before the counter is written, which needs room as well.
        (folder / RESERVED).unlink()
    write_atomically(folder / COUNTER, b"%d\n" % number)
    return Journal(folder / f"_{number:010}-{_digest(identifier)}.jsonl", spent=spent)


def _full(folder: Path) -> bool:
    """Whether the disk has no room but what is set aside on it."""
    space = os.statvfs(str(folder))
    return space.f_bavail * space.f_frsize < RESERVE and (folder / RESERVED).exists()


def _counted(folder: Path) -> int:
    try:
        return int((folder / COUNTER).read_bytes()[:20])
    except (OSError, ValueError):  # the names say it too
        return 0


def _digest(identifier: str) -> str:
    return hashlib.sha256(identifier.encode()).hexdigest()[:16]


def prune(folder: Path) -> None:
    """Remove settled journals whose last line is older than YOUNG, all but the newest KEEP of them."""
    now = time.time()
    for entry in list(journals(folder))[:-KEEP]:
        with contextlib.suppress(FileNotFoundError):
            if now - entry.path.stat().st_mtime >= YOUNG and settled(entry):
                entry.path.unlink()


def never_begun(journal: Journal) -> bool:
    """Whether not even the first line reached the disk whole; what is damaged, or no journal, is left for people."""
    return bool(_TORN.fullmatch(journal.path.read_bytes()))


def settled(journal: Journal) -> bool:
    """Whether the transaction came to its end."""
    lines = journal.lines()
    return bool(lines) and lines[-1].event == "settled"


def result(folder: Path, identifier: str) -> Result | None:
    """Return the stored result of a client's transaction, or None: it was never begun here, or is not over."""
    named = sorted(folder.glob(f"_*-{_digest(identifier)}.jsonl"), reverse=True)
    for entry in map(Journal, [*named, folder / (identifier + ".jsonl")]):
        lines = entry.lines()
        asked = lines[0].transaction if lines else None
        # The name has 64 bits of a digest, and two ids may have the same: the first line says whose it is.
        if isinstance(asked, dict) and asked.get("id") == identifier and settled(entry):
            return outcome(entry)
    return None


def outcome(journal: Journal) -> Result | None:
    """Return the result in a journal's last line, or None when the transaction is not over."""
    return journal.lines()[-1].result if settled(journal) else None
