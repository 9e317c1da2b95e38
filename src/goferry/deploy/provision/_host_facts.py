"""What a host is like before it is provisioned: questions, and its answers as frozen types.

`on_host` answers what every host is asked; the rows of PROXIES and GUARDS bring questions of their own and read the
answers themselves, so what they are about stands in their files alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

import msgspec

from goferry.deploy._hosts import Address
from goferry.deploy.errors import HostUnsuitable
from goferry.deploy.provision import _package_managers as package_managers
from goferry.deploy.provision._certificate_files import Certified
from goferry.deploy.provision._nginx_proxy import NginxProxy
from goferry.deploy.provision._order_on_host import Words
from goferry.deploy.provision._package_managers import PackageManager
from goferry.deploy.provision._systemd_guard import SystemdGuard
from goferry.deploy.provision.needs import Answered, HostAnswers, HostGuard, HostProxy
from goferry.kernel.errors import printable
from goferry.kernel.hostfile import Known
from goferry.kernel.services import SHAPES
from goferry.kernel.sites import CertificateFiles

PROXIES: tuple[type[HostProxy], ...] = (NginxProxy,)
"""The proxies that a host may have; a host that has none and names none gets the first."""
GUARDS: tuple[type[HostGuard], ...] = (SystemdGuard,)
"""The guards likewise."""


class BaseFacts(msgspec.Struct, frozen=True):
    """What `on_host.facts` finds out of every host.

    Attributes:
        user: the number of the user that asked. system: the kernel's name. python: its version.
        release: the text of os-release. selinux: `enforcing` or `permissive`; empty where it is not on.
        ipv6: whether it has IPv6. control_groups: their newest version. ports: on which somebody listens.
        host_file: the text of host.json, empty where there is none. left_file: that of left.json (_left_services).
        packages: those that provisioning installed. live: `PROJECT/SERVICE` → mode of what is live.
        trust: the text of the trust file that projects share. trusts: projects that have one of their own.
        authorized_keys: the text of the login's file. host_keys: the host's public keys, a line each.
        found: which of the asked paths are there.
    """

    user: int
    system: str
    python: tuple[int, int, int]
    release: str
    selinux: Literal["", "enforcing", "permissive"]
    ipv6: bool
    control_groups: Literal[1, 2]
    ports: frozenset[int]
    host_file: str
    left_file: str
    packages: tuple[str, ...]
    live: dict[str, str]
    trust: str
    trusts: frozenset[str]
    authorized_keys: str
    host_keys: tuple[str, ...] = ()
    found: frozenset[str] = frozenset()

    @property
    def distribution(self) -> str:
        """What the system calls itself, for people."""
        named = re.search(r'(?m)^PRETTY_NAME="?([^"\n]{1,80})', self.release)
        return printable(named[1], 80) if named else "this system"


class _Sheet(BaseFacts, frozen=True):
    """The whole answer: also what the rows' commands ended with, in the order of the questions, and files' texts."""

    said: tuple[tuple[int, str], ...] = ()
    texts: dict[str, str] = msgspec.field(default_factory=dict)


@dataclass(frozen=True)
class HostFacts:
    """What a plan depends on.

    Attributes:
        base: what every host is asked. proxies, guards: the rows as the host has them, in the tables' order.
        texts: the files that the rows read, by their paths.
        certificates: what was found of each that was asked about.
    """

    base: BaseFacts
    proxies: tuple[HostProxy, ...]
    guards: tuple[HostGuard, ...]
    texts: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[CertificateFiles, Answered] = field(default_factory=dict)

    @property
    def known(self) -> Known:
        """What this host's host.json may name."""
        return Known(tuple(guard.name for guard in self.guards), tuple(proxy.name for proxy in self.proxies))

    @property
    def packages(self) -> PackageManager | None:
        """The host's package manager, where it is one that is known."""
        return package_managers.found(self.base.found)

    def proxy(self, name: str) -> HostProxy:
        """Return the proxy of this name; without a name the first that the host has, else the table's first."""
        named = [each for each in self.proxies if each.name == name]
        return [*named, *(each for each in self.proxies if each.installed), *self.proxies][0]

    def guard(self, name: str) -> HostGuard:
        """Return the guard, chosen as the proxy is."""
        named = [each for each in self.guards if each.name == name]
        return [*named, *(each for each in self.guards if each.installed), *self.guards][0]


Rows = Sequence[type[HostProxy] | type[HostGuard]]


Certificates = Sequence[Certified]


def questions(rows: Rows, certificates: Certificates = ()) -> tuple[list[Words], list[str]]:
    """Return the commands to run on a host, and the files to read there."""
    asks = [*chain.from_iterable(row.asks for row in rows), *(each.question for each in certificates)]
    return asks, list(chain.from_iterable(row.reads for row in rows))


def read(
    address: Address,
    answer: object,
    proxies: Sequence[type[HostProxy]],
    guards: Sequence[type[HostGuard]],
    certificates: Certificates = (),
) -> HostFacts:
    """Return the facts of a host's answer, JSON types, to `questions` of these rows.

    Raises:
        HostUnsuitable: when something in it has another type, or can't be.
    """
    try:
        return _read(answer, proxies, guards, certificates)
    except ValueError as error:  # msgspec's error is one
        why = answer.get("error", error) if isinstance(answer, dict) else error
        raise HostUnsuitable(f"{address.text} gave no usable facts: {printable(str(why), 300)}") from None


def _read(
    answer: object,
    proxies: Sequence[type[HostProxy]],
    guards: Sequence[type[HostGuard]],
    certificates: Certificates,
) -> HostFacts:
    sheet = msgspec.convert(answer, _Sheet)
    if strange := set(sheet.live.values()) - set(SHAPES):
        raise ValueError(f"what is live has the mode {min(strange)}")
    asked, files = questions([*proxies, *guards], certificates)
    if len(sheet.said) != len(asked) or set(sheet.texts) != set(files):
        raise ValueError("not every question is answered")
    said = {words: Answered(*each) for words, each in zip(asked, sheet.said, strict=True)}
    answers = HostAnswers(said, sheet.texts)
    found = tuple(row.read(answers) for row in proxies), tuple(row.read(answers) for row in guards)
    return HostFacts(sheet, *found, sheet.texts, {each.files: said[each.question] for each in certificates})
