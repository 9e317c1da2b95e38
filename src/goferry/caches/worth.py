"""Whether bringing a pack pays: against the seconds that its content took to make, and against a deadline.

The pace is what the pack at hand shows, so a slow network, disk or machine all count. A job that gives a pack up goes
on without it; what was unpacked by then is as good as the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Self, cast

from goferry.caches.pack import PackUnusable
from goferry.caches.storage import KeptPack, Storage, Stored, read_note

DEADLINE = 300.0
"""Seconds for all packs of a job together."""
GRACE = 3.0
"""Seconds before a pace is judged."""
_BYTES, _FILES = 1 << 30, 20_000
"""What a fast machine unpacks in a second."""


def least(size: int, files: int) -> float:
    """Return the seconds that bringing files takes at least, whatever the place."""
    return size / _BYTES + files / _FILES


class Worthwhile:
    """A place whose packs are read only as long as that pays."""

    def __init__(self, place: Storage, deadline: float = DEADLINE, clock: Callable[[], float] = time.monotonic) -> None:
        """`deadline` is in seconds from now."""
        self._place, self._clock = place, clock
        self._end, self._deadline = clock() + deadline, deadline

    def names(self, where: str) -> list[str]:
        """See Place."""
        return self._place.names(where)

    def note(self, where: str, name: str) -> bytes:
        """See Place."""
        return self._place.note(where, name)

    def open(self, where: str, name: str) -> BinaryIO:
        """See Place.

        Raises:
            PackUnusable: reading it would not pay; so does a later `read`, once that shows.
        """
        kept = read_note(self._place, where, name)
        if kept and 0 < kept.seconds < least(kept.size, kept.files):
            raise PackUnusable(f"making it anew takes {kept.seconds:.1f} s, bringing it would take longer")
        return cast("BinaryIO", _Paced(self._place.open(where, name), kept, self))

    def put(self, where: str, name: str, pack: Path, note: bytes) -> bool:
        """See Place."""
        return self._place.put(where, name, pack, note)

    def write(self, where: str, name: str, note: bytes) -> None:
        """See Place."""
        self._place.write(where, name, note)

    def remove(self, where: str, name: str) -> None:
        """See Place."""
        self._place.remove(where, name)

    def all(self) -> Iterator[Stored]:
        """See Place."""
        return self._place.all()

    def judge(self, since: float, read: int, kept: KeptPack | None) -> None:
        """Give a pack up that can't pay any more, `read` bytes of it being here."""
        now = self._clock()
        if now > self._end:
            raise PackUnusable(f"bringing all packs took longer than {self._deadline:g} s")
        if kept is None or not kept.seconds or now - since < GRACE:
            return
        whole = (now - since) * kept.bytes / max(read, 1)
        if whole > kept.seconds:
            raise PackUnusable(f"it would take {whole:.0f} s, and making it anew takes {kept.seconds:.0f} s")


class _Paced:
    """A pack under way."""

    def __init__(self, source: BinaryIO, kept: KeptPack | None, place: Worthwhile) -> None:
        self._source, self._kept, self._place = source, kept, place
        self._since, self._read = place._clock(), 0  # noqa: SLF001

    def read(self, count: int = -1) -> bytes:
        """Read on, as long as it pays."""
        self._place.judge(self._since, self._read, self._kept)
        data = self._source.read(count)
        self._read += len(data)
        return data

    def close(self) -> None:
        """Close what is behind it."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
