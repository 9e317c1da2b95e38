"""Assigns ports to a host's services: an assigned port stays, and no two services share one; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from goferry.deploy.provision import _names as names
from goferry.kernel import hostfile
from goferry.kernel.hostfile import HostFile, Place
from goferry.kernel.loopback_ports import OWN_PORTS, RANGE
from goferry.kernel.outcomes import PortTaken

if TYPE_CHECKING:
    from goferry.deploy.provision._host_facts import BaseFacts
    from goferry.deploy.provision._host_plan import HostSpec

FIRST_PORT = 8080


def of(spec: HostSpec, before: HostFile, facts: BaseFacts) -> list[Place]:
    """Return each service's place: an assigned port stays, and a new service gets a free one."""
    all_before = [place for services in before.projects.values() for place in services.values()]
    had = {place.service: place for place in before.projects.get(spec.project, {}).values()}
    # Also those on which nobody listens now: the proxy may be stopped.
    ports = {place.port for place in all_before} | {service.port for service in spec.services}
    backends = {place.backend for place in all_before}
    found = []
    for service in spec.services:
        old = had.get(service.name)
        port = service.port or (old.port if old else _free(FIRST_PORT, 1, ports | facts.ports))
        place = Place(spec.project, service.name, port, service.listen, site=service.site)
        if place.kind.ports:
            backend = (old.backend if old else 0) or _free(RANGE.start, OWN_PORTS, backends)
            place = replace(place, backend=backend)
        # A service that has had such a port since before this rule keeps it, and people are told.
        if port in RANGE and port != (old.port if old else 0):
            raise PortTaken(
                f"{service.name} can't be served on port {port}: {RANGE.start} to {RANGE.stop - 1} are drawn for the "
                "host's services, and the proxy could find it taken",
                state="Nothing was changed.",
                advice=[f"choose another `port` for {service.name} in goferry.yml"],
            )
        # On the ports of the host's services it is the proxy that listens.
        if port in facts.ports and port not in {place.port for place in all_before}:
            raise PortTaken(
                f"another program of the host listens on port {port}",
                state="Nothing was changed.",
                advice=[
                    f"choose another `port` for {service.name} in goferry.yml, or end that program",
                    "where it is nginx with a site of its own, give the service a `domain` instead of the port",
                ],
            )
        ports.add(port)
        backends.add(place.backend)
        found.append(place)
    return found


def formers(mine: Sequence[Place], before: HostFile, facts: BaseFacts) -> dict[str, Place]:
    """Return the places of those services of which a version serves that listens in the other way."""
    taken = {place.backend for services in before.projects.values() for place in services.values()}
    taken |= {place.backend for place in mine}
    found = {}
    for place in mine:
        mode = facts.live.get(f"{place.project}/{place.service}", place.mode)
        if mode != place.mode:
            old = before.projects.get(place.project, {}).get(place.service, place)
            serving = place.serving(mode)
            backend = (old.backend or _free(RANGE.start, OWN_PORTS, taken)) if serving.kind.ports else 0
            taken.add(backend)
            found[place.service] = replace(serving, backend=backend)
    return found


def refuse_meeting(mine: Sequence[Place], before: HostFile) -> None:
    """Refuse a name or a port that another service of the host has."""
    named = {(place.project, place.service) for place in mine}
    everything = [place for services in before.projects.values() for place in services.values()]
    others = [place for place in everything if (place.project, place.service) not in named]
    names.refuse(mine, others)
    for place in mine:
        for port in _ports(place):
            other = next((each for each in [*others, *mine] if each != place and port in _ports(each)), None)
            if other is not None:
                raise PortTaken(
                    f"port {port} is service {other.service}'s of project {other.project} on this host",
                    state="Nothing was changed.",
                    advice=[f"choose another `port` for {place.service} in goferry.yml"],
                )


def _ports(place: Place) -> list[int]:
    """Return every port that a service has: the public one, and its slots' own."""
    return [place.port, *(place.first_port(slot) for slot in hostfile.SLOTS if place.backend)]


def _free(first: int, step: int, taken: set[int]) -> int:
    port = first
    while port in taken:
        port += step
    return port
