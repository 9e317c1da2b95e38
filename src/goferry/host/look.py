"""What the guard finds when it looks at a slot, and how often that must be so."""

from __future__ import annotations

from typing import NamedTuple

from goferry.host.ill import Ill
from goferry.kernel.outcomes import GuardFailed

GOOD, BAD = 3, 3
"""Answers in a row, of the same process, that make it healthy or ill."""
OVER = 0.7
"""Seconds that a phase may last beyond its limit, for the answer that it ends with."""
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
