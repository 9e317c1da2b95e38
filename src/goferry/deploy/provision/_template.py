"""Template files with `{{name}}` for each value, which an operator can read and lint as what they become; pure."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent / "templates"

_PLACEHOLDER = re.compile(r"\{\{([a-z_]+)\}\}")


def text(name: str) -> str:
    """Return a template as it is, by its path below `templates/`."""
    return (FOLDER / name).read_text("utf-8")


def fill(name: str, **values: str) -> str:
    """Return a template with its values.

    A line that is nothing but a placeholder becomes the value's lines, or is dropped where the value is empty.

    Raises:
        ValueError: a placeholder without a value, a value without a placeholder, or a line break within a line.
    """
    unused = set(values)
    lines = []
    for line in text(name).splitlines():
        names = _PLACEHOLDER.findall(line)
        if unknown := sorted(set(names) - set(values)):
            raise ValueError(f"{name}: no value is given for {', '.join(unknown)}")
        unused -= set(names)
        if len(names) == 1 and _PLACEHOLDER.fullmatch(line):
            lines += values[names[0]].splitlines()
            continue
        if any(len(values[each].splitlines()) > 1 or values[each].endswith("\n") for each in names):
            # A name that brought a line with it would be a directive of its own in a unit that root's systemd reads.
            raise ValueError(f"{name}: a value of {', '.join(names)} has several lines")
        lines.append(_PLACEHOLDER.sub(lambda found: values[found[1]], line))
    if unused:
        raise ValueError(f"{name}: there is no place for {', '.join(sorted(unused))}")
    return "".join(line + "\n" for line in lines)
