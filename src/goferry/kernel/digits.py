"""Numbers in texts that others wrote: HTTP headers, answers of hosts, files of the kernel."""

from __future__ import annotations

import re

_NUMBER = r"[0-9]{1,18}"


def number(text: str) -> int | None:
    """Return a text of 1 to 18 digits of ASCII as a number below 10**18, anything else as None.

    `str.isdigit` does not tell what `int` takes: it says yes to `²` and to 5,000 digits, on which `int` fails.
    """
    return int(text) if re.fullmatch(_NUMBER, text) else None
