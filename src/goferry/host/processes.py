"""Processes as Linux shows them: which is which, what it runs, and who owns a listening port (proc(5))."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from goferry.kernel.files import sha256_file


class Process(NamedTuple):
    """A process, named for good: a later one with the same pid started later, or after a reboot.

    Attributes:
        pid: 0 where there is none. started: in clock ticks since boot. boot: which boot.
    """

    pid: int = 0
    started: int = -1
    boot: int = 0

    def __bool__(self) -> bool:
        return self.pid != 0


def started(pid: int) -> int:
    """Return the process's start time in clock ticks since boot, or 0 when it is gone or a zombie."""
    try:
        # From the last bracket on, as a process chooses its name, which stands in brackets.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return 0
    return 0 if fields[0] in ("Z", "X") else int(fields[19])


def same(process: Process) -> bool:
    """Whether it still runs."""
    return process.pid > 1 and process.boot == boot() and started(process.pid) == process.started


def identity(pid: int) -> Process:
    """Return what a pid names now."""
    return Process(pid, started(pid), boot())


def boot() -> int:
    """Return a number that differs after a reboot: the first 12 hex digits of the kernel's boot id."""
    with contextlib.suppress(OSError, ValueError):
        return int(Path("/proc/sys/kernel/random/boot_id").read_text().replace("-", "")[:12], 16)
    return 0


KILLED = 5.0
"""Seconds that a process has to be gone after SIGKILL."""


def end(process: Process, grace: float) -> bool:
    """End a process, and only that: SIGTERM, after `grace` seconds SIGKILL; wait until gone.

    Return whether it is; one that waits for a disk may outlive its SIGKILL.
    """
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, KILLED)):
        # Asked before each signal: the pid may be another process's by now.
        if not same(process):
            return True
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        deadline = time.monotonic() + seconds
        # It may be no child of ours (systemd's, or a dead supervisor's), so it can't be waited for.
        while same(process) and time.monotonic() < deadline:
            time.sleep(0.01)
    return not same(process)


def executable_digest(pid: int) -> str:
    """Return the SHA-256 of what the process runs, whatever its path names now; empty when it is gone."""
    try:
        return sha256_file(f"/proc/{pid}/exe")
    except OSError:
        return ""


def listens(pid: int, port: int) -> bool:
    """Whether the process itself holds the listening TCP socket of `port`."""
    return not _listening(port).isdisjoint(_inodes(pid))


def ports(pid: int) -> list[int]:
    """Return the TCP ports on which the process itself listens."""
    own = set(_inodes(pid))
    return sorted({port for port, fields in _table("0A") if fields[9] in own})


def _inodes(pid: int) -> Iterator[str]:
    """Yield the inodes of the sockets that a process holds."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for name in names:
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/{pid}/fd/{name}")
            if target.startswith("socket:["):
                yield target[8:-1]


def listened(port: int) -> bool:
    """Whether any process listens on a TCP port of this machine."""
    return bool(_listening(port))


def connections(port: int) -> int:
    """Return how many established TCP connections have `port` of this machine as their own end."""
    return len(list(_sockets(port, "01")))


def in_use(path: str) -> bool:
    """Whether a connection to the unix socket that listens at `path` is open."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
            fields = line.split()
            # SS_CONNECTED; what a listener accepted bears the listener's path.
            if fields[5] == "03" and fields[7:] == [path]:
                return True
    return False


def listeners(port: int) -> set[int]:
    """Return the numbers of the users who listen on a TCP port of this machine."""
    return {int(fields[7]) for fields in _rows(port, "0A")}


def _listening(port: int) -> set[str]:
    return set(_sockets(port, "0A"))


def _sockets(port: int, state: str) -> Iterator[str]:
    """Yield the inodes of a local port's TCP sockets in a state (the kernel's include/net/tcp_states.h)."""
    return (fields[9] for fields in _rows(port, state))


def _rows(port: int, state: str) -> Iterator[list[str]]:
    """Yield the lines of a local port's TCP sockets in a state; field 7 is the user's number, 9 the inode."""
    return (fields for local, fields in _table(state) if local == port)


def _table(state: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the local port and the line of every TCP socket in a state."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == state:
                    yield int(fields[1].rpartition(":")[2], 16), fields
