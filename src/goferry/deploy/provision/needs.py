"""What a proxy and a guard need on a host: the two contracts that provisioning works with, and their parts.

A proxy takes traffic from the public to a service's link, a guard starts services and keeps them running. Each is a
class in a file of its own and a row of `_host_facts.PROXIES` or `GUARDS`. The class says what to ask of a host (`asks`,
`reads`); `read` makes the answers an object, which says what the host then gets. Nothing else knows either by name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol, Self

from goferry.deploy.provision._order_on_host import Command, HostEntry, SlotCopy, Words
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


class ProxySettings(NamedTuple):
    """How a proxy passes requests on to a service, as goferry.yml's `proxy` says it.

    Attributes:
        timeout_ms: without a byte; 0 for the proxy's own. body: most bytes of a request's; 0 for no limit.
        websockets: whether a connection may be upgraded. buffering: whether an answer may be held back.
        grpc: whether what comes by a domain is passed on by HTTP/2 without TLS.
        closed: whether the service's port is for this host alone, as its public has a domain.
    """

    timeout_ms: int = 0
    body: int = 0
    websockets: bool = True
    buffering: bool = True
    grpc: bool = False
    closed: bool = False


USUAL = ProxySettings()


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

    def copies(self, place: Place) -> tuple[SlotCopy, ...]:
        """Return what is copied for a service's slots before the entries of `service` change."""

    def keeps(self, program: str, *, folder: str) -> tuple[Command, ...]:
        """Return what keeps another program of the host running, and has it read its configuration folder again."""

    def reads_again(self, program: str, *, folder: str) -> Command:
        """Return what has another program of the host read its configuration folder again, if it runs."""

    def service_units(self, place: Place) -> tuple[str, ...]:
        """Return patterns of all that runs of a service."""

    def agent_units(self) -> tuple[str, ...]:
        """Return patterns of what runs of the agent."""

    def disables(self) -> tuple[Command, ...]:
        """Return what keeps the agent and the services from being started at boot."""

    def forgets(self) -> tuple[Command, ...]:
        """Return what has the guard see that units are gone."""


class HostProxy(HostProgram, Protocol):
    """What takes the public's traffic to the services' links, on one host."""

    name: ClassVar[str]
    """In host.json, as `switch`."""
    clears: ClassVar[tuple[str, ...]]
    """Files that its package may bring and that would be in the way."""

    @property
    def group(self) -> str:
        """The group that its workers run as."""

    @property
    def ports(self) -> Collection[int]:
        """The TCP ports that it listens on now, for whatever it serves."""

    def folders(self) -> tuple[HostEntry, ...]:
        """Return the folders that its files lie in."""

    def service(self, place: Place, settings: ProxySettings, *, bind: str, ipv6: bool) -> tuple[HostEntry, ...]:
        """Return what serves a service on its port, and at the path of its domains; `bind` is the port's address,
        empty for every one.
        """  # noqa: D205

    def domains(self, places: Sequence[Place], *, ipv6: bool) -> tuple[HostEntry, ...]:
        """Return what serves the domains of all services of the host; a domain may be that of several."""

    def own_files(self, place: Place) -> tuple[str, ...]:
        """Return the files that are its own for a service, there or not: what may be removed with the service."""

    def own_folder(self, place: Place) -> str:
        """Return the folder of what the host's operator adds for a service, which nobody else touches or removes."""

    def shared_files(self) -> tuple[str, ...]:
        """Return the files that all services share, there or not: they go with the last service."""

    def own_folders(self) -> tuple[str, ...]:
        """Return the folders that are nobody else's, which go with the last service where they are empty."""

    def shared(self, secret: probe.ProbeSecret) -> HostEntry:
        """Return what all services share; a secret that the host has already is kept instead of this one."""

    def checks(self) -> tuple[Command, ...]:
        """Return what judges its files before anything else is run."""

    def commands(self, guard: HostGuard) -> tuple[Command, ...]:
        """Return what makes it run with its files."""

    def reads_again(self, guard: HostGuard) -> Command:
        """Return what has it read its files again, if it runs."""
