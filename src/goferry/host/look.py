"""What the guard finds when it looks at a slot, and how often that must be so."""

from __future__ import annotations

import time
from typing import Callable, NamedTuple

from goferry.host import control
from goferry.host.ill import Ill
from goferry.kernel.outcomes import GuardFailed

GOOD, BAD = 3, 3
"""Answers in a row, of the same process, that make it healthy or ill."""
OVER = 0.7
"""Seconds that a phase may last beyond its limit, for the answer that it ends with."""
SWITCH = 5.0
"""Seconds in which a service must have answered that it takes connections, or that it is well, to be given them."""
LATE = Ill("no answer in time", late=True)


class Look(NamedTuple):
    """What one look at a slot found: how its process ended, what is wrong with its answer, which process it is.

    `failure` says that its supervisor could not tell, `robbed` which port of it somebody else listens on.
    """

    ended: str = ""
    said: Ill = Ill("no answer")
    pid: int = 0
    failure: GuardFailed | None = None
    robbed: int = 0


def insisted(ask: Callable[[float], bool], tries: int = BAD) -> bool:
    """Whether one of a few questions is answered well, all of them within SWITCH seconds; `ask` gets its seconds."""
    until = time.monotonic() + SWITCH
    for number in range(tries):
        if ask(max(0.05, min(control.SECONDS, until - time.monotonic()))):
            return True
        time.sleep(0.05 if number + 1 < tries else 0)
    return False
