"""Rules for the keys by which a proxy serves a service: `domain`, `domains`, `path`, `tls` and `proxy`.

Single words are judged by kernel.sites; what is here looks at several keys, or services, at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations

from goferry.config import model
from goferry.kernel.sites import CHALLENGES, HTTP, HTTPS, CertificateFiles, Site

_SIZE = r"([1-9][0-9]{0,8}) ?(?:([KMGkmg])i?)?[Bb]?"
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_MOST = 1 << 50


def size(text: str) -> int:
    """Return a size in bytes; 0 for an empty one. The text is one in which `size_wrong` finds nothing."""
    found = re.fullmatch(_SIZE, text)
    return int(found[1]) * _UNITS[(found[2] or "").upper()] if found else 0


def size_wrong(text: str) -> str:
    """Return what is wrong with a size."""
    return "" if 0 < size(text) <= _MOST else f"{text[:200]!r} is not a size such as 100MB, 512KB or 1GB"


def site(service: model.Service) -> Site:
    """Return where a service is reached by name, as far as goferry.yml says it."""
    domains = tuple(service.domains) or ((service.domain,) if service.domain else ())
    return (
        Site(domains, service.path, CertificateFiles(service.tls.certificate, service.tls.key)) if domains else Site()
    )


def service(declared: model.Service) -> str:
    """Return what is wrong with one service whose keys are well by themselves."""
    given, port = site(declared), declared.port
    for wrong, what in (
        (declared.domain and declared.domains, "domain and domains both name it; say all names in domains"),
        (len(set(given.domains)) < len(given.domains), "domains names one twice"),
        (not given.domains and declared.path != Site().path, "path needs a domain, of which it is a part"),
        # Not refused by kernel.sites: a host file from before may have one, and must be read.
        (
            f"{declared.path.rstrip('/')}/".startswith(CHALLENGES),
            f"path can't be {CHALLENGES} or below it, where the host answers whoever issues certificates",
        ),
        (not given.domains and declared.tls != model.Tls(), "tls needs a domain, which the certificate is for"),
        (any(given.files) and not all(given.files), "tls needs both certificate and key"),
        (
            given.domains and port in (HTTP, HTTPS),
            f"with a domain, nginx serves ports {HTTP} and {HTTPS} by name; leave out port",
        ),
        (
            declared.proxy.grpc and not given.files.key,
            "grpc needs domain and tls: only by TLS does nginx take HTTP/2 beside HTTP/1 on one port",
        ),
    ):
        if wrong:
            return what
    return ""


def shared(declared: Mapping[str, model.Service]) -> str:
    """Return what services that are well by themselves want both of them."""
    sites = {name: site(each) for name, each in declared.items()}
    for (one, first), (other, second) in combinations(sites.items(), 2):
        if both := sorted(set(first.routes) & set(second.routes)):
            domain, path = both[0]
            return f"{one} and {other} both want {domain}{path or '/'}; give one of them another domain or path"
        common = sorted(set(first.domains) & set(second.domains))
        if common and all((*first.files, *second.files)) and first.files != second.files:
            return f"{one} and {other} share {common[0]} and name different certificates for it; name one"
    return ""
