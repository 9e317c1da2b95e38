"""Who listens on a TCP port of the loopback: the socket that would get a connection now, and whose it is.

The kernel is asked by sock_diag(7) with the look-up that a connection itself makes (linux/inet_diag.h); anybody may
ask. Where it has no such module, /proc/net/tcp tells nearly the same, and the inode stands for the socket's cookie.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LOOPBACK = socket.inet_aton("127.0.0.1")
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, TCP_LISTEN, INET_DIAG_CGROUP_ID = 4, 20, 1, 10, 21
HEADER, BODY = 16, 72
"""Bytes of struct nlmsghdr and of struct inet_diag_msg, behind which the attributes are."""
# What the kernel says of each socket where control groups of version 2 are not in use.
ROOT_CGROUP = 1
# The loopback is always interface 1.
_ALL, _NO_COOKIE, _LO = 0xFFFFFFFF, b"\xff" * 8, 1
# On 32 bits an inode has only the lower half of a control group's id.
_INODES = (1 << 64) - 1 if sys.maxsize > 1 << 32 else (1 << 32) - 1


class Listener(NamedTuple):
    """A listening socket.

    Attributes:
        port: its port. key: names this socket and, until the host is switched off, no other.
        uid: whose it is. cgroup: the id of the control group (v2) that it was made in; 0 when that is not known.
    """

    port: int
    key: bytes
    uid: int
    cgroup: int


class Kernel:
    """Answers who listens."""

    def __init__(self) -> None:
        self._diag: socket.socket | None = None
        with contextlib.suppress(OSError, AttributeError):
            self._diag = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG)
            self._diag.settimeout(2)
            # Tried with a socket that surely listens: without its module the kernel knows no listener at all.
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                probe.listen()
                if self._asked(probe.getsockname()[1]) is not None:
                    return
        self.close()

    def close(self) -> None:
        """Ask by /proc alone from now on."""
        if self._diag:
            self._diag.close()
        self._diag = None

    def listener(self, port: int) -> Listener | None:
        """Return who would get a connection to 127.0.0.1:`port`; None when it would be refused."""
        return self._asked(port) if self._diag else next(in_table(port), None)

    def _asked(self, port: int) -> Listener | None:
        assert self._diag is not None
        question = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ALL)
        question += struct.pack(">HH4s28x", port, 0, LOOPBACK) + struct.pack("=I", _LO) + _NO_COOKIE
        header = struct.pack("=IHHII", HEADER + len(question), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0)
        self._diag.send(header + question)
        answer = self._diag.recv(8192)
        if struct.unpack_from("=H", answer, 4)[0] != SOCK_DIAG_BY_FAMILY or answer[HEADER + 1] != TCP_LISTEN:
            return None
        (uid,) = struct.unpack_from("=I", answer, HEADER + 64)
        return Listener(port, answer[HEADER + 44 : HEADER + 52], uid, _cgroup(answer))


def _cgroup(answer: bytes) -> int:
    place = HEADER + BODY
    while place + 12 <= len(answer):
        length, kind = struct.unpack_from("=HH", answer, place)
        if kind == INET_DIAG_CGROUP_ID:
            return int(struct.unpack_from("=Q", answer, place + 4)[0])
        place += max(4, (length + 3) & ~3)
    return 0


def in_table(port: int) -> Iterator[Listener]:
    """Yield the listeners that /proc/net/tcp shows for a port of the loopback, the nearest address first."""
    # 127.0.0.1 and any address, then both as IPv6 has them, in the bytes of a little-endian machine.
    nearest = ("0100007F", "00000000", "0000000000000000FFFF00000100007F", "0" * 32)
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                address, _, number = fields[1].rpartition(":")
                if fields[3] == "0A" and int(number, 16) == port and address in nearest:
                    found.append((nearest.index(address), int(fields[7]), fields[9]))
    for _, uid, inode in sorted(found):
        yield Listener(port, inode.encode(), uid, 0)


MOUNT = Path("/sys/fs/cgroup")


def unified(group: str, mount: Path = MOUNT) -> Path | None:
    """Return the folder of a control group in the hierarchy of version 2, also beside those of version 1; else None."""
    inside = group.strip("/")
    found = (folder / inside for folder in (mount, mount / "unified"))
    return next((each for each in found if inside and (each / "cgroup.procs").is_file()), None)


class Unit:
    """The processes of one unit, by its control group's path as /proc/PID/cgroup has it."""

    def __init__(self, group: str, mount: Path = MOUNT) -> None:
        """`mount` is where the hierarchies are."""
        self._unified = unified(group, mount)
        self._folder = self._unified or mount / "systemd" / group.strip("/")

    def owns(self, listener: Listener) -> bool:
        """Whether a listener was made in the unit; where the kernel can't say that, whether it is the unit's user's."""
        if listener.cgroup > ROOT_CGROUP:
            with contextlib.suppress(OSError):
                return bool(self._unified) and self._folder.stat().st_ino & _INODES == listener.cgroup & _INODES
            return False
        return listener.uid in self.users()

    def users(self) -> set[int]:
        """Return the users of the unit's processes but root; empty when none runs."""
        found = set()
        with contextlib.suppress(OSError):
            for pid in (self._folder / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):
                    found.add(os.stat("/proc/" + pid).st_uid)
        return found - {0}


def group_of(pid: str = "self") -> str:
    """Return the path of a process's control group, as systemd made it; empty when there is none."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return ""
    paths = {line.split(":", 2)[1]: line.split(":", 2)[2] for line in lines}
    unified = paths.get("", "")
    # With version 1 alone, version 2's line says `/`, and systemd's own hierarchy has the units.
    return unified if unified.strip("/") else paths.get("name=systemd", "")
