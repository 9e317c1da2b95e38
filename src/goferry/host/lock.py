"""One change at a time on a target: locks that the kernel drops when their process ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Callable

from goferry.kernel.outcomes import DeployBusy

Lock = tuple[Path, bool]
"""A file, and whether others may hold it at the same time in the same way."""


def acquire(locks: Sequence[Lock]) -> list[int]:
    """Take all locks at once and return their descriptors; none when another process has one of them.

    The descriptors are not inherited: a supervisor started while they are held does not keep them.
    """
    taken: list[int] = []
    for path, shared in locks:
        descriptor = flock(os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), shared=shared)
        # All or none: two agents of which each waits with one of the locks would wait for each other.
        if descriptor < 0:
            release(taken)
            return []
        taken.append(descriptor)
    return taken


def release(descriptors: Sequence[int]) -> None:
    """Let go of locks."""
    for descriptor in reversed(descriptors):
        os.close(descriptor)


def flock(descriptor: int, *, shared: bool = False) -> int:
    """Lock what was opened and return its descriptor; -1, and closed, when another process has it."""
    try:
        # Not the locks of fcntl(2), which a process loses with any descriptor of the file that it closes.
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return -1
    return descriptor


@contextlib.contextmanager
def held(locks: Sequence[Lock], wait: float, gone: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Hold the locks, after waiting at most `wait` seconds for them, and only while nobody is `gone`.

    Raises:
        DeployBusy: when another process still has one then.
    """
    deadline = time.monotonic() + wait
    descriptors = acquire(locks)
    while not descriptors:
        over = time.monotonic() >= deadline
        if over or gone():
            raise DeployBusy(
                "another deploy on this target has not ended"
                + (f" within {wait:g} s" if over else ", and was not waited for"),
                state="Nothing was changed by this one.",
                advice=["try again", "or wait longer:  --wait SECONDS"],
            )
        # Asked again and again: flock(2) waits neither for two locks nor until a deadline.
        time.sleep(0.05)
        descriptors = acquire(locks)
    try:
        yield
    finally:
        release(descriptors)
