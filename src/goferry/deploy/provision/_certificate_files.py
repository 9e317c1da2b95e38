"""Whether a host has the certificates that its services name, asked before anything changes there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from goferry.deploy.errors import CertificateUnusable
from goferry.deploy.provision import _template as template
from goferry.deploy.provision._order_on_host import Words
from goferry.deploy.provision.needs import Answered
from goferry.kernel.errors import printable
from goferry.kernel.sites import CertificateFiles, Site


class Certified(NamedTuple):
    """A certificate's files, and the domains that are served by it."""

    files: CertificateFiles
    domains: tuple[str, ...]

    @property
    def question(self) -> Words:
        """The command that ends with 0 where a server can use the files, and says what is wrong with them."""
        names = [domain.replace("*", "goferry") for domain in self.domains]
        return ("/usr/bin/python3", "-I", "-c", template.text("tls/certificate.txt"), *self.files, *names)


def of(sites: Iterable[Site]) -> tuple[Certified, ...]:
    """Return the certificates of services, each once."""
    found: dict[CertificateFiles, set[str]] = {}
    for site in sites:
        if any(site.files):
            found.setdefault(site.files, set()).update(site.domains)
    return tuple(Certified(files, tuple(sorted(domains))) for files, domains in sorted(found.items()))


def refuse(wanted: Iterable[tuple[str, CertificateFiles]], answers: Mapping[CertificateFiles, Answered]) -> None:
    """Refuse services whose certificates the host can't use.

    Raises:
        CertificateUnusable: with the file.
    """
    for service, files in wanted:
        answer = answers.get(files)
        if answer and answer.code:
            what = answer.output.strip() or f"the check ended with {answer.code}"
            raise CertificateUnusable(
                f"{service} can't be served by TLS: {printable(what, 600)}",
                state="Nothing was changed.",
                advice=[
                    "put the files there, or name others in services.NAME.tls",
                    "to be issued one:  docs/proxy.md#a-certificate",
                ],
            )


def notes(answers: Mapping[CertificateFiles, Answered]) -> Iterator[str]:
    """Yield what clients will say of certificates: another name, or a time that is over."""
    for files, answer in answers.items():
        for line in answer.output.splitlines()[:10]:
            yield f"clients will refuse {files.certificate} for {printable(line, 300)}"
