"""The files that say which modules a project needs: what `up` keeps to know that they are in the cache already.

What is source beside them is Go's to know: `go test` and `go build` are asked every time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from goferry.config import workspace
from goferry.gobuild.facts import Facts
from goferry.kernel.files import sha256_file

_MODULE = ("go.mod", "go.sum", "vendor/modules.txt")
_NOTHING: Mapping[str, str] = MappingProxyType({})
_WORKSPACE = ("go.work", "go.work.sum", "vendor/modules.txt")


def modules(facts: Facts, env: Mapping[str, str] = _NOTHING) -> dict[str, str]:
    """Return path, relative to the project's folder, → SHA-256 of each file that is there; `env` is `builds.env`."""
    paths = [facts.directory / folder / name for folder in facts.modules.values() for name in _MODULE]
    work = workspace.gowork(facts.directory, env)
    if work != workspace.OFF:
        paths += [Path(work).parent / name for name in _WORKSPACE]
    return {os.path.relpath(path, facts.directory): sha256_file(path) for path in paths if path.is_file()}
