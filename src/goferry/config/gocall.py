"""Calls and expressions in the text of a Go declaration: what stands around a place, and what a variable is set to."""

from __future__ import annotations

import re
from dataclasses import dataclass

from goferry.config.gocode import STRING, Declaration, arguments

_NEAR = 300
"""How many characters before a place are looked at for what leads to it."""


@dataclass(frozen=True)
class Call:
    """A call `receiver.method(…)` around a position: the argument's place, what stands before, and what is joined."""

    receiver: str
    method: str
    start: int
    end: int
    place: int
    count: int
    before: str
    joined: str


def call_around(text: str, position: int) -> Call | None:
    """Return the call of a method of whose arguments one holds a position, or None."""
    opening = _opening(text, position)
    near = max(0, opening - _NEAR)
    head = re.search(r"\.\s*(\w+)(?:\[[^\]]*\])?\s*$", text[near:opening]) if opening >= 0 else None
    if not head:
        return None
    given = arguments(text, opening)
    place = next((index for index, (at, part) in enumerate(given) if at <= position < at + len(part)), -1)
    if place < 0:
        return None
    at, part = given[place]
    joined = text[at:position].strip().rstrip("+").strip()
    if re.match(STRING + r"\s*\+", text[position : at + len(part)]):
        joined = joined or "what stands behind it"
    start, before = receiver(text, near + head.start())
    last = given[-1]
    end = text.find(")", last[0] + len(last[1]))
    return Call(before, head[1], start, end + 1, place, len(given), given[place - 1][1] if place else "", joined)


def _opening(text: str, position: int) -> int:
    """Return where the innermost `(` around a position is, or -1; a brace or bracket between ends the search."""
    depth = 0
    for at in range(position - 1, max(-1, position - 2000), -1):
        if text[at] in ")]}":
            depth += 1
        elif text[at] in "([{":
            if depth == 0:
                return at if text[at] == "(" else -1
            depth -= 1
    return -1


def receiver(text: str, dot: int) -> tuple[int, str]:
    """Return start and text of the expression before a dot: names, dots, and brackets with all that is in them."""
    at, depth = dot, 0
    while at > max(0, dot - 10 * _NEAR):
        letter = text[at - 1]
        if letter in ")]":
            depth += 1
        elif letter in "([":
            if depth == 0:
                break
            depth -= 1
        elif depth == 0 and not (letter.isalnum() or letter in "_."):
            space = re.search(r"\s+$", text[max(0, at - _NEAR) : at])
            start = at - len(space.group()) if space else at
            if not (space and (text[at] == "." or text[start - 1 : start] == ".")):
                break
            at = start
            continue
        at -= 1
    return at, text[at:dot].strip()


def closing(text: str) -> int:
    """Return where the bracket that a text begins with is closed, or the text's end."""
    depth = 0
    for at, letter in enumerate(re.sub(STRING, lambda match: "_" * len(match.group()), text)):
        depth += (letter in "([{") - (letter in ")]}")
        if depth == 0:
            return at
    return len(text)


def expression_at(text: str, start: int) -> str:
    """Return the expression that begins at a place: up to the line's end, or the comma, outside of brackets."""
    depth = 0
    plain = re.sub(STRING, lambda match: "_" * len(match.group()), text[start : start + 2000])
    for at, letter in enumerate(plain):
        depth += (letter in "([{") - (letter in ")]}")
        if depth < 0 or (depth == 0 and (letter in ",;" or (letter == "\n" and not plain[:at].rstrip().endswith(".")))):
            return text[start : start + at].strip()
    return text[start : start + 2000].strip()


def assigned(text: str, name: str, position: int) -> tuple[int, str] | None:
    """Return place and expression of the last assignment to a variable before a position."""
    pattern = rf"(?<![\w.]){re.escape(name)}(?:\s*,\s*\w+)*(?:\s+[*\w.]+)?\s*:?=(?!=)\s*"
    found = list(re.finditer(pattern, text[:position]))
    return (found[-1].start(), expression_at(text, found[-1].end())) if found else None


def closure(text: str, name: str, position: int) -> tuple[int, int] | None:
    """Return where the innermost function literal around a position begins that has such a parameter, twice."""
    found = None
    for match in re.finditer(rf"\bfunc\(([^()]*\b{re.escape(name)}\s[^()]*)\)[^{{\n]*\{{", text[:position]):
        plain = re.sub(STRING, lambda hit: "_" * len(hit.group()), text[match.end() - 1 : position])
        if plain.count("{") > plain.count("}"):
            found = (match.start(), match.start())
    return found


def parameter(declaration: Declaration, name: str) -> int | None:
    """Return the place of a function's parameter, or None."""
    head = re.match(r"func\s+(?:\([^)]*\)\s*)?\w+(?:\[[^\]]*\])?", declaration.text)
    if declaration.kind != "func" or not head:
        return None
    given = arguments(declaration.text, head.end())
    return next((index for index, (_, text) in enumerate(given) if re.match(rf"{re.escape(name)}\b", text)), None)
