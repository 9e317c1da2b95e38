"""Canonical JSON: one byte string for one value, so that digests and signatures are stable.

Keys sorted by code point, no insignificant white space, UTF-8 without escapes beyond RFC 8259's musts, integers only
(no floats), one final newline. Parsing is strict: duplicate keys, NaN, floats, integers of more than 64 digits and
nesting deeper than 32 are errors.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Tuple

MAX_DEPTH = 32
MAX_DIGITS = 64


def dumps(value: Any) -> bytes:
    """Return `value` as canonical JSON with a final newline.

    Raises:
        ValueError: on NaN, infinity or a float.
    """
    _check(value, 0)
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8") + b"\n"


def loads(data: bytes) -> Any:
    """Parse JSON strictly; the inverse of `dumps` but tolerant of white space and key order.

    Raises:
        ValueError: on duplicate keys, NaN, floats, huge integers, too deep nesting, or anything but UTF-8 JSON.
    """
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_no_float,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    _check(value, 0)
    return value


def _no_duplicates(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    result: Dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError("duplicate key %r" % key)
        result[key] = value
    return result


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:  # reading a million digits takes Python seconds
        raise ValueError("a number of %d digits" % len(text))
    return int(text)


def _no_float(text: str) -> Any:
    raise ValueError("floats have no canonical form: %s" % text[:40])


def _no_constant(name: str) -> Any:
    raise ValueError("%s is not JSON" % name)


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, float):
        raise ValueError("floats have no canonical form")  # noqa: TRY004
    if isinstance(value, dict):
        for item in value.values():
            _check(item, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check(item, depth + 1)
