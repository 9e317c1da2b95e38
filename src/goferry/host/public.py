"""The public address of a provisioned service, as nginx serves it on its `port` and by its domains: asked, and judged.

An answer counts when it bears what nginx alone can say (kernel.probe): that this host's nginx passed the question on to
the service's own link. What else stands in the way comes with the line to type: nginx is not running, its server file
is gone, nginx.conf does not include it, another server or program has the port, a folder is closed to nginx.
"""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Callable, NamedTuple

from goferry.host import control, processes, systemd
from goferry.host.systemd import CommandResult
from goferry.kernel import probe
from goferry.kernel.errors import GoferryError, printable
from goferry.kernel.hostfile import Place
from goferry.kernel.sites import HTTP, HTTPS, Site

FRONT, SERVICE = "front", "service"
_PROVISION = "provision the host again:  goferry provision HOST"
_RELOAD = "on the host:  nginx -t && systemctl reload nginx.service"
_LOG = "nginx's own reason, on the host:  tail /var/log/nginx/error.log"
_LISTEN = re.compile(r"(?m)^\s*listen\s+(?:(\[[0-9A-Fa-f:.]+\]|[0-9.]+):)?([0-9]+)\s*;")
_INCLUDED = re.compile(r"(?m)^[^#\n]*?\binclude\s+([^;#\n]+);")
_ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  read, not listened on
"""Where a wildcard is asked."""
_IDENTIFYING = ("Server", "Location")
"""Headers by which a person knows a foreign server again."""


class Finding(NamedTuple):
    """What came of a question.

    Attributes:
        where: empty when the service answered 200; FRONT: nobody reaches it; SERVICE: it is reached and is not well.
        what: what was found, for people. advice: what to type. body: the answer's.
    """

    where: str = ""
    what: str = ""
    advice: tuple[str, ...] = ()
    body: bytes = b""


class Door(NamedTuple):
    """Where nginx listens: an address and a port, and the domain for which a service is served there.

    Attributes:
        name: empty for the service's own port. tls: whether the port wants TLS.
    """

    address: str
    port: int
    name: str = ""
    tls: bool = False

    def connection(self, seconds: float) -> control.PortConnection:
        """Return a connection that is to be made."""
        if not self.tls:
            return control.PortConnection(self.address, self.port, seconds)
        from goferry.host.tls_connection import TlsConnection  # ssl is large, and few agents need it

        return TlsConnection(self.address, self.port, seconds, self.name)

    @property
    def headers(self) -> dict[str, str]:
        """The headers by which nginx knows the domain."""
        return {"Host": self.name} if self.name else {}

    @property
    def sought(self) -> str:
        """What stands in the configuration of another server that answers here."""
        return f"server_name.*{self.name}" if self.name else f"listen.*{self.port}"

    @property
    def url(self) -> str:
        """What people read; its own port is reached from this machine."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{'https' if self.tls else 'http'}://{self.name or address}:{self.port}"


class PublicAddress:
    """Asks nginx, and changes nothing."""

    def __init__(
        self, run: Callable[[Sequence[str]], CommandResult] = systemd.run, folder: Path = Path(probe.NGINX)
    ) -> None:
        """`run` runs a program, `folder` is nginx's; other ones in tests."""
        self._run, self._folder = run, folder

    def address(self, place: Place) -> str:
        """Return where a service is reached: by its domain, else from this machine (`http://127.0.0.1:8080`)."""
        return place.site.url or Door((self._addresses(place) or ["127.0.0.1"])[0], place.port).url

    def _addresses(self, place: Place) -> list[str]:
        found = _LISTEN.findall(_text(self._folder / probe.server_file(place)))
        asked = [_ANY.get(bare, bare) for bare in (each.strip("[]") for each, port in found if int(port) == place.port)]
        return [address for address in asked if address != "::1" or _has_ipv6()] or asked

    def check(self, place: Place, target: str, seconds: float = control.SECONDS) -> Finding:
        """Ask for `target` on each address that nginx listens on for the service; return the first that is not well.

        Of its domains it counts alone whether nginx leads them to the service: how that is, its port has said, and by a
        domain it may speak gRPC alone.
        """
        addresses, server = self._addresses(place), self._folder / probe.server_file(place)
        secret = probe.secret(_text(self._folder / probe.INCLUDE))
        if not addresses:
            gone = f"has no `listen` on port {place.port}" if server.exists() else "is gone"
            return Finding(FRONT, f"nginx's server file {server} {gone}", (_PROVISION,))
        if secret is None:
            return Finding(FRONT, f"{self._folder / probe.INCLUDE} is gone or older than the agent", (_PROVISION,))
        found = [self._ask(place, Door(address, place.port), target, secret, seconds) for address in addresses]
        if any(each.where == FRONT for each in found) or not place.site.domains:
            return next((each for each in found if each.where), found[0])
        for door in _doors(place.site):
            named = self._ask(place, door, place.site.path.rstrip("/") + target, secret, seconds)
            if named.where == FRONT:
                return named._replace(what=f"{door.name}: {named.what}")
        return next((each for each in found if each.where), found[0])

    def _ask(self, place: Place, door: Door, target: str, secret: probe.ProbeSecret, seconds: float) -> Finding:
        try:
            headers = {probe.ASKED: secret.asked, **door.headers}
            answer = control.fetch(door.connection(seconds), "GET", target, headers)
        except ImportError:  # the smallest Python has no ssl
            return Finding()
        except OSError as error:
            return self._no_answer(place, door, str(error) or type(error).__name__)
        # Another service of the domain has the certificate for both.
        if door.name and not door.tls and str(answer.headers.get("Location", "")).startswith(f"https://{door.name}/"):
            return self._ask(place, door._replace(port=HTTPS, tls=True), target, secret, seconds)
        served = str(answer.headers.get(probe.ANSWERED, "")).split()
        # Four words: nginx tries one upstream (proxy_next_upstream off), so each variable has a single value.
        if len(served) != 4 or served[0] != secret.answered:
            return self._other_server(place, door, answer)
        if served[1] != "unix:" + place.live_link:
            what = f"nginx passes {door.url} on to {printable(served[1], 200)}"
            return Finding(FRONT, what, (_PROVISION,))
        # No connection was made: the 502 is nginx's own, and not the service's.
        if served[3] == "-":
            return self._not_connected(place, target, seconds)
        if answer.status != 200:
            location = answer.headers.get("Location")
            answered = f"HTTP {answer.status} at {target}" + (f" to {printable(location, 200)}" if location else "")
            return Finding(SERVICE, answered, body=answer.body)
        return Finding(body=answer.body)

    def _no_answer(self, place: Place, door: Door, error: str) -> Finding:
        """Say why nothing answers on the port."""
        if not self._runs():
            return Finding(FRONT, "nginx is not running", ("on the host:  systemctl start nginx.service",))
        if not self._included(place, door):
            return self._not_included(place, door)
        if not processes.listeners(door.port):
            return Finding(FRONT, f"nginx runs and listens nowhere on port {door.port}", (_RELOAD, _LOG))
        return Finding(FRONT, f"nothing answers at {door.url}: {error}", (_RELOAD, _LOG))

    def _other_server(self, place: Place, door: Door, answer: control.Answer) -> Finding:
        """Say who answered instead of the service's own server."""
        # nginx listens as root, so every other user is a stranger.
        strangers = sorted(processes.listeners(door.port) - {0})
        if strangers:
            what = f"a program of user {_user(strangers[0])} listens on port {door.port}"
            return Finding(FRONT, what, (f"on the host:  ss -ltnp sport = :{door.port}",))
        if not self._included(place, door):
            return self._not_included(place, door)
        headers = [
            name + ": " + printable(answer.headers[name], 100) for name in _IDENTIFYING if name in answer.headers
        ]
        answered = ", ".join([f"HTTP {answer.status}", *headers])
        return Finding(
            FRONT,
            f"another server answers on port {door.port} ({answered})",
            (_RELOAD, f"which one, on the host:  nginx -T | grep -n '{door.sought}'"),
        )

    def _not_connected(self, place: Place, target: str, seconds: float) -> Finding:
        """Say why nginx could not connect to the service's link."""
        if not os.path.islink(place.live_link):
            return Finding(SERVICE, "nothing is deployed")
        for path in _folders_to(place.live_link):
            if not os.stat(path).st_mode & stat.S_IXOTH:
                mode = stat.S_IMODE(os.stat(path).st_mode)
                advice = (f"on the host:  chmod o+x {path}",)
                return Finding(FRONT, f"{path} is closed to nginx (mode {mode:04o})", advice)
        try:
            # The agent is root: an answer to it means that the way is closed to nginx alone.
            control.ask(Path(place.live_link), "GET", target, seconds)
        except OSError as error:
            return Finding(SERVICE, f"nothing answers behind {place.live_link}: {error}")
        return Finding(FRONT, f"nginx can't connect to {place.live_link}, which answers", (_LOG, _PROVISION))

    def _runs(self) -> bool:
        with contextlib.suppress(GoferryError):
            return self._run(["systemctl", "is-active", "--quiet", "nginx.service"]).code == 0
        return False

    def _not_included(self, place: Place, door: Door) -> Finding:
        path = self._folder / probe.INCLUDE
        main = self._folder / "nginx.conf"
        if door.name:
            return Finding(FRONT, f"{main} leads to no server of the domain", (_PROVISION,))
        return Finding(
            FRONT,
            f"{main} does not include {path if path.exists() else probe.server_file(place)}",
            (f"in the http block of {main}:  include {path};", _RELOAD),
        )

    def _included(self, place: Place, door: Door) -> bool:
        """Whether nginx.conf's includes lead to the service's server file, or to that of its domains."""
        wanted = (probe.location_file if door.name else probe.server_file)(place)
        return (self._folder / wanted) in _includes(self._folder, self._folder / "nginx.conf", set())


def _includes(folder: Path, file: Path, seen: set[Path]) -> set[Path]:
    """Return every file that nginx reads, from one on."""
    if file not in seen and len(seen) < 1000:
        seen.add(file)
        for pattern in _INCLUDED.findall(_text(file)):
            for path in glob.glob(str(folder / pattern.strip().strip("\"'"))):
                _includes(folder, Path(path), seen)
    return seen


def _folders_to(link: str) -> Iterator[str]:
    """Yield the folders that lead to a link and to what it names."""
    for path in (Path(link), Path(os.path.realpath(link))):
        yield from (str(parent) for parent in reversed(path.parents) if parent.is_dir())


def _has_ipv6() -> bool:
    return any(line.endswith("lo") for line in _text(Path("/proc/net/if_inet6")).splitlines())


def _doors(site: Site) -> list[Door]:
    """Return where each of a service's domains is served; a name stands for those of a `*`."""
    bare = site.bind.strip("[]")
    tls = bool(site.files.key)
    return [
        Door(_ANY.get(bare, bare), HTTPS if tls else HTTP, domain.replace("*", "goferry"), tls)
        for domain in site.domains
    ]


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _text(path: Path) -> str:
    """Return a small file's text, or an empty string."""
    try:
        with path.open("rb") as file:
            return file.read(1 << 20).decode("utf-8", "replace")
    except OSError:
        return ""
