"""What a service can go back to: the releases that were committed here, as its state.json keeps them; pure.

A rollback goes to the newest release before the one that serves that no rollback has left or passed. So several in a
row walk back, and after `v3`, back to `v1`, and `v4`, the way back from `v4` leads to `v1`, which served before it, and
not to the `v3` that somebody left on purpose. Any one that is held can be named (`rollback --to`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class HistoryEntry(NamedTuple):
    """One release of one service.

    Attributes:
        sequence, version, sha256: of the release and the service's binary.
        mode, port: how and where it was served last.
        digest: the release manifest's SHA-256; empty when an agent committed it that did not note it.
        left: a rollback left it for an older one, or passed it.
    """

    sequence: int
    version: str
    sha256: str
    mode: str
    port: int
    digest: str = ""
    left: bool = False


History = tuple[HistoryEntry, ...]
"""The newest first."""


def find(history: Sequence[HistoryEntry], sequence: int) -> HistoryEntry | None:
    """Return the release of that sequence."""
    return next((entry for entry in history if entry.sequence == sequence), None)


def before(history: Sequence[HistoryEntry], sequence: int) -> HistoryEntry | None:
    """Return what a rollback goes to from the release of that sequence."""
    older = [entry for entry in history if entry.sequence < sequence and not entry.left]
    return max(older, key=lambda entry: entry.sequence, default=None)


def committed(
    history: Sequence[HistoryEntry], live: HistoryEntry, was: int, *, keep: int, floor: int | None
) -> History:
    """Return the history once `live` serves.

    Args:
        history: before that.
        live: what serves now.
        was: the sequence that served before, or 0.
        keep: releases that stay, at least the live one and the one before it.
        floor: the project's; what lies above floor and `live` was given up when somebody lowered the floor.
    """
    limit = None if floor is None else max(floor, live.sequence)
    others = [
        entry._replace(left=entry.left or live.sequence < entry.sequence <= was)
        for entry in history
        if entry.sequence != live.sequence and (limit is None or entry.sequence <= limit)
    ]
    return _kept([*others, live._replace(left=False)], live.sequence, keep)


def above(history: Sequence[HistoryEntry], floor: int, live: int) -> History:
    """Return the history once the floor was lowered: what lies above it can't be gone back to, though it may serve."""
    return tuple(entry for entry in history if entry.sequence <= floor or entry.sequence == live)


def _kept(history: Sequence[HistoryEntry], live: int, keep: int) -> History:
    newest = sorted(history, key=lambda entry: entry.sequence, reverse=True)
    needed = [entry for entry in (find(history, live), before(history, live)) if entry is not None]
    stay = needed + [entry for entry in newest if entry not in needed][: max(0, keep - len(needed))]
    return tuple(entry for entry in newest if entry in stay)
