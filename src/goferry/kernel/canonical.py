"""Canonical JSON: one byte string for one value, so that digests and signatures are stable.

It is RFC 8785 (the JSON Canonicalization Scheme), narrowed and with one line feed at the end: no white space, keys in
the order of their UTF-16 code units, strings as UTF-8 with only the escapes that RFC 8259 demands, and of numbers the
integers of less than 2^53 alone, which every JSON library reads as what they are. Parsing is strict: duplicate keys,
NaN, floats, integers of more than 64 digits, nesting deeper than 32 and more than MAX_VALUES values are errors.
"""

from __future__ import annotations

import json

MAX_DEPTH = 32
MAX_DIGITS = 64
MAX_VALUES = 300_000
"""Values in one text, so that no text of the size that is read takes seconds or hundreds of megabytes; a release of
10,000 files has some 120,000."""
MAX_INTEGER = 2**53 - 1
"""The largest integer that a double holds exactly (RFC 7493, section 2.2)."""


def dumps(value: object) -> bytes:
    """Return `value` as canonical JSON with a final newline.

    Raises:
        ValueError: on a float, an integer beyond MAX_INTEGER, a key that is not a string, a lone surrogate, too deep
            nesting or too many values.
    """
    if _check(value, MAX_INTEGER):  # else the order of code points, which Python sorts by, is the same
        value = _ordered(value)
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    else:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    data = text.encode("utf-8") + b"\n"
    _refuse_many(data, MAX_VALUES)
    return data


def loads(data: bytes, most: int = MAX_VALUES) -> object:
    """Parse JSON of at most `most` values strictly; the inverse of `dumps`, but tolerant of white space and key order.

    Raises:
        ValueError: on duplicate keys, NaN, floats, huge integers, too deep nesting, too many values, or anything but
            UTF-8 JSON.
    """
    _refuse_many(data, most)
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
    except UnicodeDecodeError:
        raise ValueError("it is not JSON: it is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        if not data.strip():
            raise ValueError("it is empty") from None
        raise ValueError(f"it is not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    _check(value, 10**MAX_DIGITS)
    return value


def _refuse_many(data: bytes, most: int) -> None:
    """Refuse too many values before any is made, by the commas and brackets; those in texts count too."""
    if data.count(b",") + data.count(b"[") + data.count(b"{") >= most:
        raise ValueError(f"more than {most} values, or commas and brackets in texts")


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result: dict[str, object] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"duplicate key {key[:80]!a}")
        result[key] = value
    return result


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:  # reading a million digits takes Python seconds
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _no_float(text: str) -> object:
    raise ValueError(f"floats have no canonical form: {text[:40]}")


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _check(value: object, most: int) -> bool:
    """Refuse what has no canonical form, level by level; return whether a key has a character beyond U+FFFF."""
    # By levels and not by recursion, whose limit in Python would decide how deep is too deep.
    level, count, beyond = [value], 1, False
    for _ in range(MAX_DEPTH + 1):
        below: list[object] = []
        for item in level:
            if type(item) is str:
                continue
            if isinstance(item, dict):
                beyond = _beyond(item) or beyond
                below.extend(item.values())
            elif isinstance(item, (list, tuple)):
                below.extend(item)
            elif isinstance(item, float):
                raise ValueError("floats have no canonical form")  # noqa: TRY004
            elif isinstance(item, int) and not -most <= item <= most:
                raise ValueError("an integer beyond 2^53 has no canonical form")
        if not below:
            return beyond
        level, count = below, count + len(below)
        if count > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES} values")
    raise ValueError("nested too deeply")


def _beyond(item: dict[str, object]) -> bool:
    try:
        keys = "".join(item)
    except TypeError:
        raise ValueError("a key is not a string") from None
    return not keys.isascii() and max(keys) > "\uffff"


def _ordered(value: object) -> object:
    """Return the value with each object's keys in the order of their UTF-16 code units."""
    if isinstance(value, dict):
        # Big-endian, so that the bytes sort as the code units do.
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return {key: _ordered(value[key]) for key in keys}
    return [_ordered(item) for item in value] if isinstance(value, (list, tuple)) else value
