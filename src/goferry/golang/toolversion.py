"""Which Go the go command really runs in a folder: Go may switch to another toolchain for what it finds there."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from goferry.artifacts.toolchain import Toolchain
from goferry.system.process import run

_SECONDS = 300
_SAYS = re.compile(r"go version go([0-9][^\s-]*)")


def version_in(directory: Path, toolchain: Toolchain, environ: Mapping[str, str]) -> tuple[str, str]:
    """Ask `go version` in `directory`, with switching as `environ` has it; return the version and what go said.

    The version is empty when go failed. A program that says something else is taken for what was installed.
    """
    try:
        done = run([toolchain.go, "version"], environ=environ, cwd=directory, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return "", f"go version did not answer in {_SECONDS} s"
    if done.code:
        return "", done.errors.strip()
    match = _SAYS.match(done.text)
    return (match[1] if match else toolchain.version), done.text.strip()
