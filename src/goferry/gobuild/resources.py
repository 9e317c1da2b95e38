"""What this machine may use: processors and memory, with a container's limits counted."""

from __future__ import annotations

import os
import re
from pathlib import Path

from msgspec import Struct

from goferry.kernel.digits import number

MIB = 1 << 20


class Machine(Struct, frozen=True):
    """Processors, and memory in MiB."""

    cpus: int
    memory: int


def read(root: Path = Path("/")) -> Machine:
    """Return what the kernel and the control group (version 2, else 1) leave us; `root` is for tests.

    A container's `/proc/meminfo` shows the whole machine, so the smaller of the two counts.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    group = root / "sys/fs/cgroup"
    memory = [_available(root), *_limits(group)]
    quota = _quota(group)
    return Machine(max(1, min(cpus, quota or cpus)), min(value for value in memory if value))


def _available(root: Path) -> int:
    match = re.search(r"MemAvailable:\s+(\d+) kB", _text(root / "proc/meminfo"))
    return int(match.group(1)) // 1024 if match else 2048


def _limits(group: Path) -> list[int]:
    files = (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    )
    found = []
    for limit, used in files:
        most, usage = number(_text(group / limit).strip()), number(_text(group / used).strip())
        if most is not None:
            found.append(max(1, most - (0 if usage is None else _resident(group, usage))) // MIB)
    return [max(1, value) for value in found]


def _resident(group: Path, usage: int) -> int:
    """Return what is used and can't be given back: the page cache is taken off."""
    match = re.search(r"^inactive_file (\d+)", _text(group / "memory.stat"), re.MULTILINE)
    return max(0, usage - (int(match.group(1)) if match else 0))


def _quota(group: Path) -> int:
    quota, period = ([number(word) for word in _text(group / "cpu.max").split()] + [None, None])[:2]
    return max(1, quota // period) if quota is not None and period else 0


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
