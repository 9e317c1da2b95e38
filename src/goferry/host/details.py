"""What a target holds: versions and their sizes, data, logs and free space, and what the next deploy removes.

Asked for it is measured, within limits: a folder of many files is measured in part, and says so.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from goferry.host import history, slots, state
from goferry.host.driver import Driver
from goferry.host.history import HistoryEntry
from goferry.host.layout import ServiceFolder
from goferry.host.target import HostTarget
from goferry.kernel.errors import Failed, GoferryError

ENTRIES, SECONDS = 50_000, 1.0
"""Files that are measured in one answer, and seconds that it may take."""
BLOCK = 512
"""Bytes of one of st_blocks (stat(2))."""


class Measured(NamedTuple):
    """Bytes that files take on the disk; `whole`: whether all were measured."""

    bytes: int
    whole: bool


class HeldRelease(NamedTuple):
    """A version that is held: the bytes of its binary, whether it serves, and whether the next deploy removes it."""

    version: str
    sequence: int
    bytes: int
    live: bool
    goes_next: bool


class Tape:
    """Measures folders within one limit for all."""

    def __init__(self) -> None:
        self._until, self._left = time.monotonic() + SECONDS, ENTRIES

    def folder(self, path: Path) -> Measured | None:
        """Return what is below a folder, links not followed; None when it can't be read or is not there."""
        try:
            return self._below(str(path))
        except OSError:
            return None

    def _below(self, top: str) -> Measured:
        total, waiting = 0, [top]
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    self._left -= 1
                    if self._left < 0 or time.monotonic() > self._until:
                        return Measured(total, whole=False)
                    with contextlib.suppress(OSError):  # it went meanwhile
                        total += entry.stat(follow_symlinks=False).st_blocks * BLOCK
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
        return Measured(total, whole=True)


def of_target(root: HostTarget, driver: Driver, names: Sequence[tuple[ServiceFolder, str]]) -> dict[str, object]:
    """Return `{"services": {name: {…}}, "free", "size", "journal"}`, in bytes; what can't be measured is left out."""
    tape = Tape()
    space = os.statvfs(str(root.path))
    found: dict[str, object] = {
        "services": {name: _of_service(root, driver, folder, tape) for folder, name in names},
        "free": space.f_bavail * space.f_frsize,
        "size": space.f_blocks * space.f_frsize,
    }
    journals = [each for each in map(tape.folder, root.journal_folders) if each is not None]
    if journals:
        found["journal"] = sum(each.bytes for each in journals)
    return found


def _of_service(root: HostTarget, driver: Driver, folder: ServiceFolder, tape: Tape) -> dict[str, object]:
    kept = state.State()
    with contextlib.suppress(Failed):
        kept = state.read(folder)
    number = slots.live(folder)
    slot = slots.read(folder, number) if number >= 0 else None
    restarts = -1
    if slot is not None:
        with contextlib.suppress(GoferryError):
            restarts = driver.restarts(folder, slot)
    sizes = {
        "store": tape.folder(folder.store),
        "data": tape.folder(root.own_files(folder, "")[1]),
        "log": tape.folder(folder.log),
    }
    measured = {name: size for name, size in sizes.items() if size is not None}
    return {
        "versions": [each._asdict() for each in _versions(folder, kept, root.keep(folder.project))],
        **{name: size.bytes for name, size in measured.items()},
        "part": sorted(name for name, size in measured.items() if not size.whole),
        **({"restarts": restarts} if restarts >= 0 else {}),
    }


def _versions(folder: ServiceFolder, kept: state.State, keep: int) -> list[HeldRelease]:
    live = kept.live.sequence if kept.live else 0
    stay = {entry.sequence for entry in _after_next(kept, keep)}
    return [
        HeldRelease(
            entry.version, entry.sequence, _size(folder.blob(entry.sha256)), entry.sequence == live,
            entry.sequence not in stay,
        )
        for entry in kept.history
    ]  # fmt: skip


def _after_next(kept: state.State, keep: int) -> history.History:
    """Return the history as a deploy of a newer release would leave it."""
    newest = max((entry.sequence for entry in kept.history), default=0)
    coming = HistoryEntry(newest + 1, "", "", "", 0)
    return history.committed(kept.history, coming, kept.live.sequence if kept.live else 0, keep=keep, floor=None)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
