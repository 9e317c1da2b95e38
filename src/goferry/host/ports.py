"""The port of a plain service's slot: drawn anew for each start, so that nobody can keep a service from one.

    goferry-host ports [TURN] [NOTE FIRST]    root's, before the unit's process starts; FIRST is its first port

A service has ten ports of its own of RANGE, every other one for each slot. A start takes a free one that the starts
just before did not take; where a squatter has them all, a free one of SPARE, and at last whatever the kernel gives.
The port is put into the slot's NOTE (host.start_note). How the start follows on those before it goes into TURN
(host.unit), for the unit itself can write nowhere in /run; units of an older Goferry have no such file.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable, Iterator

from goferry.host import listener, start_note, unit
from goferry.kernel.loopback_ports import OWN_PORTS, SPARE

TRIES, REMEMBERED = 64, 3


def main(words: list[str]) -> int:
    """Note the start, draw the port and note it, and deny the unit the ports of the others where the host can."""
    from goferry.host import bindings  # loads ctypes

    own: Iterable[int] = ()
    # NOTE and FIRST come together, so an odd number of words begins with TURN.
    turn, drawn = (words[:1], words[1:]) if len(words) % 2 else ([], words)
    for path in turn:
        unit.note_turn(path)
    try:
        if drawn:
            own = _noted(drawn[0], int(drawn[1]))
    except OSError as error:
        sys.stderr.write(f"goferry: no port for the service: {error}\n")
        return 1
    try:
        # Without it the port is still drawn, and host.forward still asks who listens: the service starts.
        bindings.deny(own)
    except OSError as error:
        sys.stderr.write(f"goferry: this host can't keep a service from the ports of others: {error}\n")
    return 0


def _noted(path: str, first: int) -> Iterable[int]:
    """Draw a port and note it; return the service's own ports."""
    last = start_note.read(path)
    before = tuple(port for port in (last.port, *last.before) if port)[:REMEMBERED]
    start_note.write(path, start_note.Note(draw(first, before), listener.group_of(), before))
    return _own(first)


def _own(first: int) -> range:
    base = first - first % OWN_PORTS
    return range(base, base + OWN_PORTS)


def draw(first: int, before: tuple[int, ...] = ()) -> int:
    """Return a port that is free now for the slot whose first one is `first`; none of `before`.

    Raises:
        OSError: when the kernel has none at all.
    """
    return next(port for port in (free(each) for each in _choices(first) if each not in before) if port)


def _choices(first: int) -> Iterator[int]:
    yield from _shuffled([port for port in _own(first) if port % 2 == first % 2])
    yield from _shuffled(SPARE)[:TRIES]
    yield 0


def _shuffled(ports: Iterable[int]) -> list[int]:
    return sorted(ports, key=lambda _: os.urandom(8))


def free(port: int) -> int:
    """Return `port` (for 0, one that the kernel chooses) when a service could listen on it now, else 0.

    Raises:
        OSError: when the kernel has none.
    """
    kind = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET  # as Go does for an address without host
    with socket.socket(kind) as probe:
        # As Go does: a port on which only old connections are left in TIME_WAIT can be listened on.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            probe.bind(("", port))
        except OSError:
            if port:
                return 0
            raise
        # From here on somebody may take it before the service listens; `Systemd.taken_port` finds that out.
        return int(probe.getsockname()[1])
