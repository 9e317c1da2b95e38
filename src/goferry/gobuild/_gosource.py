"""What a package's Go source declares at top level: `func main`, and variables that the linker's -X can set.

A scanner, not a parser: comments and literals are blanked, braces and parentheses counted, and declarations read at
depth 0. It follows the Go specification's "Source file organization" and "Variable declarations", and `go tool link`'s
rule that -X sets a string variable that is uninitialized or initialized to a constant string expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from goferry.config.gocode import LEXEME

ROLES = {
    "version": ("version", "Version"),
    "commit": ("commit", "Commit", "gitCommit", "GitCommit", "revision", "Revision"),
    "date": ("date", "Date", "buildDate", "BuildDate", "buildTime", "BuildTime"),
}
"""What a build fills in → the names that variables have for it; the first is taken before the others."""
ROLE = {name: role for role, names in ROLES.items() for name in names}
STAMPS = tuple(ROLE)
"""The variables that a build fills in, where it is plain which is meant."""

_MAIN = r"(?:^|[;\n])[ \t]*func[ \t]+main[ \t]*\("
_VAR = r"[ \t]*var\b[ \t]*"
_GROUP = r"\(#(\d+)\)"
_SPEC = r"(\w+(?:[ \t]*,[ \t]*\w+)*)(?:[ \t]+([\w.*]+|\[.*?\].*?|func.*?|map.*?|struct.*?))?[ \t]*(?:=[ \t]*(.*))?$"
_STRING = r"\"S\"(?:[ \t]*\+\s*\"S\")*$"


def has_main(sources: Iterator[str] | list[str]) -> bool:
    """Tell whether any of these files declares `func main`."""
    return any(re.search(_MAIN, _top_level(text)[0]) for text in sources)


def stamps(sources: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which of STAMPS are variables that -X can and should set, and which are variables of another kind.

    The second matters because the linker stops at -X for a variable that is not a string.
    """
    settable: set[str] = set()
    other: set[str] = set()
    for text in sources:
        for name, kind, value in _variables(text):
            if name in STAMPS:
                (settable if _is_string(kind, value) else other).add(name)
    return tuple(_plain(settable - other)), tuple(n for n in STAMPS if n in other)


def _plain(settable: set[str]) -> Iterator[str]:
    """Yield for each role the variable that is meant: its first name, or the only one that is there."""
    for names in ROLES.values():
        there = [name for name in names if name in settable]
        if there and (there[0] == names[0] or len(there) == 1):
            yield there[0]


def _is_string(kind: str, value: str) -> bool:
    if kind not in ("", "string"):
        return False
    return bool(re.match(_STRING, value)) if value else kind == "string"


def _variables(source: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, type and value of each variable declared at top level."""
    flat, groups = _top_level(source)
    for line in _lines(flat):
        declares = re.match(_VAR, line)
        if declares:
            rest = line[declares.end() :]
            group = re.match(_GROUP, rest)
            for spec in _lines(_top_level(groups[int(group[1])])[0]) if group else [rest]:
                yield from _spec(spec.strip())


def _lines(flat: str) -> list[str]:
    """Return the statements of a text without groups; a line that ends with an operator goes on in the next."""
    return re.split(r"[\n;]", re.sub(r"(=|,|\+)[ \t]*\n\s*", r"\1 ", flat))


def _spec(line: str) -> Iterator[tuple[str, str, str]]:
    match = re.match(_SPEC, line)
    if not match:
        return
    names = [name.strip() for name in match.group(1).split(",")]
    values = [value.strip() for value in (match.group(3) or "").split(",")]
    if len(values) != len(names):
        values = [""] * len(names) if not match.group(3) else ["?"] * len(names)
    for name, value in zip(names, values, strict=True):
        yield name, (match.group(2) or "").strip(), value


def _top_level(source: str) -> tuple[str, list[str]]:
    """Return the text at depth 0 and the bodies of its bracketed groups.

    A comment becomes a space (or the newline that it spans), a string literal `"S"`, any other literal `'c'`, and a
    bracketed group `(#N)`, N being its index among the bodies.
    """
    flat: list[str] = []
    groups: list[str] = []
    depth = at = start = 0
    for match in re.finditer(LEXEME, source):
        lexeme = match.group()
        if depth == 0:
            flat.append(source[at : match.start()])
        if lexeme in "([{":
            depth += 1
            if depth == 1:
                start = match.end()
                flat.append(f"{lexeme}#{len(groups)}")
        elif lexeme in ")]}":
            if depth == 1:
                groups.append(source[start : match.start()])
            depth = max(0, depth - 1)
            if depth == 0:
                flat.append(lexeme)
        elif depth == 0:
            flat.append(_blanked(lexeme))
        at = match.end()
    if depth == 0:
        flat.append(source[at:])
    return "".join(flat), groups


def _blanked(lexeme: str) -> str:
    if lexeme.startswith("//"):
        return ""
    if lexeme.startswith("/*"):
        return "\n" if "\n" in lexeme else " "
    return '"S"' if lexeme[0] in '"`' else "'c'"
