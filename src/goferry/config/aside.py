"""Main packages that are not released: helpers of tests and tools, by their folder; and odd program names."""

from __future__ import annotations

from collections.abc import Sequence

from goferry.config._modulepath import last_name

FOLDERS = frozenset(
    {
        *("internal", "testdata", "test", "tests", "testing", "e2e", "tools", "tool", "hack", "scripts", "script"),
        *("example", "examples", "_example", "_examples", "contrib", "ci", "build", "generate", "gen"),
    }
)
"""Names of folders whose programs usually serve the repository alone."""
_SHOWN = 5
PLAIN = ("cmd", "src", "main")
"""Folders of a main package that name no program."""


def folder_of(path: str) -> str:
    """Return the part of a main package's path, `./tools/gen`, that says that it is a helper, or an empty text."""
    return next((part for part in path.split("/") if part in FOLDERS), "")


def notes(mains: Sequence[str], module: str) -> list[str]:
    """Return what to say of the main packages that are built where goferry.yml chooses none.

    Args:
        mains: their paths from the project's folder.
        module: the module path, whose last element names a program better than `cmd`.
    """
    aside = [path for path in mains if folder_of(path)]
    others = [path for path in mains if path not in aside]
    hints = []
    if aside and others:
        shown = ", ".join(aside[:_SHOWN]) + (f" and {len(aside) - _SHOWN} more" if len(aside) > _SHOWN else "")
        whose = "lies in a folder of helpers and is" if len(aside) == 1 else "lie in folders of helpers and are"
        chosen = ", ".join(others[:_SHOWN]) + (", …" if len(others) > _SHOWN else "")
        hints.append(f"{shown} {whose} built too; to choose, in goferry.yml:  builds: {{mains: [{chosen}]}}")
    for path in mains:
        last = path.rpartition("/")[2]
        if path != "." and last in PLAIN:
            better = f"{path}/{last_name(module) or 'NAME'}"
            hints.append(f"{path} builds a program named {last}, as go install does; move it to {better} to name it so")
    return hints
