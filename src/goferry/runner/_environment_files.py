"""The files through which a step gives the runner outputs, environment variables and folders for the PATH.

    NAME<<ghadelimiter_3f1c…        GITHUB_OUTPUT, GITHUB_ENV, GITHUB_STATE: a value between two lines that it
    any text                        can't contain
    ghadelimiter_3f1c…
    /a/folder                       GITHUB_PATH: one folder a line

Bytes as @actions/core's file-command.ts writes them. Beyond it, a name that the runner would read otherwise is refused:
an equals sign or `<<` in a name, or a line break in a name or a folder, writes entries of its own.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from pathlib import Path

from goferry.kernel.errors import printable
from goferry.runner._workflow_commands import to_value
from goferry.runner.errors import RunnerFileMissing, RunnerValueRefused

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def entry(name: str, value: object, delimiter: str = "") -> str:
    """Return the lines that give `name` its value, without the last line's end.

    Raises:
        RunnerValueRefused: the name isn't one, or the value holds the delimiter or a NUL.
    """
    delimiter = delimiter or f"ghadelimiter_{uuid.uuid4()}"
    text = to_value(value)
    if not _NAME.fullmatch(name):
        raise RunnerValueRefused(f"{printable(repr(name), 100)} is not a name that the runner takes")
    if delimiter in text:
        raise RunnerValueRefused(f"the value of {name} holds the line {delimiter} that would end it")
    if "\0" in text:
        raise RunnerValueRefused(f"the value of {name} holds a NUL byte")
    return f"{name}<<{delimiter}\n{text}\n{delimiter}"


def folder(path: str) -> str:
    """Return a folder's line for GITHUB_PATH.

    Raises:
        RunnerValueRefused: it is empty or holds a control character.
    """
    if not path or _CONTROL.search(path):
        raise RunnerValueRefused(f"{printable(repr(path), 200)} can't be put on the PATH")
    return path


def append(environ: Mapping[str, str], which: str, text: str) -> None:
    """Append `text` and a line's end to the file that `GITHUB_<which>` names.

    Raises:
        RunnerFileMissing: the variable is unset, or its file does not exist.
    """
    variable = f"GITHUB_{which}"
    path = environ.get(variable, "")
    if not path or not Path(path).exists():
        what = f"{variable} names {printable(path)}, which is not there" if path else f"{variable} is not set"
        raise RunnerFileMissing(
            what,
            state="Nothing was written.",
            advice=["start the action from a workflow; elsewhere use the command of its name"],
        )
    with Path(path).open("a", encoding="utf-8", newline="\n") as file:
        file.write(text + "\n")
