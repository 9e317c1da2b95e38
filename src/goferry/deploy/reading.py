"""Reads a host's answers defensively: a number must be plausible, a text must be text, and all else is left out.

A deploy that happened is not called a failure because its host described it badly: what can't be drawn is not drawn.
What a deploy goes by must have its type, else the whole answer counts as none (`Row.need`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from goferry.kernel.errors import printable
from goferry.kernel.outcomes import AgentLost

DAY = 24 * 3600 * 1000
"""The longest time that is believed, in milliseconds."""
MOST = 2**53 - 1
"""The largest whole number that JSON carries everywhere (RFC 8259, section 6)."""
TEXT = 1000
"""How many characters of a text are kept."""

Answer = Mapping[str, object]
"""An answer, or an object in one, as the frame had it."""
T = TypeVar("T")


def whole(value: object, most: int = MOST) -> int | None:
    """Return a whole number from 0 to `most`, or None for anything else: also for `true`, 1.5 and "7"."""
    # Not isinstance: True is an int in Python, and JSON's `true` is not a number.
    return value if type(value) is int and 0 <= value <= most else None


def milliseconds(value: object) -> int | None:
    """Return a time in milliseconds, at most a day, or None."""
    return whole(value, DAY)


def text(value: object) -> str:
    """Return a text, cut to TEXT characters; anything else is empty."""
    return value[:TEXT] if isinstance(value, str) else ""


def texts(value: object) -> tuple[str, ...]:
    """Return the texts of a list; anything else is empty."""
    return tuple(text(each) for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def versions(found: Iterable[str]) -> str:
    """Return the versions, each once: a single one where they are alike, as in a release."""
    return ", ".join(sorted({*found} - {""}))


def unlike(key: str, value: object, what: str = "an answer") -> AgentLost:
    """Return the error of an answer in which a value that a deploy depends on has another type."""
    return AgentLost(
        f"the host answered something that is not {what}: {key} is {printable(repr(value), 80)}",
        advice=["provision it again with this version:  goferry provision HOST"],
    )


class Row(NamedTuple):
    """An object whose values are read by their keys, each as what it must be; `what` it is called in an error."""

    said: Answer
    what: str = "an answer"

    def whole(self, key: str, most: int = MOST) -> int | None:
        """Return a whole number; see the function."""
        return whole(self.said.get(key), most)

    def count(self, key: str) -> int:
        """Return a whole number, 0 where there is none."""
        return whole(self.said.get(key)) or 0

    def milliseconds(self, key: str) -> int | None:
        """Return a time; see the function."""
        return milliseconds(self.said.get(key))

    def text(self, key: str) -> str:
        """Return a text; see the function."""
        return text(self.said.get(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the texts of a list; see the function."""
        return texts(self.said.get(key))

    def flag(self, key: str) -> bool:
        """Return whether the host says so, in whatever way."""
        return bool(self.said.get(key))

    def given(self, key: str) -> bool:
        """Return whether anything is said."""
        return self.said.get(key) is not None

    def has(self, key: str) -> bool:
        """Return whether there is an object."""
        return isinstance(self.said.get(key), dict)

    def named(self, key: str) -> Answer:
        """Return an object whose keys are names; without one an empty object."""
        found = self.said.get(key)
        return found if isinstance(found, dict) else {}

    def rows(self, key: str) -> list[Answer]:
        """Return the objects of a list; without one none."""
        return rows(self.said.get(key))

    def gaps(self) -> dict[str, int]:
        """Return service → milliseconds in which it answered nobody; what is not a time is left out."""
        read = {name: milliseconds(value) for name, value in self.named("gap_ms").items()}
        return {name: value for name, value in read.items() if value is not None}

    def need(self, key: str, kind: type[T]) -> T:
        """Return a value that a deploy depends on.

        Raises:
            AgentLost: it is missing or of another type, so this is not the answer that was asked for.
        """
        value = self.said.get(key)
        if type(value) is not kind:
            raise unlike(key, value, self.what)
        return value


def rows(value: object) -> list[Answer]:
    """Return the objects of a list; anything else is empty."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
