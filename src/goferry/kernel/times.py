"""Times in files: RFC 3339 in UTC with whole seconds, `2026-11-23T04:31:16Z`; in memory, seconds since the epoch."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone

_FORM = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"


def parse_time(text: str) -> int:
    """Return the seconds since the epoch of an RFC 3339 time in UTC.

    Raises:
        ValueError: on any other form; offsets and fractions are not canonical here.
    """
    if not re.fullmatch(_FORM, text):
        raise ValueError(f"not a time like 2026-11-23T04:31:16Z: {text[:40]!a}")
    try:
        seconds = int(datetime.fromisoformat(text[:-1]).replace(tzinfo=timezone.utc).timestamp())
    except ValueError:
        seconds = 0
    # What is not written back as it was does not exist, such as a 30th of February.
    if format_time(seconds) != text:
        raise ValueError(f"not a time that exists: {text}")
    return seconds


def format_time(seconds: int) -> str:
    """Return seconds since the epoch as RFC 3339 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
