"""What nginx serves a service by: its upstream, its server on a port, and the servers of domains; pure.

Every word that goes into a file is one that `kernel.hostfile`, `kernel.sites` or this module has judged or made.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from textwrap import indent

from goferry.deploy.provision import _template as template
from goferry.deploy.provision.needs import ProxySettings
from goferry.kernel import probe
from goferry.kernel.hostfile import Place
from goferry.kernel.sites import CHALLENGES, HTTP, HTTPS, CertificateFiles

OWN = "/etc/goferry/nginx/"
"""The folder of what operators add, a folder a service in it."""
ACME = "/var/lib/goferry-acme"
"""Where a client of ACME puts its answers, for whoever issues certificates."""
_KEPT, _HTTP2, _REJECTS = (1, 29, 7), (1, 25, 1), (1, 19, 4)
"""The versions from which nginx keeps connections to an upstream by default, has `http2` for each server, and can end
a handshake for a name that it does not serve."""
_ANY4, _ANY6 = "0.0.0.0", "[::]"  # noqa: S104  what a person may have given as --bind
_CLIENT_MS = 60_000
"""nginx's own timeouts towards clients."""
_UNITS = (("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10))


def own_folder(place: Place) -> str:
    """Return the folder of what is added for a service."""
    return OWN + place.stem


def on_port(place: Place, settings: ProxySettings, *, version: tuple[int, ...], bind: str, ipv6: bool) -> str:
    """Return a service's upstream and the server on its port, which the host agent asks.

    The upstream names a link that the host agent renames, so a switch needs no reload; a connection that nginx kept
    to the upstream would outlive it, hence none is kept.
    """
    # A port once open to all stays so for nginx, which can't go over to a single address without closing it first.
    loopback = dict.fromkeys(["127.0.0.1", "::1", *([bind.strip("[]")] if bind else [])])
    known = "default 0; " + " ".join(f"{each} 1;" for each in loopback)
    here = f"$goferry_here_{place.port}"  # variables are the whole host's, and so is a port
    return template.fill(
        "nginx/service.conf",
        stem=place.stem,
        own=own_folder(place),
        live_link=place.live_link,
        keepalive="    keepalive 0;" if version >= _KEPT else "",  # nginx from before refuses the 0
        listen=_listen([bind], place.port, ipv6=ipv6),
        known=f"geo {here} {{ {known} }}" if settings.closed else "",
        # The server's own rule, as what an operator adds to a location would be instead of one that stands there.
        closed=f"    if ({here} = 0) {{ return 403; }}" if settings.closed else "",
        location=indent(_location(place, settings._replace(grpc=False), "/"), " " * 4),
    )


def by_domain(place: Place, settings: ProxySettings) -> str:
    """Return a service's part of the servers of its domains."""
    return "# Written by goferry provision.\n" + _location(place, settings, place.site.path)


def _location(place: Place, settings: ProxySettings, path: str) -> str:
    """Return the location that passes requests on.

    How large a request may be is the service's to say where goferry.yml does not, so nginx passes it on as it comes:
    kept until it is whole, one without an end would fill the disk.
    """
    bare = path.rstrip("/")
    passed, protocol = _passed(place, settings), "grpc" if settings.grpc else "proxy"
    return template.fill(
        "nginx/location.conf",
        stem=place.stem,
        own=own_folder(place),
        path=path,
        body=_size(settings.body),
        once=f"{protocol}_next_upstream off;",
        limits=indent("\n".join(_limits(settings, protocol)), " " * 4),
        passed=indent(passed, " " * 8),
        question=indent(passed, " " * 4),
        answered=probe.ANSWERED,
        # The agent asks for the service's health, which need not lie below its path.
        rewrite=f"    rewrite ^{re.escape(bare)}(/.*)$ $1 break;" if bare else "",
        folder=template.fill("nginx/folder.conf", bare=bare, path=path) if bare and bare != path else "",
    )


def _limits(settings: ProxySettings, protocol: str) -> Iterable[str]:
    if not settings.buffering:
        yield "proxy_buffering off;"
    # The client's side too where it would end first, as a stream may be quiet in either direction.
    client = ("client_body", "send") if settings.timeout_ms > _CLIENT_MS else ()
    for what in (f"{protocol}_read", f"{protocol}_send", *client) if settings.timeout_ms else ():
        yield f"{what}_timeout {_time(settings.timeout_ms)};"


def _passed(place: Place, settings: ProxySettings) -> str:
    words = {"stem": place.stem, "asked": probe.ASKED, "answered": probe.ANSWERED}
    if settings.grpc:
        return template.fill("nginx/pass-grpc.conf", **words)
    upgrade = ("$goferry_connection", "$http_upgrade") if settings.websockets else ('""', '""')
    return template.fill("nginx/pass-http.conf", **words, connection=upgrade[0], upgrade=upgrade[1])


def domains(places: Sequence[Place], *, version: tuple[int, ...], ipv6: bool) -> str:
    """Return the servers of all domains of a host."""
    named = [place for place in places if place.site.domains]
    if not named:
        return "# Written by goferry provision: no service of this host has a domain.\n"
    certified = {name for place in named if place.site.files.key for name in place.site.domains}
    plain, secure = _binds(named), _binds([place for place in named if certified & set(place.site.domains)])
    rejects = _listen(secure, HTTPS, ipv6=ipv6, among=secure, more=" ssl")
    return template.fill(
        "nginx/domains.conf",
        listen=_listen(plain, HTTP, ipv6=ipv6, among=plain),
        rejects=template.fill("nginx/rejects.conf", listen=rejects) if secure and version >= _REJECTS else "",
        domains="".join(
            _domain(
                name,
                [place for place in named if name in place.site.domains],
                version=version,
                ipv6=ipv6,
                among={HTTP: plain, HTTPS: secure},
            )
            for name in sorted({name for place in named for name in place.site.domains})
        ),
    )


def _binds(places: Iterable[Place]) -> set[str]:
    return {place.site.bind for place in places}


def _domain(
    name: str, places: Sequence[Place], *, version: tuple[int, ...], ipv6: bool, among: Mapping[int, Collection[str]]
) -> str:
    """Return the servers of one domain: by HTTP, and where there is a certificate by HTTPS, to which HTTP leads.

    `among` are the addresses of all domains' servers on each port.
    """
    binds = _binds(places)
    located = [f"include {probe.NGINX}/{probe.location_file(place)};" for place in places]
    if "/" not in {place.site.path for place in places}:
        located.append("location / { return 404; }")
    files = next((place.site.files for place in places if place.site.files.key), CertificateFiles())
    plain = ["location / { return 308 https://$host$request_uri; }"] if files.key else located
    http = template.fill(
        "nginx/domain.conf",
        listen=_listen(binds, HTTP, ipv6=ipv6, among=among[HTTP]),
        domain=name,
        challenges=CHALLENGES,
        acme=ACME,
        locations=indent("\n".join(plain), " " * 4),
    )
    if not files.key:
        return http
    more = " ssl" if version >= _HTTP2 else " ssl http2"
    return http + template.fill(
        "nginx/domain-tls.conf",
        listen=_listen(binds, HTTPS, ipv6=ipv6, among=among[HTTPS], more=more),
        domain=name,
        protocols="    http2 on;" if version >= _HTTP2 else "",
        certificate=files.certificate,
        key=files.key,
        locations=indent("\n".join(located), " " * 4),
    )


def _listen(binds: Collection[str], port: int, *, ipv6: bool, among: Collection[str] = (), more: str = "") -> str:
    """Return the lines of a server that listens on these addresses; an empty one is every address, and all there is.

    nginx gives a request to the servers of the most specific address alone, so a server that listens everywhere names
    each address too on which another one of its port listens (`among`).
    """
    every = [_ANY4, *([_ANY6] if ipv6 else [])]
    found = dict.fromkeys(every if "" in binds else [])
    found.update(dict.fromkeys(sorted({*binds} - {""})))
    reached = [each for each in sorted(among) if each and (_ANY6 if each.startswith("[") else _ANY4) in found]
    found.update(dict.fromkeys(reached))
    # Without an address the port is that of every IPv4 one.
    return "\n".join(f"    listen {'' if each == _ANY4 else each + ':'}{port}{more};" for each in found)


def _size(count: int) -> str:
    """Return a size as nginx has it."""
    return next((f"{count // each}{unit}" for unit, each in _UNITS if count and not count % each), str(count))


def _time(milliseconds: int) -> str:
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"
