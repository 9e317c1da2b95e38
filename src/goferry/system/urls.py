"""Addresses that others wrote: a GOPROXY list, a proxy's setting, the Location of a redirect."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from goferry.kernel.errors import Failed, Misuse, printable

_USER = re.compile(r"//[^/?#]*@")


class AddressInvalid(Misuse):
    """An address is not a valid http or https URL.

    Usual causes: a typing error in GOPROXY, GOSUMDB, HTTPS_PROXY or the address of a webhook.
    """

    name = "address-invalid"


class RedirectRefused(Failed):
    """A server redirects to where Goferry does not follow: to an invalid address, away from TLS, or in a loop.

    Usual causes: a mirror or a company's proxy redirects its users to a login page.
    """

    name = "redirect-refused"


def shown(url: str) -> str:
    """Return an address as messages may show it: without user, password, query and fragment."""
    bare = re.split(r"[?#]", url, maxsplit=1)[0]
    return printable(_USER.sub("//", bare, count=1), 500)


def parse(url: str, schemes: tuple[str, ...] = ("http", "https")) -> SplitResult:
    """Split an address whose parts can all be read.

    Raises:
        AddressInvalid: for another scheme, no host, a port that is none, a control character, or brackets left open.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    named = bool(host) or parts.scheme == "file"
    if parts.scheme not in schemes or not named or any(ord(letter) < 32 or ord(letter) == 127 for letter in url):
        raise AddressInvalid(f"{shown(url)!r} is not an {' or '.join(schemes)} address")
    return parts


def redirected(address: str, location: str) -> str:
    """Return where a redirect leads.

    Raises:
        RedirectRefused: when that is not an address, or leaves TLS.
    """
    try:
        target = urljoin(address, location)
    except ValueError:
        target = location
    try:
        parts = parse(target)
        (parts.hostname or "").encode("idna")
    except (AddressInvalid, UnicodeError):
        raise RedirectRefused(f"{shown(address)} redirects to {shown(target)!r}, which is not an address") from None
    if urlsplit(address).scheme == "https" and parts.scheme != "https":
        raise RedirectRefused(f"{shown(address)} redirects to {shown(target)}, without TLS")
    return target


def origin(address: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port of an address that was parsed before."""
    parts = urlsplit(address)
    return parts.scheme, parts.hostname or "", parts.port


def bare(parts: SplitResult) -> str:
    """Return an address without its user part and fragment."""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
