"""Which proxy and which credentials an address gets, from a given environment.

HTTPS_PROXY, HTTP_PROXY and NO_PROXY as Go and curl read them; a loopback address never goes through a proxy.
"""

from __future__ import annotations

import base64
import ipaddress
import netrc
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit


def proxy_for(url: str, environ: Mapping[str, str]) -> str:
    """Return the proxy's address for `url`, or an empty text for a direct connection."""
    parts = urlsplit(url)
    names = ("HTTPS_PROXY", "https_proxy") if parts.scheme == "https" else ("http_proxy", "HTTP_PROXY")
    proxy = _first(environ, *names)
    # Under CGI, HTTP_PROXY can be a request's header "Proxy:" (httpoxy, CVE-2016-5385).
    if parts.scheme == "http" and _first(environ, "REQUEST_METHOD"):
        proxy = _first(environ, "http_proxy")
    host = parts.hostname or ""
    if not proxy or _loopback(host) or _excepted(host, parts.port, environ):
        return ""
    return proxy if "://" in proxy else "http://" + proxy


def _first(environ: Mapping[str, str], *names: str) -> str:
    """Return the first of these variables that is set and not empty, or an empty text."""
    return next((value for value in map(environ.get, names) if value), "")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _excepted(host: str, port: int | None, environ: Mapping[str, str]) -> bool:
    listed = _first(environ, "NO_PROXY", "no_proxy")
    return any(_matches(host, port, item.strip().lower()) for item in listed.split(",") if item.strip())


def _matches(host: str, port: int | None, item: str) -> bool:
    if item == "*":
        return True
    if "/" in item:
        try:
            return ipaddress.ip_address(host) in ipaddress.ip_network(item, strict=False)
        except ValueError:
            return False
    name, _, wanted = item.partition(":") if item.count(":") == 1 else (item, "", "")
    if wanted and wanted != str(port):
        return False
    name = name.removeprefix("*")
    return host == name.removeprefix(".") or host.endswith(name if name.startswith(".") else "." + name)


def authorization(url: str, environ: Mapping[str, str], header: str = "Authorization") -> dict[str, str]:
    """Return the header for the address's own user part, else netrc's entry for its host, else nothing.

    netrc is read from NETRC, else HOME/.netrc, and used for https and loopback addresses only.
    """
    parts = urlsplit(url)
    if parts.username is not None:
        return {header: _basic(unquote(parts.username), unquote(parts.password or ""))}
    host = parts.hostname or ""
    home = _first(environ, "HOME")
    path = _first(environ, "NETRC") or (home and str(Path(home) / ".netrc"))
    if not path or not (parts.scheme == "https" or _loopback(host)):
        return {}
    try:
        entry = netrc.netrc(path).hosts.get(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return {}
    return {header: _basic(entry[0], entry[2] or "")} if entry else {}


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
