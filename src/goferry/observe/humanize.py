"""Sizes, times and numbers as a person reads them: `7.9 MB`, `18.2 s`, `2 min 41 s`. SI units, as `ls --si`."""

from __future__ import annotations

from collections.abc import Mapping

from goferry.kernel.errors import printable
from goferry.observe.events import Number


def size(count: float) -> str:
    """Return a number of bytes in SI units: `512 B`, `12 kB`, `7.9 MB`."""
    value = float(abs(count))
    sign = "-" if count < 0 else ""
    # The limits lie where rounding goes up: 999.5 kB would be written as 1000 kB, and 99.95 MB as 100.0 MB.
    for unit in ("B", "kB", "MB", "GB"):
        if value < (1000 if unit == "B" else 999.5):
            return f"{sign}{value:.0f} {unit}" if unit in {"B", "kB"} or value >= 99.95 else f"{sign}{value:.1f} {unit}"
        value /= 1000
    return f"{sign}{value:.1f} TB"


def seconds(value: float) -> str:
    """Return a time: `2.4 ms`, `0.31 s`, `18.2 s`, `2 min 41 s`, `1 h 02 min`."""
    if value < 0.1:
        return f"{value * 1000:.1f} ms" if value < 0.01 else f"{value * 1000:.0f} ms"
    if value < 1:
        return f"{value:.2f} s"
    # As above: what rounds to 60.0 s is a minute.
    if value < 59.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def count(value: int) -> str:
    """Return a whole number with thousands separated: `48,211`."""
    return f"{value:,}"


def short_digest(digest: str) -> str:
    """Return the first twelve hex digits of `sha256:…` or of bare hex."""
    return digest.removeprefix("sha256:")[:12]


def number(key: str, value: Number) -> str:
    """Return one entry of an event's numbers: its key gives the unit."""
    name = one_line(key.replace("_", " "), 40)
    if isinstance(value, str) and value.startswith(f"{key}:"):
        return one_line(value, 60)  # h1:…, which names itself
    if isinstance(value, str):
        return f"{name} {one_line(short_digest(value) if key == 'digest' else value, 60)}"
    if key == "bytes":
        return size(value)
    if key.endswith("_bytes"):
        return f"{name.rpartition(' ')[0]} {size(value)}"
    if key.endswith("_ms"):
        return f"{name.rpartition(' ')[0]} {seconds(value / 1000)}"
    return f"{value:,} {name.removesuffix('s') if value == 1 else name}"


def numbers(values: Mapping[str, Number]) -> str:
    """Return the numbers of a span's end on one line, sizes first as the stage gave them."""
    return ", ".join(number(key, value) for key, value in values.items())


def one_line(text: str, limit: int = 200) -> str:
    """Return untrusted text fit for one line of a terminal."""
    return printable(" ".join(text.split()), limit)
