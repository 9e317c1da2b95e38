"""The option `--since`: how long ago, or from when."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import click

_AGO = re.compile(r"([0-9]{1,6})(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


class Since(click.ParamType[float]):
    """`90s`, `10m`, `2h`, `7d`, `4w`, a day, or an RFC 3339 time; as seconds since the epoch."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it.

        Raises:
            click.BadParameter: when it is neither, or lies in the future.
        """
        if isinstance(value, float):
            return value
        now = time.time()
        found = parse(str(value), now)
        if found is None:
            self.fail(
                f"{str(value)[:40]!r} is neither a duration such as 10m, 2h or 7d nor a time such as "
                "2026-11-27 or 2026-11-27T19:52:30Z",
                param,
                ctx,
            )
        if found > now + 60:
            self.fail(f"{str(value)[:40]!r} lies in the future", param, ctx)
        return found


def parse(text: str, now: float) -> float | None:
    """Return the seconds since the epoch that a text means, or None; a day and a time without an offset are UTC's."""
    if ago := _AGO.fullmatch(text):
        return now - int(ago[1]) * _SECONDS[ago[2]]
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
