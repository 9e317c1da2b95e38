"""Canonical JSON: one byte string for one value, so that digests and signatures are stable.

It is RFC 8785 (the JSON Canonicalization Scheme), narrowed and with one line feed at the end: no white space, keys in
the order of their UTF-16 code units, strings as UTF-8 with only the escapes that RFC 8259 demands, and of numbers the
integers of less than 2^53 alone, which every JSON library reads as what they are. Parsing is strict: duplicate keys,
NaN, floats, integers of more than 64 digits and nesting deeper than 32 are errors.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Tuple

MAX_DEPTH = 32
MAX_DIGITS = 64
MAX_INTEGER = 2**53 - 1
"""The largest integer that a double holds exactly (RFC 7493, section 2.2)."""


def dumps(value: Any) -> bytes:
    """Return `value` as canonical JSON with a final newline.

    Raises:
        ValueError: on a float, an integer beyond MAX_INTEGER, a key that is no string, or a lone surrogate.
    """
    if _check(value, 0, MAX_INTEGER):  # else the order of code points, which Python sorts by, is the same
        value = _ordered(value)
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    else:
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


def _check(value: Any, depth: int, most: int = 10**MAX_DIGITS) -> bool:
    """Refuse what has no canonical form; return whether a key has a character beyond U+FFFF."""
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, float):
        raise ValueError("floats have no canonical form")  # noqa: TRY004
    if isinstance(value, int) and not -most <= value <= most:
        raise ValueError("an integer beyond 2^53 has no canonical form")
    beyond = False
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError("a key is no string")  # noqa: TRY004
            beyond = _check(item, depth + 1, most) or beyond or (not key.isascii() and max(key) > "\uffff")
    elif isinstance(value, (list, tuple)):
        for item in value:
            beyond = _check(item, depth + 1, most) or beyond
    return beyond


def _ordered(value: Any) -> Any:
    """Return the value with each object's keys in the order of their UTF-16 code units."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return {key: _ordered(value[key]) for key in keys}
    return [_ordered(item) for item in value] if isinstance(value, (list, tuple)) else value
