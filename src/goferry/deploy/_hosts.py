"""Hosts as people write them: `web-1`, `goferry@web-2:2222`, `[2001:db8::1]:22`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from goferry.deploy.errors import HostNameInvalid
from goferry.kernel.errors import printable

# Names never begin with a dash, which ssh would take for an option (`-oProxyCommand=…`).
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")
_SIX = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9._-]{1,32})?")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_FORM = re.compile(r"(?:([^@]*)@)?(?:\[([^\]]*)\]|([^:\[\]@]*))(?::([0-9]{1,5}))?")


class Address(Struct, frozen=True):
    """Where a host's sshd is.

    Attributes:
        text: as it was written; the host's name in messages and records.
        user, host: for ssh; `host` has no brackets. port: 0 means ssh's own choice.
    """

    text: str
    user: str
    host: str
    port: int = 0


def parse(text: str, user: str) -> Address:
    """Read one host; `user` is taken where none is written.

    Raises:
        HostNameInvalid: when it is none.
    """
    # `web:22` is a name and a port; only what can't be one is read as an IPv6 address without brackets.
    found = _FORM.fullmatch(text) or (_SIX.fullmatch(text) and _FORM.fullmatch(f"[{text}]"))
    if not found:
        raise _invalid(text)
    given, six, plain, digits = found.groups()
    name, pattern = (plain, _NAME) if six is None else (six, _SIX)
    login, port = user if given is None else given, int(digits or 0)
    if not (pattern.fullmatch(name) and _USER.fullmatch(login)) or (digits and not 0 < port < 65536):
        raise _invalid(text)
    return Address(text, login, name, port)


def parse_all(texts: Sequence[str], user: str) -> list[Address]:
    """Read a fleet's hosts: at least one, none twice.

    Raises:
        HostNameInvalid: as it says.
    """
    found = [parse(text.strip(), user) for text in texts]
    if not found:
        raise HostNameInvalid(
            "no host is named", advice=["name one:  --host HOST", "or hosts of an environment in goferry.yml"]
        )
    # Without a port ssh's configuration decides, so `web` and `web:22` may be one host or two. Both are
    # refused either way: a fleet that has a host twice would wait for its own lock.
    places = [(each.host.lower(), each.port or 22) for each in found]
    twice = [each.text for each, place in zip(found, places, strict=True) if places.count(place) > 1]
    if twice:
        raise HostNameInvalid(f"{printable(', '.join(twice), 200)}: a host is named twice")
    return found


def _invalid(text: str) -> HostNameInvalid:
    return HostNameInvalid(
        f"{printable(text, 100)!r} is not a valid host", advice=["write NAME, NAME:PORT, USER@NAME:PORT or [IPv6]:PORT"]
    )
