"""One change at a time on a target: a lock that the kernel drops when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import Callable, Iterator

from goferry.kernel.outcomes import DeployBusy


def acquire(path: Path) -> int:
    """Take the lock at once and return its descriptor, or -1 when another process has it.

    The descriptor is not inherited: a supervisor started while it is held does not keep it.
    """
    return exclusive(os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def exclusive(descriptor: int) -> int:
    """Lock what was opened and return its descriptor; -1, and closed, when another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return -1
    return descriptor


@contextlib.contextmanager
def held(path: Path, wait: float, gone: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Hold the lock, after waiting at most `wait` seconds for it, and only while nobody is `gone`.

    Raises:
        DeployBusy: when another process still has it then.
    """
    deadline = time.monotonic() + wait
    descriptor = acquire(path)
    while descriptor < 0:
        if time.monotonic() >= deadline or gone():
            raise DeployBusy(
                "another deploy on this target has not ended within %g s" % wait,
                state="Nothing was changed by this one.",
                advice=["try again, or wait longer:  --wait SECONDS"],
            )
        time.sleep(0.05)
        descriptor = acquire(path)
    try:
        yield
    finally:
        os.close(descriptor)
