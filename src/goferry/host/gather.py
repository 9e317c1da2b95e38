"""Work side by side, each piece in a thread of its own, and nobody waited for beyond a deadline.

A piece that is late goes on in its thread and is not looked at any more; so each must have a limit of its own.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from typing import Callable, Generic, TypeVar

T = TypeVar("T")
MOST = 40
"""Threads at once; the agent's unit has room for 192 tasks: a piece may ask side by side itself, and run a program."""
POLL_INTERVAL = 0.05
"""Seconds between two looks at whether waiting still makes sense."""


class Outcome(Generic[T]):
    """What came of one piece: its value, the exception that it raised, or neither when it was late."""

    def __init__(self) -> None:
        self.done = False
        self.value: T | None = None
        self.error: Exception | None = None


def gather(
    works: Sequence[Callable[[], T]], until: float, on_wait: Callable[[], None] = lambda: None
) -> list[Outcome[T]]:
    """Do all of `works`, at most MOST at once, until the monotonic time `until`; return each one's outcome.

    `on_wait` is called before and while they are waited for; what it raises ends the waiting.
    """
    outcomes: list[Outcome[T]] = [Outcome() for _ in works]
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    finished: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(works)):
        waiting.put(number)

    def work() -> None:
        while time.monotonic() < until:
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return
            _do(works[number], outcomes[number])
            finished.put(number)

    for _ in range(min(MOST, len(works))):
        # Daemons: a piece that is late may hang, and must not keep the process.
        threading.Thread(target=work, daemon=True).start()
    missing = len(works)
    on_wait()
    while missing and time.monotonic() < until:
        try:
            finished.get(timeout=max(0.001, min(POLL_INTERVAL, until - time.monotonic())))
            missing -= 1
        except queue.Empty:
            on_wait()
    return outcomes


def aside(work: Callable[[], T], seconds: float, after: Callable[[], None]) -> T | None:
    """Do `work` and then `after` in a thread, and wait a moment for it; None: it goes on, also when we end.

    Raises:
        what `work` raises in that time.
    """
    outcome: Outcome[T] = Outcome()

    def whole() -> None:
        try:
            _do(work, outcome)
        finally:
            after()

    # No daemon: the process, and with it the lock, lives until the recovery is over.
    thread = threading.Thread(target=whole)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return None
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


def _do(work: Callable[[], T], outcome: Outcome[T]) -> None:
    try:
        outcome.value = work()
    except Exception as error:  # noqa: BLE001  it is raised, or reported, by who waits
        outcome.error = error
    outcome.done = True
