"""An action's inputs, read from the environment and checked; GitHub checks neither `required` nor types.

A composite action passes its inputs on by hand under names that a shell can carry, `INPUT_GO_VERSION`; the runner gives
a Docker action `INPUT_GO-VERSION`. Both are understood, the first before the second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from goferry.kernel.errors import printable
from goferry.runner.errors import InputInvalid, InputMissing

_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_WHITE = "\t\n\v\f\r \xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000\ufeff"
"""What JavaScript's trim takes away, and so @actions/core; Python's strip takes other characters."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Inputs:
    """The inputs of one step; every value comes without the white space around it."""

    def __init__(self, environ: Mapping[str, str], workspace: Path) -> None:
        """Read from `environ`; relative paths start at `workspace`."""
        self._environ = environ
        self._workspace = workspace

    def text(self, name: str, default: str = "") -> str:
        """Return an input, or the default when it is empty or absent."""
        upper = name.replace(" ", "_").upper()
        value = self._environ.get(f"INPUT_{upper.replace('-', '_')}") or self._environ.get(f"INPUT_{upper}") or ""
        return value.strip(_WHITE) or default

    def required(self, name: str) -> str:
        """Return an input that can't be empty.

        Raises:
            InputMissing: when it is.
        """
        value = self.text(name)
        if not value:
            raise InputMissing(
                f"the input {name} is required and arrived empty",
                state="Nothing was started.",
                advice=[f"give it under the step's  with: {{{name}: …}}", "is it an output of a job that was skipped?"],
            )
        return value

    def boolean(self, name: str, default: bool = False) -> bool:
        """Return a boolean of YAML 1.2's core schema: `true`, `True`, `TRUE`, `false`, `False` or `FALSE`.

        Raises:
            InputInvalid: it is anything else.
        """
        value = self.text(name)
        if not value:
            return default
        if value in _TRUE | _FALSE:
            return value in _TRUE
        raise InputInvalid(
            f"the input {name} is {printable(value, 100)!r}, which is not a boolean",
            state="Nothing was started.",
            advice=[f"write  {name}: true  or  {name}: false"],
        )

    def lines(self, name: str, *, commas: bool = False) -> list[str]:
        """Return a list written one item a line, blank lines dropped; `commas` separate items as well."""
        value = self.text(name)
        items = re.split(r"[\n,]" if commas else r"\n", value)
        return [item.strip(_WHITE) for item in items if item.strip(_WHITE)]

    def path(self, name: str, default: str = "") -> Path:
        """Return a path, relative ones from the workspace; an empty one is the workspace itself.

        Raises:
            InputInvalid: it holds a control character.
        """
        value = self.text(name, default)
        if _CONTROL.search(value):
            raise InputInvalid(
                f"the input {name} is not a path: it holds a line break or another control character",
                state="Nothing was started.",
                advice=[f"give {name} as one line"],
            )
        return self._workspace / value if value else self._workspace
