"""What this machine has of what Goferry may use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from goferry.kernel.errors import Failed
from goferry.system.process import ToolMissing, run

PYTHON = (3, 11)
PATIENCE = 5.0
"""Seconds that a program has for its answer."""


@dataclass(frozen=True)
class Tool:
    """A program that is asked whether it works: the words of a question that it answers with exit code 0."""

    required: bool
    purpose: str
    asked: tuple[str, ...]
    otherwise: str = "it is there and does not work"


TOOLS = {
    "git": Tool(required=True, purpose="version, commit and date of a build", asked=("--version",)),
    "go": Tool(
        required=False, purpose="saves a download; goferry setup-go installs a proven one", asked=("env", "GOROOT")
    ),
    "gpgv": Tool(
        required=False,
        purpose="a second judge of OpenPGP signatures; pure verification is built in",
        asked=("--version",),
    ),
    "docker": Tool(
        required=False,
        purpose="runs the images; writing them needs none",
        asked=("version", "--format", "{{.Server.Version}}"),
        otherwise="it is there, and its daemon does not answer",
    ),
}


class MachineUnready(Failed):
    """This machine lacks something that Goferry needs.

    Usual causes: a new machine or a minimal container.
    """

    name = "machine-unready"


@dataclass(frozen=True)
class ToolFinding:
    """One thing: its name, whether it is needed, what it is for, and what was found that works (empty: nothing).

    `trouble` says why what is there does not count.
    """

    name: str
    required: bool
    purpose: str
    found: str
    trouble: str = ""

    def line(self) -> str:
        """Say it in one line."""
        mark = "ok     " if self.found else ("MISSING" if self.required else "absent ")
        return f"{mark}  {self.name:<8} {self.found or self.trouble or '-'}  ({self.purpose})"


def examine(environ: Mapping[str, str]) -> list[ToolFinding]:
    """Look for everything, and ask each program whether it works; uses no network."""
    version = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, PYTHON))
    python = ToolFinding(
        name="python",
        required=True,
        purpose=f"runs Goferry; {wanted} or later",
        found=version if sys.version_info >= PYTHON else "",
    )
    return [python, *(_ask(name, tool, environ) for name, tool in TOOLS.items())]


def _ask(name: str, tool: Tool, environ: Mapping[str, str]) -> ToolFinding:
    path = shutil.which(name, path=environ.get("PATH", os.defpath)) or ""
    trouble = ""
    if path:
        try:
            answer = run([path, *tool.asked], environ={**environ, "GOTOOLCHAIN": "local"}, timeout=PATIENCE)
            trouble = "" if answer.code == 0 else tool.otherwise
        except (ToolMissing, subprocess.TimeoutExpired):
            trouble = tool.otherwise
    return ToolFinding(name, tool.required, tool.purpose, "" if trouble else path, trouble and f"{trouble}: {path}")
