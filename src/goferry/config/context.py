"""What every stage is given besides its own arguments: the surroundings, and who hears what it does."""

from __future__ import annotations

from msgspec import Struct

from goferry.config.settings import Settings
from goferry.observe.events import Stream


class Context(Struct, frozen=True):
    """A run, as its stages see it; the first argument of each.

    Attributes:
        settings: the surroundings, read once at the edge. stream: hears of every step.
    """

    settings: Settings
    stream: Stream
