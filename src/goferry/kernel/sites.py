"""Where the public reaches a service by name: domains, a path of them, and a certificate's files on the host.

These words become part of nginx's configuration, so each check lets through only what can't end a directive there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from goferry.kernel.fields import Fields

HTTP, HTTPS = 80, 443
CHALLENGES = "/.well-known/acme-challenge/"
"""The path that the host itself answers on port 80 of each domain, for whoever issues certificates."""
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = rf"(?:\*\.)?(?:{_LABEL}\.)*{_LABEL}"
_PATH = "/(?:[A-Za-z0-9._~-]+/)*[A-Za-z0-9._~-]*"
_FILE = "(?:/[A-Za-z0-9._@+-]+)+"


class CertificateFiles(NamedTuple):
    """A certificate with its chain, and its private key: files on the host, both or neither."""

    certificate: str = ""
    key: str = ""


class Site(NamedTuple):
    """The names of a service; without a domain it is reached on its port alone.

    Attributes:
        domains: in small letters; `*.example.com` is each name below. path: what the paths that are its own begin with.
        files: its certificate, empty where it is served by plain HTTP, or by another service's certificate.
        bind: the address that the proxy listens on for it; empty for every one.
    """

    domains: tuple[str, ...] = ()
    path: str = "/"
    files: CertificateFiles = CertificateFiles()
    bind: str = ""

    @property
    def url(self) -> str:
        """Where a person opens it; empty where every name is a pattern."""
        named = [domain for domain in self.domains if not domain.startswith("*")]
        return f"{'https' if self.files.key else 'http'}://{named[0]}{self.path}" if named else ""

    @property
    def routes(self) -> list[tuple[str, str]]:
        """Each domain with the path, without a last slash: what no two services of a host may share."""
        return [(domain, self.path.rstrip("/")) for domain in self.domains]

    def without(self, taken: set[tuple[str, str]], certified: set[str]) -> Site:
        """Return it without the routes that another service has taken over, and without its certificate where another
        one is for a domain of it.
        """  # noqa: D205
        kept = tuple(domain for domain, path in self.routes if (domain, path) not in taken)
        files = CertificateFiles() if certified & set(kept) else self.files
        return self._replace(domains=kept, files=files) if kept else Site()

    def as_record(self) -> dict[str, object]:
        """Return JSON types, with nothing that has its default."""
        record = {"domains": list(self.domains), "path": self.path, **self.files._asdict(), "bind": self.bind}
        return {name: value for name, value in record.items() if value not in ("", "/")}


NOWHERE = Site()


def read(record: Mapping[str, object], what: str) -> Site:
    """Read a site of a host file, whose words are judged again; what a newer Goferry adds is passed over.

    Raises:
        ValueError, TypeError: with what is wrong.
    """
    given = Fields(record, what)
    files = CertificateFiles(given.text("certificate", ""), given.text("key", ""))
    site = Site(tuple(given.texts("domains")), given.text("path", "/"), files, given.text("bind", ""))
    wrong = [domain_wrong(each) for each in site.domains] + [path_wrong(site.path)]
    wrong += [file_wrong(each) for each in site.files if any(site.files)]
    wrong += ["an address"] if not re.fullmatch(r"[0-9A-Fa-f:.\[\]]*", site.bind) else []
    if any(wrong) or not site.domains:
        raise ValueError(f"{what}: {next(filter(None, wrong), 'no domain')}")
    return site


def domain_wrong(text: str) -> str:
    """Return what is wrong with a domain, in the words of a message; empty where it can be one."""
    if len(text) <= 253 and re.fullmatch(_DOMAIN, text) and not text.rpartition(".")[2].isdigit():
        return ""
    return (
        f"{text[:200]!r} is not a domain such as api.example.com or *.example.com: small letters, digits, hyphens and "
        "dots (xn--… for others), without a scheme, a port or a path"
    )


def path_wrong(text: str) -> str:
    """Return what is wrong with the path of a service below its domain."""
    # nginx compares after it has resolved dots, so a path with such a part would never be met.
    if len(text) <= 200 and re.fullmatch(_PATH, text) and not {".", ".."} & set(text.split("/")):
        return ""
    return f"{text[:200]!r} is not a path such as /api/: letters, digits and . _ ~ - between slashes, a slash first"


def file_wrong(text: str) -> str:
    """Return what is wrong with the path of a certificate's file on the host."""
    if len(text) <= 1000 and re.fullmatch(_FILE, text) and not {".", ".."} & set(text.split("/")):
        return ""
    return (
        f"{text[:200]!r} is not an absolute path of the host such as /etc/letsencrypt/live/example.com/fullchain.pem: "
        "letters, digits and . _ @ + - between slashes"
    )
