"""The words of a module's or a package's path."""

from __future__ import annotations

import re

_MAJOR = r"v[0-9]+"


def last_name(path: str) -> str:
    """Return the last element of a path that is not a major version; an empty text where there is none."""
    named = (part for part in reversed(path.split("/")) if part not in ("", ".") and not re.fullmatch(_MAJOR, part))
    return next(named, "")
