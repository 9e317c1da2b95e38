"""The path of a route, put together from what its parts say (config.routes follows the routers)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from goferry.config._gocall import call_around
from goferry.config.gocode import STRING, Declaration, GoProgram

_GETENV = re.compile(rf"os\.Getenv\({STRING}\)")


@dataclass(frozen=True)
class Route:
    """A path of the program; `doubt` says why it may be another one, empty when it is plain.

    `all` says that the route takes every path that no other one does: its answer says nothing of the path.
    """

    path: str
    where: str
    doubt: str = ""
    all: bool = False


def joined(prefix: str, path: str) -> str:
    """Return a path behind its router's prefix."""
    return f"{prefix.rstrip('/')}/{path.lstrip('/')}" if prefix else (path if path.startswith("/") else f"/{path}")


def text_of(program: GoProgram, declaration: Declaration, expression: str) -> str | None:
    """Return the text of an expression: a literal's, or none where it is a variable of the environment alone.

    A service gets no variable but those that goferry.yml gives it, so an unset one is what holds.
    """
    text = program.text(declaration, expression)
    if text is not None or _GETENV.fullmatch(expression):
        return text or ""
    if not re.fullmatch(r"\w{1,100}", expression):
        return None
    given = [
        found[1].strip()
        for each in program.reached
        if each.package == declaration.package
        for found in re.finditer(rf"(?<![\w.]){expression}(?:\s++string)?\s*+:?=(?!=)\s*+([^\n;]++)", each.text)
    ]
    plain = all(_GETENV.fullmatch(value) or value == '""' for value in given)
    return "" if plain and any(value != '""' for value in given) else None


def takes_all(declaration: Declaration, match: re.Match[str]) -> bool:
    """Whether a registered `/` is a catch-all: of net/http without `{$}`, and of a PathPrefix."""
    call = call_around(declaration.text, match.start())
    if call is None or "{$}" in match.group():
        return False
    routers = any(re.search(r"gorilla/mux|/chi\b|httprouter", path) for path in declaration.imports.values())
    return call.method == "PathPrefix" or (call.method in ("Handle", "HandleFunc") and not routers)
