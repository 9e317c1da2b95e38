"""Where the traffic of a service goes: declared, and read back. How it gets there is a host's switch (host.switch)."""

from __future__ import annotations

from typing import NamedTuple

NOBODY = -1
"""In the place of a slot."""


class Routing(NamedTuple):
    """What is wanted, or what is so.

    Attributes:
        live: the slot that serves; NOBODY when nothing does.
        candidate: the slot that is to serve; NOBODY without one.
        percent: the candidate's share of the traffic, 0 to 100.
        header: a request header that brings a request to the candidate whatever its share is; empty: none does.
        salt: what users are drawn by, so that each candidate gets others; the same salt draws the same ones.
    """

    live: int = NOBODY
    candidate: int = NOBODY
    percent: int = 0
    header: str = ""
    salt: str = ""

    @property
    def settled(self) -> Routing:
        """The same as one slot's: a candidate with all of the traffic is live, and one with none of it is nobody.

        A driver that can't tell one from the other reads back this form.
        """
        if self.header or 0 < self.percent < 100:
            return self
        return Routing(self.candidate if self.percent == 100 else self.live)

    @property
    def divided(self) -> bool:
        """Whether both slots get traffic."""
        return self.settled.candidate != NOBODY

    def undone(self) -> Routing:
        """Return the same with nothing for the candidate."""
        return self._replace(percent=0, header="")
