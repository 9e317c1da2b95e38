r"""Workflow commands, byte for byte as `@actions/core` writes them: `::name key=value,key=value::data`.

Data escapes `%`, CR and LF; a property's value also `:` and `,`; a property without a value is left out
(@actions/core, command.ts).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_SURROGATES = re.compile("[\ud800-\udfff]")
_PROPERTY_NAMES = {"end_line": "endLine", "column": "col", "end_column": "endColumn"}


def to_value(value: object) -> str:
    """Return a value as the runner takes it: text as it is, None as nothing, all else as compact JSON.

    Lone surrogates become U+FFFD in text and an escape in JSON, as in JavaScript.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return _SURROGATES.sub(lambda match: f"\\u{ord(match.group()):04x}", joined)


def escape_data(value: object) -> str:
    """Return a command's data escaped."""
    return to_value(value).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(value: object) -> str:
    """Return a property's value escaped."""
    return escape_data(value).replace(":", "%3A").replace(",", "%2C")


def command(name: str, data: object = "", properties: Mapping[str, object] | None = None) -> str:
    """Return one command without its line's end; properties may be named as in Python (`end_line`)."""
    given = [
        f"{_PROPERTY_NAMES.get(key, key)}={escape_property(value)}"
        for key, value in (properties or {}).items()
        if value
    ]
    return f"::{name}{' ' + ','.join(given) if given else ''}::{escape_data(data)}"
