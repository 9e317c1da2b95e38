"""What the guard keeps in mind of slots that it looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, NamedTuple, Optional

from goferry.host.driver import Slot
from goferry.host.layout import ServiceFolder
from goferry.kernel.outcomes import GuardFailed


@dataclass
class Watched:
    """A candidate in its bake: its process as `processes.same` takes it, its last answer, and how many bad in a row."""

    folder: ServiceFolder
    slot: Slot
    process: Dict[str, int]
    said: str = ""
    bad: int = 0


class Look(NamedTuple):
    """What one look at a slot found: how its process ended, what is wrong with its answer, which process it is.

    `failure` says that its supervisor could not tell, `robbed` which port of it somebody else listens on.
    """

    ended: str = ""
    said: str = "no answer"
    pid: int = 0
    failure: Optional[GuardFailed] = None
    robbed: int = 0
