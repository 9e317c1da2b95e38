"""The part of a log that an error shows: its beginning and its end, with lines that repeat shown once."""

from __future__ import annotations

import re
from collections.abc import Sequence

SHOWN = 12
"""Lines of a log's beginning that are shown, and as many of its end."""
FIRST, LAST = 60, 500
"""Lines that are read of a log's beginning, and of its end."""
CUT = "…"
_BLOCK = 4
"""Lines that may repeat together."""
_VARIES = re.compile(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{8,}|[0-9]+(?:[.:,_-][0-9]+)*(?:ns|µs|us|ms|s|m|h)?")


def shown(lines: Sequence[str]) -> list[str]:
    """Return what is shown of lines: repeats shown once, and no more than the first and the last SHOWN of the rest."""
    excerpt = collapsed(lines)
    return excerpt if len(excerpt) <= 2 * SHOWN + 1 else [*excerpt[:SHOWN], CUT, *excerpt[-SHOWN:]]


def collapsed(lines: Sequence[str]) -> list[str]:
    """Return the lines with the first and the last of those that repeat, up to numbers, and how many are between."""
    shapes = [_VARIES.sub("#", line) for line in lines]
    excerpt: list[str] = []
    at = 0
    while at < len(lines):
        # `max` takes the first of equals, which is the smallest block that repeats.
        size, times = max(((size, _times(shapes, at, size)) for size in range(1, _BLOCK + 1)), key=_hidden)
        # The line that says so costs one, so with fewer than two hidden nothing gets shorter.
        if _hidden((size, times)) < 2:
            excerpt.append(lines[at])
            at += 1
            continue
        end = at + size * times
        between = f"{times - 2} more like it" if size == 1 else f"these {size} lines {times - 2} more times"
        excerpt += [*lines[at : at + size], f"{CUT} {between}", *lines[end - size : end]]
        at = end
    return excerpt


def _times(shapes: Sequence[str], at: int, size: int) -> int:
    """Return how often a block of `size` lines stands at `at`, one after the other."""
    block, times = shapes[at : at + size], 1
    while shapes[at + size * times : at + size * (times + 1)] == block:
        times += 1
    return times


def _hidden(repeat: tuple[int, int]) -> int:
    """Return how many lines a repeat (size, times) hides, the line that says so not counted."""
    size, times = repeat
    return size * (times - 2)
