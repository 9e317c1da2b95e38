"""Which go.work counts for a folder: one reading for set-up, build, test and everything else.

    builds.env says GOWORK in goferry.yml     → that: `off`, or a file
    else                                      → the nearest go.work from the folder up to the repository's top

A go.work above the repository would replace modules, and no commit shows it; the same holds for GOWORK in the
caller's environment. Neither is used. Outside git there is no top, and every folder above is looked at, as Go does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from goferry.config.load import repository

OFF = "off"


def gowork(directory: Path, env: Mapping[str, str]) -> str:
    """Return what GOWORK is for the go command in `directory`: the path of a go.work, or `off`.

    Args:
        directory: where the go command runs.
        env: `builds.env` of the configuration.
    """
    setting = env.get("GOWORK", "")
    if setting not in ("", "auto"):
        return setting
    folder = directory.resolve()
    top = repository(folder)
    for each in (folder, *folder.parents):
        if (each / "go.work").is_file():
            return str(each / "go.work")
        if each == top:
            break
    return OFF
