"""What this machine has of what Goferry may use."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from goferry.kernel.errors import Failed

PYTHON = (3, 11)
TOOLS = {
    "git": (True, "version, commit and date of a build"),
    "go": (False, "saves a download; goferry setup-go installs a proven one"),
    "gpgv": (False, "a second judge of OpenPGP signatures; pure verification is built in"),
    "docker": (False, "runs the images; writing them needs none"),
}


class MachineUnready(Failed):
    """Something that Goferry cannot do without is missing on this machine.

    It usually is a fresh machine or a minimal container.
    """

    name = "machine-unready"


@dataclass(frozen=True)
class Finding:
    """One thing: its name, whether it is needed, what it is for, and what was found (empty: nothing)."""

    name: str
    required: bool
    purpose: str
    found: str

    def line(self) -> str:
        """Say it in one line."""
        mark = "ok     " if self.found else ("MISSING" if self.required else "absent ")
        return f"{mark}  {self.name:<8} {self.found or '-'}  ({self.purpose})"


def examine(environ: Mapping[str, str]) -> list[Finding]:
    """Look for everything; uses no network and starts nothing."""
    version = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, PYTHON))
    python = Finding(
        name="python",
        required=True,
        purpose=f"runs Goferry; {wanted} or later",
        found=version if sys.version_info >= PYTHON else "",
    )
    path = environ.get("PATH", os.defpath)
    return [
        python,
        *(Finding(name, need, why, shutil.which(name, path=path) or "") for name, (need, why) in TOOLS.items()),
    ]
