"""When a request to GitHub is worth repeating, and after how long: pure, but for the loop at the end.

https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api: a limit is HTTP 403 or 429. With
Retry-After, wait that long; with X-RateLimit-Remaining: 0, until X-RateLimit-Reset; a secondary limit without either,
a minute. GitHub Enterprise Server calls a secondary limit abuse detection.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from goferry.kernel.digits import number

ATTEMPTS = 5
FIRST_WAIT = 0.5
LONGEST_WAIT = 120.0
SECONDARY_WAIT = 60.0
AGAIN = frozenset({408, 500, 502, 503, 504})


class Limit(NamedTuple):
    """What an answer's headers say of limits.

    Attributes:
        after: seconds to wait. spent: whether no request is left. reset: when there are new ones, seconds since 1970.
    """

    after: int | None
    spent: bool
    reset: int | None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Limit:
        """Read headers, whose names are in lower case; what is not a number counts as not said."""
        return cls(
            number(headers.get("retry-after", "")),
            headers.get("x-ratelimit-remaining") == "0",
            number(headers.get("x-ratelimit-reset", "")),
        )


def is_limit(status: int, headers: Mapping[str, str], message: str) -> bool:
    """Whether an answer asks to come back later; header names in lower case."""
    if status == 429:
        return True
    return status == 403 and (Limit.of(headers).spent or "retry-after" in headers or any(_limits(message)))


def _limits(message: str) -> tuple[bool, bool]:
    """Whether GitHub's words are about a limit, and about a secondary one: older servers speak of abuse."""
    text = message.lower()
    secondary = "secondary rate limit" in text or "abuse detection" in text
    return "rate limit" in text or secondary, secondary


def wait_for(status: int, headers: Mapping[str, str], message: str, *, attempt: int, now: float) -> float | None:
    """Return the seconds to wait before the next attempt, or None when a repetition would not help.

    Args:
        status: of the answer; 0: there was none.
        headers: with names in lower case.
        message: GitHub's.
        attempt: how many attempts failed before this one.
        now: seconds since the epoch.
    """
    if is_limit(status, headers, message):
        return _limited(headers, message, now)
    if status == 0 or status in AGAIN:
        asked = Limit.of(headers).after
        return FIRST_WAIT * 2**attempt if asked is None else float(asked)
    return None


def _limited(headers: Mapping[str, str], message: str, now: float) -> float:
    limit = Limit.of(headers)
    if limit.after is not None:
        return float(limit.after)
    if limit.spent and limit.reset is not None:
        return max(0.0, limit.reset - now) + 1
    return SECONDARY_WAIT if _limits(message)[1] else FIRST_WAIT * 4


def sleep(seconds: float) -> None:
    """Wait; a name of its own, so that tests need not."""
    time.sleep(seconds)
