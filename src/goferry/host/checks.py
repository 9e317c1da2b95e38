"""Whether a provisioned host is as it should be, looked at from the host itself: a list of named checks.

`goferry provision` ends with them, `goferry provision HOST --check` shows them, and so does `goferry-host check` for
root on the host.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

from goferry.host import slots
from goferry.host.layout import Root
from goferry.host.public import FRONT, Public
from goferry.host.target import host_file
from goferry.kernel import hostfile, ports
from goferry.kernel.errors import GoferryError
from goferry.kernel.hostfile import HostFile, Place

Check = dict[str, Any]
"""`{"name", "of" (what it is about, such as `shop/api`), "ok", "what" (empty when ok), "advice": [line]}`."""

AT_ONCE = 16


def check(name: str, of: str, what: str = "", advice: tuple[str, ...] = ()) -> Check:
    """Return one check; it is well when there is nothing to say."""
    return {"name": name, "of": of, "ok": not what, "what": what, "advice": list(advice)}


def of_host(root: Root, public: Public) -> list[Check]:
    """Return every check of a provisioned host, in the order of `CHECKS`."""
    return [each for found in CHECKS for each in found(root, public)]


def _public_addresses(root: Root, public: Public) -> list[Check]:
    """`public-address`: nginx serves it on its port. `answers`: what is deployed answers its health check there."""
    places = [place for services in (root.host.projects if root.host else {}).values() for place in services.values()]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda place: _public_address(root, public, place), places)
        return [each for checks in found for each in checks]


def _public_address(root: Root, public: Public, place: Place) -> list[Check]:
    folder, of = root.service(place.project, place.service), f"{place.project}/{place.service}"
    live = slots.live(folder)
    slot = (slots.read(folder, live) if live >= 0 else None) or {}
    found = public.look(place, slot.get("health", "/"))
    if found.where == FRONT:
        what = f"{of} is not reached at {public.address(place)}: {found.what}"
        return [check("public-address", of, what, found.advice)]
    checks = [check("public-address", of)]
    if live >= 0:
        what = f"{of} answers badly at {public.address(place)}: {found.what}" if found.where else ""
        checks.append(check("answers", of, what, found.advice))
    return checks


def _policies(root: Root, _public: Public) -> list[Check]:
    """`policy`: the host says itself what it takes of a project."""
    missing = "has no policy on this host, which takes every signed release of it, snapshots too"
    advice = ("set one:  goferry provision HOST --accepts releases",)
    host = root.host or HostFile()
    return [
        check("policy", name, *(("", ()) if host.policy(name) else (f"{name} {missing}", advice)))
        for name in host.projects
    ]


def _ports(root: Root, _public: Public) -> list[Check]:
    """`port`: the public port is none of those that services draw."""
    places = [place for services in (root.host or HostFile()).projects.values() for place in services.values()]
    return [_port(f"{place.project}/{place.service}", place) for place in places]


def _port(of: str, place: Place) -> Check:
    what = ports.drawn(of, place.port)
    return check("port", of, what, (ports.elsewhere(place.service),) if what else ())


def notes(host: HostFile, project: str) -> list[str]:
    """Return what `status` tells of how a project's services are provisioned."""
    told = [_port(place.service, place) for place in host.projects.get(project, {}).values()]
    return ["; ".join([each["what"], *each["advice"]]) for each in told if not each["ok"]]


CHECKS: tuple[Callable[[Root, Public], list[Check]], ...] = (_policies, _ports, _public_addresses)


def command(root: Path = Path(hostfile.ROOT), host: Path = Path(hostfile.HOST_FILE)) -> int:
    """Print `{"checks": [Check]}`; return 0 when all are well, else 1."""
    try:
        found = of_host(Root(root, host_file(host)), Public())
    except GoferryError as error:
        found = [check(error.name, str(host), error.what, error.advice)]
    sys.stdout.write(json.dumps({"checks": found}) + "\n")
    return 0 if all(each["ok"] for each in found) else 1
