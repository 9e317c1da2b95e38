"""Calls and expressions in the text of a Go declaration: what stands around a place, and what a variable is set to."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from goferry.config.gocode import LONG, STRING, Declaration, brackets, spans

NEAR = 300
"""How many characters around a place are looked at for what belongs to it."""
_LEVELS, _LINKS = 100, 100
"""How many brackets around a place, and calls in a chain, are looked at."""
_METHOD = re.compile(r"\.\s*(\w+)(?:\[[^\]]*\])?\s*$")
_JOINS = re.compile(STRING + r"\s*\+")
_LINK = re.compile(r"\s*\.\s*(\w+)(?:\[[^\]\n]{0,100}\])?\(")
_ENDS = re.compile(STRING + r"|\.\s*|[(\[{)\]},;\n]")
_SPACE = re.compile(r"\s*")
_MOUNTS = re.compile(r"\.(Mount|StripPrefix)\(")
_TOKEN = re.compile(r"(?<![\w.])([\w.]++)(\()?")
_FUNC_LITERAL = re.compile(r"\bfunc\s*\(")
_BODY = re.compile(rf"[^{{\n]{{0,{NEAR}}}\{{")


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
    opening = brackets(text).around(position)
    if opening < 0 or text[opening] != "(":
        return None
    head = _METHOD.search(text, max(0, opening - NEAR), opening)
    given = spans(text, opening)
    place = bisect_right(given, position, key=lambda span: span[0]) - 1
    if not head or place < 0 or position >= given[place][1]:
        return None
    start, end = given[place]
    joined = text[max(start, position - NEAR) : position].strip().rstrip("+").strip()
    if _JOINS.match(text, position, end):
        joined = joined or "what stands behind it"
    from_, to = given[place - 1] if place else (0, 0)
    at, before = receiver(text, head.start())
    return Call(
        before, head[1], at, closing(text, opening) + 1, place, len(given), text[from_ : min(to, from_ + LONG)], joined
    )


def receiver(text: str, dot: int) -> tuple[int, str]:
    """Return start and text of the expression before a dot: names, dots, and brackets with all that is in them."""
    at, least, closed = dot, max(0, dot - LONG), brackets(text).closed
    for _ in range(NEAR):
        letter = text[at - 1] if at > least else ""
        if letter and letter in ")]" and closed.get(at - 1, -1) >= least:
            at = closed[at - 1]
        elif letter.isalnum() or (letter and letter in "_."):
            at -= 1
        elif letter.isspace():
            lead = text[max(0, at - NEAR) : at]
            start = at - len(lead) + len(lead.rstrip())
            if text[at] != "." and text[start - 1 : start] != ".":
                break
            at = start
        else:
            break
    return at, text[at:dot].strip()


def closing(text: str, opening: int) -> int:
    """Return where the bracket that is opened at a place is closed, or the text's end."""
    found = brackets(text)
    return found.parts.get(opening, [found.end])[-1]  # one within a literal is none


def chained(text: str, opening: int) -> Iterator[tuple[str, int]]:
    """Yield name and opening bracket of each call behind the one that is opened at a place: `.A(…).B(…)`."""
    for _ in range(_LINKS):
        link = _LINK.match(text, closing(text, opening) + 1)
        if not link:
            return
        opening = link.end() - 1
        yield link[1], opening


def expression_at(text: str, start: int) -> str:
    """Return the expression that begins at a place: up to the line's end, or the comma, outside of brackets."""
    at, parts = start, brackets(text).parts
    while at < start + LONG:
        ends = _ENDS.search(text, at, start + LONG)
        if not ends:
            break
        if ends.group() in ")]},;\n":
            return text[start : ends.start()].strip()
        at = parts[ends.start()][-1] + 1 if ends.start() in parts else ends.end()
    return text[start : start + LONG].strip()


def assigned(declaration: Declaration, name: str, position: int) -> tuple[int, str] | None:
    """Return place and expression of the last assignment to a variable before a position."""
    pattern = rf"(?<![\w.]){re.escape(name)}(?:\s*,\s*\w++){{0,10}}(?:\s++[*\w.]++)?\s*+:?=(?!=)"
    found = declaration.all(re.compile(pattern))
    index = bisect_right(found, position, key=re.Match.end) - 1
    if index < 0:
        return None
    begin = _SPACE.match(declaration.text, found[index].end())
    return found[index].start(), expression_at(declaration.text, begin.end() if begin else found[index].end())


@lru_cache(maxsize=1024)
def _literals(text: str) -> dict[int, int]:
    """Return for the body of each function literal where its parameters are opened."""
    found = {}
    for match in _FUNC_LITERAL.finditer(text):
        body = _BODY.match(text, closing(text, match.end() - 1) + 1)
        if body:
            found[body.end() - 1] = match.end() - 1
    return found


def closure(text: str, name: str, position: int) -> int | None:
    """Return where the innermost function literal around a position has its parameters that has such a one."""
    opening, outer, literals = brackets(text).around(position), brackets(text).outer, _literals(text)
    named = re.compile(rf"{re.escape(name)}(?![\w.])")
    for _ in range(_LEVELS):
        given = literals.get(opening, -1)
        if given >= 0 and any(named.match(text, start) for start, _ in spans(text, given)):
            return given
        if opening < 0:
            break
        opening = outer[opening]
    return None


def parameter(declaration: Declaration, name: str) -> int | None:
    """Return the place of a function's parameter, or None."""
    head = re.match(r"func\s+(?:\([^)]*\)\s*)?\w+(?:\[[^\]]*\])?", declaration.text)
    if declaration.kind != "func" or not head:
        return None
    named = re.compile(rf"{re.escape(name)}\b")
    given = spans(declaration.text, head.end())
    return next((index for index, (start, _) in enumerate(given) if named.match(declaration.text, start)), None)


def mounts(declaration: Declaration) -> dict[str, tuple[int, str, str]]:
    """Return the first place, method and prefix of `r.Mount("/api", WHAT)` and the like, by each name in WHAT.

    A name is one with what it is selected from (`s.api`) or the first of these (`s`), and `name(` is that of a call.
    """
    found: dict[str, tuple[int, str, str]] = {}
    text = declaration.text
    for match in declaration.all(_MOUNTS):
        given = spans(text, match.end() - 1)
        if len(given) == 2:
            (start, end), (from_, to) = given
            mount = (match.start(), match[1], text[start : min(end, start + LONG)])
            for token in _TOKEN.finditer(text, from_, min(to, from_ + NEAR)):
                first, *rest = token[1].split(".")
                names = [first, token[1]] if rest or not token[2] else []
                for name in (*names, *([f"{(rest or [first])[-1]}("] if token[2] else [])):
                    found.setdefault(name, mount)
    return found
