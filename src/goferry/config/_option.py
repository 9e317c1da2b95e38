"""A name that source declares, of an environment variable or a flag, as the readers of options yield it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from goferry.config.gocode import Declaration, GoProgram, arguments

ENV, FLAG = "env", "flag"
ENVIRONMENT = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
FLAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Found:
    """A name that a reader found, in a variable (`source` is ENV) or a flag (FLAG); `number`: its value is a number."""

    source: str
    name: str
    where: str
    declaration: Declaration
    position: int = 0
    default: str | None = None
    number: bool = False
    doubt: str = ""
    command: frozenset[str] | None = None


def plain(program: GoProgram, declaration: Declaration, expression: str) -> str | None:
    """Return the text of an expression; a number stands for its digits."""
    return expression if expression.isdigit() else program.text(declaration, expression)


def calls(program: GoProgram, pattern: re.Pattern[str]) -> Iterator[tuple[Declaration, re.Match[str], list[str]]]:
    """Yield each call of reached code whose head matches a pattern that ends with the opening bracket."""
    for declaration in program.reached:
        for match in pattern.finditer(declaration.text):
            yield declaration, match, arguments(declaration.text, match.end() - 1)
