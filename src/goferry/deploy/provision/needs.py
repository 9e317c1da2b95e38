"""What a proxy and a guard need on a host: the two contracts that provisioning works with, and their parts.

A proxy takes traffic from the public to a service's link, a guard starts services and keeps them running. Each is a
class in a file of its own and a row of `_host_facts.PROXIES` or `GUARDS`. The class says what to ask of a host (`asks`,
`reads`); `read` makes the answers an object, which says what the host then gets. Nothing else knows either by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Protocol, Self

from goferry.deploy.provision._order_on_host import Command, HostEntry, Words
from goferry.kernel import probe
from goferry.kernel.hostfile import Place

LOGIN = "goferry"
"""The login of deploys."""
LOGIN_HOME = "/var/lib/goferry-login"
"""Its home; root's, so that the login owns nothing at all."""


class HostPart(NamedTuple):
    """Files, and the commands that they make necessary."""

    entries: tuple[HostEntry, ...] = ()
    commands: tuple[Command, ...] = ()


class HostTrial(NamedTuple):
    """A command that is run once all is applied; when it fails, people are shown `note` and nothing is undone."""

    run: Words
    note: str


class Answered(NamedTuple):
    """What a command of `asks` ended with: its exit code, 127 where there is no such program, and its output's end."""

    code: int
    output: str


class HostAnswers(NamedTuple):
    """A host's answers to the questions of one row: by the command, and by the file's path, empty where there is none.

    All of it comes from the host, and is read defensively.
    """

    said: Mapping[Words, Answered]
    texts: Mapping[str, str]


class HostProgram(Protocol):
    """What a guard and a proxy have in common: a program of the host, and what is asked of it."""

    asks: ClassVar[tuple[Words, ...]]
    """Commands that answer what the host is like; they change nothing."""
    reads: ClassVar[tuple[str, ...]]
    """Files that services share, with texts to be kept: a plan is refused when one changed after it was read."""

    @classmethod
    def read(cls, answers: HostAnswers) -> Self:
        """Read a host's answers.

        Raises:
            ValueError: they can't be.
        """

    @property
    def installed(self) -> bool:
        """Whether the host has it."""


class HostGuard(HostProgram, Protocol):
    """What starts services and keeps them running, on one host."""

    name: ClassVar[str]
    """In host.json, as `guard`."""
    trials: ClassVar[tuple[HostTrial, ...]]

    def lacks(self) -> tuple[str, str] | None:
        """Return what keeps the host from having it, and the advice; None where all is well."""

    def notes(self, control_groups: int) -> tuple[str, ...]:
        """Return what people must know of a host whose newest control groups are of this version."""

    def login(self) -> HostPart:
        """Return what makes the login of deploys."""

    def agent(self) -> HostPart:
        """Return what runs the host agent, at each connection and at boot."""

    def service(self, place: Place, *, drain_seconds: int, group: str, former: Place | None) -> tuple[HostEntry, ...]:
        """Return what runs a service's slots.

        `group` may connect to their sockets. `former` is the place as it was for the version that serves, where that
        one listens in the other way.
        """

    def keeps(self, program: str, *, folder: str) -> tuple[Command, ...]:
        """Return what keeps another program of the host running, and has it read its configuration folder again."""


class HostProxy(HostProgram, Protocol):
    """What takes the public's traffic to the services' links, on one host."""

    name: ClassVar[str]
    """In host.json, as `switch`."""
    clears: ClassVar[tuple[str, ...]]
    """Files that its package may bring and that would be in the way."""

    @property
    def group(self) -> str:
        """The group that its workers run as."""

    def folders(self) -> tuple[HostEntry, ...]:
        """Return the folders that its files lie in."""

    def site(self, place: Place, *, bind: str, ipv6: bool) -> HostEntry:
        """Return what serves a service on its port; `bind` is the address, empty for every one."""

    def shared(self, secret: probe.ProbeSecret) -> HostEntry:
        """Return what all services share; a secret that the host has already is kept instead of this one."""

    def checks(self) -> tuple[Command, ...]:
        """Return what judges its files before anything else is run."""

    def commands(self, guard: HostGuard) -> tuple[Command, ...]:
        """Return what makes it run with its files."""
