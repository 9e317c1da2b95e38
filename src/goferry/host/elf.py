"""Whether this machine can run an executable, from the file's own header (System V ABI, ELF-64 object file format)."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Dict, Tuple

MACHINES: Dict[int, str] = {3: "386", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64", 22: "s390x", 21: "ppc64le"}
UNAME: Dict[str, str] = {
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
_PT_INTERP = 3


def host_platform() -> Tuple[str, str]:
    """Return this machine as GOOS and GOARCH."""
    uname = os.uname()
    return uname.sysname.lower(), UNAME.get(uname.machine, uname.machine)


def examine(path: Path) -> Tuple[str, str]:
    """Return (GOARCH, loader) of an ELF file; the loader is empty when it is linked statically.

    Raises:
        ValueError: when it is no ELF executable.
    """
    with open(str(path), "rb") as file:
        head = file.read(64)
        if len(head) < 52 or head[:4] != b"\x7fELF":
            raise ValueError("not an ELF executable")
        order, wide = ("<", ">")[head[5] == 2], head[4] == 2
        kind, machine = struct.unpack_from(order + "HH", head, 16)
        if kind not in (2, 3):
            raise ValueError("an ELF file of type %d, not an executable" % kind)
        if wide:
            (table,) = struct.unpack_from(order + "Q", head, 32)
            size, count = struct.unpack_from(order + "HH", head, 54)
        else:
            (table,) = struct.unpack_from(order + "I", head, 28)
            size, count = struct.unpack_from(order + "HH", head, 42)
        file.seek(table)
        segments = file.read(size * count)
        loader = ""
        for at in range(0, len(segments) - size + 1, size or 1):
            (segment,) = struct.unpack_from(order + "I", segments, at)
            if segment == _PT_INTERP and size >= 32:
                where, length = _place(order, segments, at, wide)
                file.seek(where)
                loader = file.read(min(length, 4096)).rstrip(b"\0").decode("utf-8", "replace")
    return MACHINES.get(machine, "machine-%d" % machine), loader


def _place(order: str, segments: bytes, at: int, wide: bool) -> Tuple[int, int]:
    if wide:
        return struct.unpack_from(order + "Q", segments, at + 8)[0], struct.unpack_from(order + "Q", segments, at + 32)[
            0
        ]
    return struct.unpack_from(order + "I", segments, at + 4)[0], struct.unpack_from(order + "I", segments, at + 16)[0]


def cannot_run(path: Path) -> str:
    """Return why this machine can't run the file, or an empty string."""
    try:
        arch, loader = examine(path)
    except (ValueError, struct.error) as error:
        return str(error)
    host = host_platform()[1]
    if arch != host and not (host == "amd64" and arch == "386"):
        return "built for %s; this host is %s" % (arch, host)
    if loader and not os.path.exists(loader):
        return "linked against the loader %s, which this host lacks" % loader
    return ""
