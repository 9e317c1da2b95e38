"""Which service of a host has which domain, and whether ports 80 and 443 are nginx's to listen on; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

from goferry.deploy.errors import DomainTaken
from goferry.kernel.hostfile import Place
from goferry.kernel.outcomes import PortTaken
from goferry.kernel.sites import HTTP, HTTPS


def taken_over(kept: Mapping[str, Place], mine: Sequence[Place]) -> dict[str, Place]:
    """Return the places of a project's services that are no longer declared, without what declared ones want now."""
    routes = {route for place in mine for route in place.site.routes}
    certified = {domain for place in mine if place.site.files.key for domain in place.site.domains}
    return {name: replace(place, site=place.site.without(routes, certified)) for name, place in kept.items()}


def notes(kept: Mapping[str, Place], mine: Sequence[Place]) -> Iterator[str]:
    """Yield what people must know of domains that change hands."""
    for old, new in product(kept.values(), mine):
        if both := sorted(set(old.site.routes) & set(new.site.routes)):
            domain, path = both[0]
            yield f"{domain}{path or '/'} goes from {old.service}, which is no longer declared, to {new.service}"


def refuse(mine: Sequence[Place], others: Sequence[Place], listened: Collection[int], proxy: Collection[int]) -> None:
    """Refuse domains that other services have, and ports that a program has; `proxy` are those that are nginx's.

    Raises:
        DomainTaken, PortTaken: with who has it.
    """
    for place, other in product(mine, others):
        _refuse_shared(place, other)
    named = [place for place in mine if place.site.domains]
    for port in (HTTP, HTTPS):
        wants = next((place.service for place in named if port == HTTP or place.site.files.key), "")
        if wants and port in listened and port not in proxy:
            raise PortTaken(
                f"another program than nginx listens on port {port} of the host, on which {wants} has a domain",
                state="Nothing was changed.",
                advice=[
                    "who, on the host:  ss -ltnp",
                    "end it, or have it pass requests on to `port`",
                ],
            )
    secure = next((place for place in [*mine, *others] if place.site.files.key), None)
    plain = next((place for place in [*mine, *others] if place.port == HTTPS), None)
    if secure and plain:
        raise PortTaken(
            f"port {HTTPS} is service {plain.service}'s of project {plain.project} without TLS, and a domain of "
            f"{secure.service} is served there by TLS",
            state="Nothing was changed.",
            advice=[f"choose another `port` for {plain.service} in goferry.yml"],
        )


def _refuse_shared(place: Place, other: Place) -> None:
    """Refuse a path of a domain that another project's service has, or another certificate for the domain."""
    whose = f"service {other.service} of project {other.project} on this host"
    if both := sorted(set(place.site.routes) & set(other.site.routes)):
        domain, path = both[0]
        raise DomainTaken(
            f"{domain}{path or '/'} is {whose}",
            state="Nothing was changed.",
            advice=[f"give {place.service} another `domain` or `path` in goferry.yml"],
        )
    files, others = place.site.files, other.site.files
    common = sorted(set(place.site.domains) & set(other.site.domains))
    if common and all((*files, *others)) and files != others:
        raise DomainTaken(
            f"{common[0]} has the certificate {others.certificate} of {whose}, and {place.service} names another",
            state="Nothing was changed.",
            advice=[f"name the same files for {place.service}, or leave out its `tls`"],
        )
