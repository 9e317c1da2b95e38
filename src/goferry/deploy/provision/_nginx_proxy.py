"""nginx as a host's proxy: its files, its package and its commands. The files are `templates/nginx/`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from goferry.deploy.provision import _template as template
from goferry.deploy.provision._order_on_host import Command, HostEntry, Words
from goferry.deploy.provision.needs import HostAnswers, HostGuard
from goferry.kernel import probe
from goferry.kernel.hostfile import Place

_FOLDER = probe.NGINX + "/"
_INCLUDE = _FOLDER + probe.INCLUDE
_VERSION: Words = ("nginx", "-v")
_WORKERS: Words = ("sh", "-c", template.text("nginx/worker-group.sh"))
_GROUP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class NginxProxy:
    """nginx as a host has it.

    Attributes:
        version: such as (1, 22, 1); empty where there is none. group: its workers'.
        include: the text of the file that all services share; empty where there is none yet.
    """

    version: tuple[int, ...] = ()
    group: str = "www-data"
    include: str = ""

    name: ClassVar[str] = "nginx"
    asks: ClassVar[tuple[Words, ...]] = (_VERSION, _WORKERS)
    reads: ClassVar[tuple[str, ...]] = (_INCLUDE,)
    clears: ClassVar[tuple[str, ...]] = (_FOLDER + "sites-enabled/default",)  # the package's page, which has port 80

    @classmethod
    def read(cls, answers: HostAnswers) -> Self:
        """Read a host's answers.

        Raises:
            ValueError: the group's name can't stand in a unit.
        """
        found = re.search(r"nginx/(\d{1,6}(?:\.\d{1,6})*)", answers.said[_VERSION].output)
        include = answers.texts[_INCLUDE]
        if found is None:
            return cls(include=include)  # the group is the one that Debian's package will bring
        group = answers.said[_WORKERS].output.strip()
        # It becomes a line of a unit, which systemd reads as root.
        if not _GROUP.fullmatch(group):
            raise ValueError("the group of nginx's workers")
        return cls(tuple(int(part) for part in found[1].split(".")), group, include)

    @property
    def installed(self) -> bool:
        """Whether the host has nginx."""
        return bool(self.version)

    def folders(self) -> tuple[HostEntry, ...]:
        """Return the folder of the services' files, and the one that nginx's http block includes."""
        return (HostEntry(_FOLDER + "goferry", mode=0o755), HostEntry(_FOLDER + "conf.d", mode=0o755))

    def site(self, place: Place, *, bind: str, ipv6: bool) -> HostEntry:
        """Return a service's upstream and server.

        The upstream names a link that the host agent renames, so a switch needs no reload; a connection that nginx kept
        to the upstream would outlive it, hence none is kept. How large a request may be is the service's to say, so
        nginx passes it on as it comes: kept until it is whole, one without an end would fill the disk. What the agent
        is answered is added in an `if`, because `add_header` in the location itself would drop those of the http block
        for everybody.
        """
        places = [f"{bind}:{place.port}"] if bind else [str(place.port), *([f"[::]:{place.port}"] if ipv6 else [])]
        text = template.fill(
            "nginx/service.conf",
            stem=place.stem,
            live_link=place.live_link,
            # From this version on nginx keeps connections by default; those before refuse the 0.
            keepalive="    keepalive 0;" if self.version >= (1, 29, 7) else "",
            listen="\n".join(f"    listen {each};" for each in places),
            asked=probe.ASKED,
            answered=probe.ANSWERED,
        )
        return HostEntry(_FOLDER + probe.server_file(place), text.encode())

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
