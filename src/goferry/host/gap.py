"""A gap in service, as somebody finds it who asks all the while: from the last good answer to the first good one.

The times of stopping and starting processes say nothing of it: a process that was told to end may answer on, and one
that was started may not answer yet.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Callable

PAUSE = 0.005
"""Seconds between an answer and the next question."""


class Gap:
    """What is known of it so far.

    Attributes:
        last: when the last good answer before the turn came, or the asking began. first: the first one after it, or 0.
        over: nobody wants to know any more.
    """

    def __init__(self, ask: Callable[[], bool], last: float) -> None:
        self.last, self.first = last, 0.0
        self.over = threading.Event()
        self._ask, self._turned = ask, 0.0

    def turn(self) -> None:
        """Whoever answers from now on is the successor."""
        self._turned = time.monotonic()

    def watch(self) -> None:
        """Ask until the gap is over, or nobody wants to know."""
        while not self.over.is_set() and not self.first:
            began = time.monotonic()
            if self._ask():
                self._note(began, time.monotonic())
            self.over.wait(PAUSE)

    def _note(self, began: float, ended: float) -> None:
        if not self._turned:
            self.last = ended
        # A question from before the turn may be answered by either of them, so it ends no gap.
        elif began >= self._turned:
            self.first = ended

    @property
    def ms(self) -> int:
        """Its milliseconds, at least 1; without a first good answer yet, up to now."""
        return max(1, round(((self.first or time.monotonic()) - self.last) * 1000))


@contextlib.contextmanager
def asking(ask: Callable[[], bool], last: float = 0.0) -> Iterator[Gap]:
    """Ask all the while for the block. In it `turn` is called, when nothing is left of what was.

    `ask` says whether a good answer came, within a limit of its own; `last` is when a last good one was had.
    """
    gap = Gap(ask, last or time.monotonic())
    threading.Thread(target=gap.watch, daemon=True).start()
    try:
        yield gap
    finally:
        # The thread is not joined: its last question may take its whole limit.
        gap.over.set()
