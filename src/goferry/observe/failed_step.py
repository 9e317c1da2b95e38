"""failure.json: what a failed step leaves behind, and what a later job's notification is made of.

The step that writes it is ours (runner.failure); the artifact that carries it to another job may have been written by
anybody who can push to the repository, so it is read defensively: a field of another type counts as absent.
"""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict


class FailedStep(Struct, frozen=True):
    """A step that failed.

    Attributes:
        error: the error's name. what, state: as the error says them; several lines are possible.
        advice: what to type next, a line each. exit_code: the process's; 0 where the file has none.
        docs: the address of the error's page. stage: what the step was in, `build linux/amd64`; empty at its start.
        lines: the last lines of its log. action: which of Goferry's actions it was.
    """

    error: str = ""
    what: str = ""
    state: str = ""
    advice: tuple[str, ...] = ()
    exit_code: int = 0
    docs: str = ""
    stage: str = ""
    lines: tuple[str, ...] = ()
    action: str = ""

    def as_json(self) -> str:
        """Return the text of failure.json."""
        return json.dumps(asdict(self), indent=2) + "\n"


def read(text: str) -> FailedStep | None:
    """Read the text of a failure.json, or None when it is not a JSON object."""
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(facts, dict):
        return None
    return FailedStep(**{name: _typed(facts.get(name), default) for name, default in asdict(FailedStep()).items()})


def _typed(value: object, default: object) -> Any:
    """Return a value where it is of its default's type: of a list the texts alone."""
    if isinstance(default, tuple):
        return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else default
    # Not isinstance: True is an int in Python, and would be an exit code.
    return value if type(value) is type(default) else default
