"""Problem matchers: what Go's tools print becomes annotations at the lines of code, while a block runs.

The runner keeps a matcher until the job ends unless it is removed, so each is added before and removed after. The
file lies under RUNNER_TEMP, which the runner also finds from within an action's container
(actions/toolkit, docs/problem-matchers.md).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from goferry.runner.commands import command

_POSITION = {"file": 1, "line": 2, "column": 3, "message": 4}

MATCHERS: dict[str, list[dict[str, Any]]] = {
    "go": [
        {
            "owner": "goferry-go",
            "severity": "error",
            "pattern": [{"regexp": r"^\s*(?:vet: )?((?:\.{1,2}/)?[^\s:][^:]*\.go):(\d+):(\d+): (.+)$", **_POSITION}],
        },
        {
            "owner": "goferry-go-test",
            "severity": "error",
            "pattern": [
                {"regexp": r"^\s*((?:\.{1,2}/)?[^\s:][^:]*\.go):(\d+): (.+)$", "file": 1, "line": 2, "message": 3}
            ],
        },
    ],
    "gofmt": [
        {
            "owner": "goferry-gofmt",
            "severity": "warning",
            "pattern": [{"regexp": r"^diff (?:-u )?\S+\.go(?:\.orig)? (\S+\.go)$", "file": 1, "message": 1}],
        }
    ],
}
"""By name, the matchers of the go command (build, vet and test) and of `gofmt -d`."""


def begin(name: str, folder: Path) -> str:
    """Write the matchers' file into `folder` and return the command that adds it."""
    path = folder / f"{name}-matcher.json"
    path.write_text(json.dumps({"problemMatcher": MATCHERS[name]}, indent=2) + "\n")
    return command("add-matcher", str(path))


def end(name: str) -> list[str]:
    """Return the commands that remove the matchers again."""
    return [command("remove-matcher", "", {"owner": matcher["owner"]}) for matcher in MATCHERS[name]]
