"""Whether this machine can run an executable, by the file's own headers."""

from __future__ import annotations

import os
from pathlib import Path

from goferry.kernel import elf

UNAME: dict[str, str] = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "i386": "386",
    "i686": "386",
    "armv6l": "arm",
    "armv7l": "arm",
    "riscv64": "riscv64",
    "s390x": "s390x",
    "ppc64le": "ppc64le",
}


def host_platform() -> tuple[str, str]:
    """Return this machine as GOOS and GOARCH."""
    uname = os.uname()
    return uname.sysname.lower(), UNAME.get(uname.machine, uname.machine)


def cannot_run(path: Path) -> str:
    """Return why this machine can't run the file, or an empty string."""
    try:
        with path.open("rb") as file:
            found = elf.read(file)
    except ValueError as error:
        return str(error)
    host = host_platform()[1]
    # A kernel for amd64 runs programs for 386 too; whether their loader is there is asked next.
    if found.goarch != host and not (host == "amd64" and found.goarch == "386"):
        return f"built for {found.goarch or 'an unknown machine'}; this host is {host}"
    if found.interpreter and not os.path.exists(found.interpreter):
        return f"linked against the loader {found.interpreter}, which this host lacks"
    return ""
