"""Package managers that hosts may have: how each installs, removes and lists packages, and what it calls nginx.

A host that has none of them is fine as long as all that it needs is there.
"""

from __future__ import annotations

from typing import NamedTuple

from goferry.deploy.provision._order_on_host import Words


class PackageManager(NamedTuple):
    """One package manager.

    Attributes:
        program: its path, by which a host has it. refresh: what is run before an installation.
        installs, removes: commands to which names of packages are added. listing: prints those that are installed.
        proxies: proxy's name → the package that brings it.
    """

    program: str
    refresh: tuple[Words, ...]
    installs: Words
    removes: Words
    listing: Words
    proxies: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """What a person types."""
        return self.program.rpartition("/")[2]

    def package(self, proxy: str) -> str:
        """Return the package that brings a proxy."""
        return dict(self.proxies).get(proxy, proxy)

    def install(self, package: str) -> tuple[Words, ...]:
        """Return the commands that install a package."""
        return (*self.refresh, (*self.installs, package))


PACKAGE_MANAGERS = (
    PackageManager(
        "/usr/bin/apt-get",
        refresh=(("apt-get", "-qq", "update"),),
        installs=("apt-get", "-qq", "install", "-y", "--no-install-recommends"),
        # Their configuration too: it was not there before.
        removes=("apt-get", "-qq", "purge", "-y"),
        listing=("dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Package}\n"),
        proxies=(("nginx", "nginx-light"),),
    ),
    PackageManager(
        "/usr/bin/dnf",
        refresh=(),
        installs=("dnf", "-q", "-y", "--setopt=install_weak_deps=False", "install"),
        removes=("dnf", "-q", "-y", "--noautoremove", "remove"),
        listing=("rpm", "-qa", "--qf", "ii \t%{NAME}\n"),
        proxies=(("nginx", "nginx"),),
    ),
)


def found(programs: frozenset[str]) -> PackageManager | None:
    """Return the package manager of a host that has these programs."""
    return next((each for each in PACKAGE_MANAGERS if each.program in programs), None)


def by_name(name: str) -> PackageManager | None:
    """Return the package manager of a name."""
    return next((each for each in PACKAGE_MANAGERS if each.name == name), None)
