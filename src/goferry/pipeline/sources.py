"""The files that say which modules a project needs: what `up` keeps to know that they are in the cache already.

What is source beside them is Go's to know: `go test` and `go build` are asked every time.
"""

from __future__ import annotations

import os
from pathlib import Path

from goferry.build import environment
from goferry.build.facts import Facts
from goferry.kernel.files import sha256_file

_MODULE = ("go.mod", "go.sum", "vendor/modules.txt")
_WORKSPACE = ("go.work", "go.work.sum", "vendor/modules.txt")


def modules(facts: Facts) -> dict[str, str]:
    """Return path, relative to the project's folder, → SHA-256 of each file that is there."""
    paths = [facts.directory / folder / name for folder in facts.modules.values() for name in _MODULE]
    work = environment.workspace(facts.directory).get("GOWORK", "off")
    if work != "off":
        paths += [Path(work).parent / name for name in _WORKSPACE]
    return {os.path.relpath(path, facts.directory): sha256_file(path) for path in paths if path.is_file()}
