"""What can be wrong with goferry.yml, and where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import asdict

from goferry.kernel.errors import Misuse, printable

SHOWN = 10
"""Problems of one file that a person is shown."""


class ConfigInvalid(Misuse):
    """goferry.yml is not valid; the message names the file, line and column of every problem.

    Usual causes: a misspelt key, a value of the wrong type (without quotes, a version such as 1.20 is a number in
    YAML), or wrong indentation.
    """

    name = "config-invalid"


class ProjectUnknown(Misuse):
    """goferry.yml has no such project, or it has several and the command did not name one.

    Usual causes: a typing error in `--project`, or a command that runs in the repository's root instead of a project's
    folder.
    """

    name = "project-unknown"


class Problem(Struct, frozen=True):
    """One thing that is wrong.

    Attributes:
        line, column: counted from 1; 0 where the file as a whole is meant.
        key: the dotted path of keys, `services.api.listen`.
        message: what is wrong, with the value. hint: the nearest known word or what to write instead, or empty.
    """

    line: int
    column: int
    key: str
    message: str
    hint: str = ""


def invalid(file: str, problems: Sequence[Problem]) -> ConfigInvalid:
    """Return the error that shows these problems, in the file's order.

    Its facts: `file`, `line`, `column` and `key` of the first, and `problems` with all of them.
    """
    ordered = sorted(problems, key=lambda problem: (problem.line, problem.column))
    lines = [_line(file, problem) for problem in ordered[:SHOWN]]
    if len(ordered) > SHOWN:
        lines.append(f"and {len(ordered) - SHOWN} more")
    first = ordered[0]
    return ConfigInvalid(
        "\n".join(lines),
        state="Nothing was started.",
        advice=[
            "every key:  docs/configuration.md",
        ],
        file=file,
        line=first.line,
        column=first.column,
        key=first.key,
        problems=[asdict(problem) for problem in ordered[:100]],
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the hint that names the nearest known word, else all of them."""
    from difflib import get_close_matches

    choices = sorted(known)
    found = get_close_matches(word, choices, 1, 0.6) or get_close_matches(word.lower().replace("_", "-"), choices, 1)
    if found:
        return f"did you mean {found[0]}?"
    return "known here: " + ", ".join(choices) if choices else ""


def _line(file: str, problem: Problem) -> str:
    where = f"{file}:{problem.line}:{problem.column}" if problem.line else file
    hint = f" ({problem.hint})" if problem.hint else ""
    return printable(f"{where}: {problem.message}{hint}", 400)
