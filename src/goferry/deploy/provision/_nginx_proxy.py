"""nginx as a host's proxy: its files, its package and its commands. The files are `templates/nginx/`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from goferry.deploy.provision import _nginx_servers as servers, _template as template
from goferry.deploy.provision._order_on_host import Command, HostEntry, Words
from goferry.deploy.provision.needs import HostAnswers, HostGuard, ProxySettings
from goferry.kernel import probe
from goferry.kernel.hostfile import Place

_FOLDER = probe.NGINX + "/"
_INCLUDE = _FOLDER + probe.INCLUDE
_VERSION: Words = ("nginx", "-v")
_WORKERS: Words = ("sh", "-c", template.text("nginx/worker-group.sh"))
_PORTS: Words = ("/usr/bin/python3", "-I", "-c", template.text("nginx/ports.txt"))
_SITES_ENABLED: Words = ("sh", "-c", template.text("nginx/sites-enabled.sh"))
_SITES = (_FOLDER + "sites-enabled/zz-goferry.conf", _FOLDER + "conf.d/zz-goferry.conf")
"""Where the servers of domains are: on Debian, and on hosts whose nginx.conf has no such folder."""
_GROUP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class NginxProxy:
    """nginx as a host has it.

    Attributes:
        version: such as (1, 22, 1); empty where there is none. group: its workers'.
        include: the text of the file that all services share; empty where there is none yet.
        ports: on which it listens. sites_enabled: whether nginx.conf includes that folder, as Debian's does.
        had: those of the files with domains' servers that are there.
    """

    version: tuple[int, ...] = ()
    group: str = "www-data"
    include: str = ""
    ports: frozenset[int] = frozenset()
    sites_enabled: bool = True
    had: tuple[str, ...] = ()

    name: ClassVar[str] = "nginx"
    asks: ClassVar[tuple[Words, ...]] = (_VERSION, _WORKERS, _PORTS, _SITES_ENABLED)
    reads: ClassVar[tuple[str, ...]] = (_INCLUDE, *_SITES)
    clears: ClassVar[tuple[str, ...]] = (_FOLDER + "sites-enabled/default",)  # the package's page, which has port 80

    @classmethod
    def read(cls, answers: HostAnswers) -> Self:
        """Read a host's answers.

        Raises:
            ValueError: the group's name can't stand in a unit.
        """
        found = re.search(r"nginx/(\d{1,6}(?:\.\d{1,6})*)", answers.said[_VERSION].output)
        include = answers.texts[_INCLUDE]
        had = tuple(path for path in _SITES if answers.texts[path])
        if found is None:
            return cls(include=include, had=had)  # the group is the one that Debian's package will bring
        group = answers.said[_WORKERS].output.strip()
        # It becomes a line of a unit, which systemd reads as root.
        if not _GROUP.fullmatch(group):
            raise ValueError("the group of nginx's workers")
        version = tuple(int(part) for part in found[1].split("."))
        ports = frozenset(int(port) for port in re.findall(r"\b\d{1,5}\b", answers.said[_PORTS].output))
        return cls(version, group, include, ports, answers.said[_SITES_ENABLED].code == 0, had)

    @property
    def installed(self) -> bool:
        """Whether the host has nginx."""
        return bool(self.version)

    def folders(self) -> tuple[HostEntry, ...]:
        """Return the folder of the services' files, those that nginx's http block includes, and the operators'."""
        return (
            HostEntry(_FOLDER + "goferry", mode=0o755),
            HostEntry(_FOLDER + "conf.d", mode=0o755),
            HostEntry(servers.OWN.rstrip("/"), mode=0o755),
        )

    def service(self, place: Place, settings: ProxySettings, *, bind: str, ipv6: bool) -> tuple[HostEntry, ...]:
        """Return a service's upstream and server, its part of its domains' servers, and the folder of its operators."""
        text = servers.on_port(place, settings, version=self.version, bind=bind, ipv6=ipv6)
        own = servers.own_folder(place)
        entries = [
            HostEntry(own, mode=0o755, keep=True),
            HostEntry(own + "/server", mode=0o755, keep=True),
            HostEntry(_FOLDER + probe.server_file(place), text.encode()),
        ]
        if place.site.domains:
            text = servers.by_domain(place, settings)
            entries.append(HostEntry(_FOLDER + probe.location_file(place), text.encode()))
        return tuple(entries)

    def domains(self, places: Sequence[Place], *, ipv6: bool) -> tuple[HostEntry, ...]:
        """Return the servers of domains, in the folder that nginx.conf includes last.

        Whoever listens on port 80 first without saying `default_server` answers requests for unknown names. That is a
        site of the host's, not one of ours.
        """
        wanted, other = _SITES if self.sites_enabled else _SITES[::-1]
        any_domain = any(place.site.domains for place in places)
        text = servers.domains(places, version=self.version, ipv6=ipv6).encode()
        entries = [HostEntry(servers.ACME, mode=0o755)] if any_domain else []
        entries += [HostEntry(wanted, text)] if any_domain or wanted in self.had else []
        # Once it said the same, and nginx would take both.
        moved = servers.domains((), version=self.version, ipv6=ipv6).encode()
        return tuple([*entries, HostEntry(other, moved)] if other in self.had else entries)

    def own_files(self, place: Place) -> tuple[str, ...]:
        """Return a service's server and its part of its domains' servers."""
        return (_FOLDER + probe.server_file(place), _FOLDER + probe.location_file(place))

    def own_folder(self, place: Place) -> str:
        """Return the folder that its files include."""
        return servers.own_folder(place)

    def shared_files(self) -> tuple[str, ...]:
        """Return what the http block includes, and the domains' servers, wherever they are."""
        return (_INCLUDE, *_SITES)

    def own_folders(self) -> tuple[str, ...]:
        """Return the folders of the services' files, of the operators', and of answers to whoever certifies domains."""
        return (_FOLDER + "goferry", servers.OWN.rstrip("/"), servers.ACME)

    def shared(self, secret: probe.ProbeSecret) -> HostEntry:
        """Return what nginx's http block includes; it holds the secret by which the host agent asks."""
        text = template.fill("nginx/goferry.conf", secret=probe.line(probe.secret(self.include) or secret))
        return HostEntry(_INCLUDE, text.encode(), 0o600)

    def checks(self) -> tuple[Command, ...]:
        """Return nginx's own check of its configuration."""
        return (Command(("nginx", "-t", "-q"), changed=(_FOLDER,)),)

    def commands(self, guard: HostGuard) -> tuple[Command, ...]:
        """Return what makes nginx run with its files."""
        return guard.keeps("nginx", folder=_FOLDER)

    def reads_again(self, guard: HostGuard) -> Command:
        """Return what has nginx read its files again, if it runs."""
        return guard.reads_again("nginx", folder=_FOLDER)
