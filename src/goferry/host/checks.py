"""Whether a provisioned host is as it should be, looked at from the host itself: a list of named checks.

`goferry provision` ends with them, `goferry provision HOST --check` shows them, and so does `goferry-host check` for
root on the host.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Callable, NamedTuple

from goferry.host import slots
from goferry.host.public import FRONT, PublicAddress
from goferry.kernel import hostfile, loopback_ports
from goferry.kernel.errors import GoferryError
from goferry.kernel.hostfile import HostFile, Place

if TYPE_CHECKING:
    from goferry.host.provisioned import Provisioned

AT_ONCE = 16


class Check(NamedTuple):
    """One check.

    Attributes:
        of: what it is about, such as `shop/api`. what: what is wrong; empty when it is well. advice: what to type.
    """

    name: str
    of: str
    what: str = ""
    advice: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it is well: there is nothing to say."""
        return not self.what

    def record(self) -> dict[str, object]:
        """Return `{"name", "of", "ok", "what", "advice": [line]}`."""
        return {"name": self.name, "of": self.of, "ok": self.ok, "what": self.what, "advice": list(self.advice)}


def of_host(root: Provisioned, public: PublicAddress) -> list[Check]:
    """Return every check of a provisioned host, in the order of `CHECKS`."""
    return [each for found in CHECKS for each in found(root, public)]


def _public_addresses(root: Provisioned, public: PublicAddress) -> list[Check]:
    """`public-address`: nginx serves it on its port. `answers`: what is deployed answers its health check there."""
    from concurrent.futures import ThreadPoolExecutor  # it brings logging, and most agents check nothing

    places = [place for services in root.host.projects.values() for place in services.values()]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda place: _public_address(root, public, place), places)
        return [each for checks in found for each in checks]


def _public_address(root: Provisioned, public: PublicAddress, place: Place) -> list[Check]:
    folder, of = root.service(place.project, place.service), f"{place.project}/{place.service}"
    live = slots.live(folder)
    slot = slots.read(folder, live) if live >= 0 else None
    found = public.check(place, (slot.health if slot else "") or "/")
    if found.where == FRONT:
        what = f"{of} is not reached at {public.address(place)}: {found.what}"
        return [Check("public-address", of, what, found.advice)]
    checks = [Check("public-address", of)]
    if live >= 0:
        what = f"{of} answers badly at {public.address(place)}: {found.what}" if found.where else ""
        checks.append(Check("answers", of, what, found.advice))
    return checks


def _policies(root: Provisioned, _public: PublicAddress) -> list[Check]:
    """`policy`: the host says itself what it takes of a project."""
    missing = "has no policy on this host, which takes every signed release of it, snapshots too"
    advice = ("set one:  goferry provision HOST --accepts releases",)
    return [
        Check("policy", name, *(("", ()) if root.host.policy(name) else (f"{name} {missing}", advice)))
        for name in root.host.projects
    ]


def _ports(root: Provisioned, _public: PublicAddress) -> list[Check]:
    """`port`: the public port is none of those that services draw."""
    places = [place for services in root.host.projects.values() for place in services.values()]
    return [_port(f"{place.project}/{place.service}", place) for place in places]


def _port(of: str, place: Place) -> Check:
    what = loopback_ports.drawn(of, place.port)
    return Check("port", of, what, (loopback_ports.elsewhere(place.service),) if what else ())


def notes(host: HostFile, project: str) -> list[str]:
    """Return what `status` says of how a project's services are provisioned."""
    checks = [_port(place.service, place) for place in host.projects.get(project, {}).values()]
    return ["; ".join([each.what, *each.advice]) for each in checks if not each.ok]


CHECKS: tuple[Callable[[Provisioned, PublicAddress], list[Check]], ...] = (_policies, _ports, _public_addresses)


def command(root: Path = Path(hostfile.ROOT), host: Path = Path(hostfile.HOST_FILE)) -> int:
    """Print `{"checks": [Check.record]}`; return 0 when all are well, else 1."""
    from goferry.host.provisioned import Provisioned  # whose notes are here
    from goferry.host.tables import host_file

    try:
        found = of_host(Provisioned(root, host_file(host) or HostFile()), PublicAddress())
    except GoferryError as error:
        found = [Check(error.name, str(host), error.what, error.advice)]
    sys.stdout.write(json.dumps({"checks": [each.record() for each in found]}) + "\n")
    return 0 if all(each.ok for each in found) else 1
