"""Which TCP ports a unit may listen on: those of the other services are denied to it, where the host can do that.

A program of type cgroup/bind4 and bind6 (bpf(2)) at the unit's control group (v2) sees each bind(2) and refuses a port
of RANGE that is not the unit's own. It is what systemd's SocketBindDeny= would do; Debian 12 builds systemd without it
and ignores the line without a word. Landlock denies ports only by listing all others, and Go's listeners, which are
MPTCP, pass it. Other ports, UDP, port 0 and outgoing connections are not touched. What stands before the ports
(host.forward) does not depend on this: it is a second lock on the same door.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from goferry.host import listener
from goferry.kernel.loopback_ports import RANGE

BPF = {"x86_64": 321, "aarch64": 280, "armv7l": 386, "armv6l": 386, "i686": 357, "riscv64": 280}
"""The system call's number by `uname -m`."""
LOAD, ATTACH, CGROUP_SOCK_ADDR, INET4_BIND, INET6_BIND = 5, 8, 18, 8, 9
USER_PORT, TYPE, STREAM = 24, 32, 1
"""Offsets in struct bpf_sock_addr (linux/bpf.h); SOCK_STREAM."""


def deny(own: Iterable[int]) -> None:
    """Keep this process's unit from listening on ports of RANGE that are not in `own`.

    Raises:
        OSError: when the host can't do that.
    """
    attach(unit_folder(), program(sorted(own)))


def unit_folder() -> Path:
    """Return the folder of this process's control group in the unified hierarchy.

    Raises:
        OSError: when there is none.
    """
    found = listener.unified(listener.group_of())
    if found is None:
        raise FileNotFoundError("it has no control groups of version 2")
    return found


def program(own: list[int]) -> bytes:
    """Return the instructions; pure. They return 1 to allow and 0 to deny.

    own: consecutive ports, or none.
    """
    # Without ports of its own: a span that begins above the range, so that all of the range is denied.
    low, high = (own[0], own[-1]) if own else (RANGE.stop, RANGE.stop)
    return b"".join(
        (
            _do(0x61, 2, 1, USER_PORT),  # r2 = the port that was asked for
            _do(0xDC, 2, value=16),  # from the network's byte order
            _do(0x61, 3, 1, TYPE),  # r3 = the socket's type
            _do(0xB7, 0, value=1),  # r0 = allow
            _do(0x55, 3, jump=5, value=STREAM),  # another type: end
            _do(0xA5, 2, jump=4, value=RANGE.start),  # below the range: end
            _do(0x25, 2, jump=3, value=RANGE.stop - 1),  # above it: end
            _do(0xA5, 2, jump=1, value=low),  # below its own: deny
            _do(0xB5, 2, jump=1, value=high),  # up to the last of its own: end
            _do(0xB7, 0, value=0),  # r0 = deny
            _do(0x95),
        )
    )


def _do(code: int, to: int = 0, source: int = 0, offset: int = 0, *, jump: int = 0, value: int = 0) -> bytes:
    return struct.pack("<BBhi", code, source << 4 | to, offset or jump, value)


def attach(folder: Path, code: bytes) -> None:
    """Load a program and attach it to a control group, in place of an earlier one.

    Raises:
        OSError: when the kernel refuses.
    """
    with contextlib.ExitStack() as stack:
        group = os.open(str(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, group)
        # The program calls no helper, so its license need not be compatible with the GPL.
        held, license_ = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"Apache-2.0")
        places = ctypes.addressof(held), ctypes.addressof(license_)
        # The kernel ties a program to its attach type at load, so each of the two needs its own.
        for kind in (INET4_BIND, INET6_BIND):
            asked = struct.pack("=IIQQIIQII16sII", CGROUP_SOCK_ADDR, len(code) // 8, *places, 0, 0, 0, 0, 0,
                                b"goferry_bind", 0, kind)  # fmt: skip
            loaded = _bpf(LOAD, asked)
            stack.callback(os.close, loaded)
            # Flags 0: it takes the place of the one before, and no group below can override it. The
            # attachment holds the program, also when its descriptor is closed and this process has ended.
            _bpf(ATTACH, struct.pack("=IIII", group, loaded, kind, 0))


def _bpf(command: int, attributes: bytes) -> int:
    number = BPF.get(os.uname().machine)
    if number is None:
        raise OSError(f"unknown machine {os.uname().machine}")
    held = ctypes.create_string_buffer(attributes, len(attributes))
    done = int(ctypes.CDLL(None, use_errno=True).syscall(number, command, held, ctypes.c_size_t(len(attributes))))
    if done < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return done
