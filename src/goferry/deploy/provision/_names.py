"""What a project's and a service's name must allow on a host, judged before anything is connected to; pure.

The names become those of sockets, units, folders, users and nginx's upstreams, and each has its limit. Which one is
met first follows from `kernel.hostfile.Place`, so the limits are looked at and not the letters of a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from goferry.deploy.errors import ServiceNameUnusable
from goferry.kernel import hostfile
from goferry.kernel.errors import printable
from goferry.kernel.hostfile import SLOTS, Place

SOCKET, UNIT, FILE = 107, 255, 240
"""Bytes: of a unix socket's path (sun_path less its NUL), of a unit's name, of a file's name before a `.goferry.` file
can't be made beside it any more."""

_LIMITS: tuple[tuple[str, int, Callable[[Place], Iterable[str]]], ...] = (
    ("the path of its socket", SOCKET, lambda place: [place.live_link, *map(place.socket_path, SLOTS)]),
    (
        "the name of its unit",
        UNIT,
        lambda place: [name(slot) for name in (place.unit, place.socket_unit, place.door_unit) for slot in SLOTS],
    ),
    ("the name of its files", FILE, lambda place: [place.stem + ".conf"]),
    # The longest that systemd takes for `User=`.
    ("the name of its user", 31, lambda place: [place.user]),
)


def refuse(places: Sequence[Place], others: Sequence[Place] = ()) -> None:
    """Refuse names that a host can't have, and those that would meet each other's or the `others` that are there.

    Raises:
        ServiceNameUnusable: with the name, and what of it is too long or taken.
    """
    for place in places:
        _refuse_letters(place)
        _refuse_long(place)
    _refuse_meeting([*others, *places], {(place.project, place.service) for place in places})


def _refuse_letters(place: Place) -> None:
    for kind, name in (("project", place.project), ("service", place.service)):
        if not hostfile.usable(name):
            raise ServiceNameUnusable(
                f"{printable(repr(name), 80)} can't name a {kind} on a host",
                state="Nothing was changed.",
                advice=[f"use letters, digits, dots, hyphens and underscores, at most 63, for the {kind}'s name"],
            )


def _refuse_long(place: Place) -> None:
    for what, most, made in _LIMITS:
        longest = max(made(place), key=len)
        if len(longest.encode()) > most:
            over = len(longest.encode()) - most
            raise ServiceNameUnusable(
                f"the names {place.project} and {place.service} are too long together: {what} would be "
                f"{longest}, {len(longest.encode())} bytes, and at most {most} are possible",
                state="Nothing was changed.",
                advice=[f"shorten `project` or the service's name in goferry.yml by {over} letters"],
            )


def _refuse_meeting(places: Sequence[Place], mine: set[tuple[str, str]]) -> None:
    """Refuse `a-b` with `c` beside `a` with `b-c`; nginx takes upstreams that differ in case alone for one."""
    met: dict[str, Place] = {}
    for place in places:
        other = met.setdefault(place.stem.casefold(), place)
        named = (place.project, place.service)
        if named != (other.project, other.service) and named in mine:
            raise ServiceNameUnusable(
                f"service {place.service} of project {place.project} and service {other.service} of project "
                f"{other.project} would have the same units and files on the host: goferry-{place.stem}",
                state="Nothing was changed.",
                advice=[f"rename {place.service} or its project in goferry.yml"],
            )
