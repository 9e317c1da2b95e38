"""What a health check of a slot finds, and how often that must be so."""

from __future__ import annotations

import time
from typing import Callable, NamedTuple

from goferry.host import control
from goferry.host.health_failure import HealthFailure
from goferry.kernel.outcomes import GuardFailed

GOOD, BAD = 3, 3
"""Answers in a row, of the same process, that make it healthy or ill."""
OVER = 0.7
"""Seconds that a phase may last beyond its limit, for the answer that it ends with."""
SWITCH = 5.0
"""Seconds in which a service must have answered that it takes connections, or that it is well, to be given them."""
LATE = HealthFailure("no answer in time", late=True)


class CheckResult(NamedTuple):
    """What one health check of a slot found: how its process ended, what is wrong with its answer, which process it is.

    `error` says that its supervisor could not tell, `taken_port` which port of it somebody else listens on.
    """

    ended: str = ""
    failure: HealthFailure = HealthFailure("no answer")
    pid: int = 0
    error: GuardFailed | None = None
    taken_port: int = 0


def retry(ask: Callable[[float], bool], tries: int = BAD) -> bool:
    """Ask up to `tries` times within SWITCH seconds; return whether one succeeded. `ask` gets its seconds."""
    until = time.monotonic() + SWITCH
    for number in range(tries):
        if ask(max(0.05, min(control.SECONDS, until - time.monotonic()))):
            return True
        time.sleep(0.05 if number + 1 < tries else 0)
    return False
