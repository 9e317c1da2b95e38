"""Reading what a host says with suspicion: a figure is one that can be, a text is a text, all else is left out.

A deploy that happened is not called a failure because its host described it badly: what can't be drawn is not drawn.
What a deploy goes by must have its type, else the whole answer counts as none (`need`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from goferry.kernel.errors import printable
from goferry.kernel.outcomes import AgentLost

DAY = 24 * 3600 * 1000
"""Milliseconds of the longest time that is believed."""
MOST = 2**53 - 1
"""The largest whole number that JSON carries everywhere (RFC 8259, section 6)."""
TEXT = 1000
"""Characters of a text that are kept."""

Row = Mapping[str, Any]
"""An answer, or a part of one, as the frame had it."""
T = TypeVar("T")


def whole(value: object, most: int = MOST) -> int | None:
    """Return a whole number from 0 to `most`, or None for anything else: also for `true`, 1.5 and "7"."""
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


def gaps(answer: Row) -> dict[str, int]:
    """Return service → milliseconds in which it answered nobody; what is not a time is left out."""
    found = answer.get("gap_ms")
    read = {name: milliseconds(value) for name, value in found.items()} if isinstance(found, dict) else {}
    return {name: value for name, value in read.items() if value is not None}


def versions(found: Iterable[str]) -> str:
    """Return the versions, each once: a single one where they are alike, as in a release."""
    return ", ".join(sorted({*found} - {""}))


def need(answer: Row, key: str, kind: type[T], what: str = "answer") -> T:
    """Return a value that a deploy goes by.

    Raises:
        AgentLost: it is missing or of another type, so this is not the answer that was asked for.
    """
    value = answer.get(key)
    if type(value) is not kind:
        raise unlike(key, value, what)
    return value


def unlike(key: str, value: object, what: str = "answer") -> AgentLost:
    """Return the error of an answer in which something that a deploy goes by is something else."""
    return AgentLost(
        f"the host answered something that is not a {what}: {key} is {printable(repr(value), 80)}",
        advice=["provision it again with this version:  goferry provision HOST"],
    )


def rows(value: object) -> list[Row]:
    """Return the objects of a list; anything else is empty."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
