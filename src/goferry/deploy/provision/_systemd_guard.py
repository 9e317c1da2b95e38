"""systemd as a host's guard: its units, and the commands that take them. The units are `templates/systemd/`.

The names of units, sockets and files are `kernel.hostfile`'s, which the agent reads too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from goferry.deploy.provision import _template as template
from goferry.deploy.provision._order_on_host import Command, HostEntry, SlotCopy, Words
from goferry.deploy.provision.needs import LOGIN, LOGIN_HOME, HostAnswers, HostPart, HostTrial
from goferry.kernel.hostfile import (
    AGENT,
    AGENT_SOCKET,
    BARRED,
    HOST_FILE,
    LEAVE,
    ROOT,
    SLOTS,
    TRUST_FILE,
    TRUST_FOLDER,
    Place,
)
from goferry.kernel.leftfile import LEFT_FILE

OLDEST = 247
"""The first version that has all that the units say."""
SHARED_PORTS = (
    "this host can't keep services from listening on each other's ports (it was tried with a unit); "
    "public traffic reaches its own service alone all the same"
)
OLD_GROUPS = (
    "control-groups-v1: this host has control groups of version 1 alone, so its kernel does not say which slot of a "
    "service a port is held by: traffic still reaches the service's own user alone, but the two versions of a service "
    "with a port are not kept apart during a deploy, and units are not kept from each other's ports; boot it with "
    "version 2:  systemd.unified_cgroup_hierarchy=1 on the kernel's command line"
)
"""Shown for a host whose kernel can't tell one slot of a service from the other (host.listener)."""

_UNITS, _SYSUSERS = "/etc/systemd/system/", "/etc/sysusers.d/goferry.conf"
_VERSION: Words = ("sh", "-c", "test -d /run/systemd/system && exec systemctl --version")
"""systemd may be installed and yet not run the host, as in containers."""
_PRIVATE_USERS: Words = ("sh", "-c", template.text("systemd/private-users.sh"))
_TAKE_PORT: Words = (
    "systemd-run", "--quiet", "--wait", "--collect",
    # `+` runs it as root, as the services' own units do: the trial is worth nothing without it.
    "-p", f"ExecStartPre=+{AGENT} ports", "-p", "DynamicUser=yes", "-p", "NoNewPrivileges=yes",
    "-p", "CapabilityBoundingSet=", "/usr/bin/python3", "-I", "-c", template.text("systemd/take-port.txt"),
)  # fmt: skip
_HARDENED = template.text("systemd/hardened.conf")
_CONFINED = template.fill("systemd/confined.conf", root=ROOT, hardened=_HARDENED)
_RECOVER = "goferry-recover.service"
_ADOPT: Words = (AGENT, "adopt", "--root", ROOT, "--host-file", HOST_FILE)
"""The agent makes what runs agree with the units as they are now."""


@dataclass(frozen=True)
class SystemdGuard:
    """systemd as a host has it.

    Attributes:
        version: 0 where it does not run. private_users: whether a unit can have a user namespace of its own.
    """

    version: int = 0
    private_users: bool = False

    name: ClassVar[str] = "systemd"
    asks: ClassVar[tuple[Words, ...]] = (_VERSION, _PRIVATE_USERS)
    reads: ClassVar[tuple[str, ...]] = ()
    trials: ClassVar[tuple[HostTrial, ...]] = (HostTrial(_TAKE_PORT, SHARED_PORTS),)

    @classmethod
    def read(cls, answers: HostAnswers) -> Self:
        """Read a host's answers; what is not a version counts as none."""
        found = re.search(r"systemd (\d{1,6})", answers.said[_VERSION].output)
        return cls(int(found[1]) if found else 0, answers.said[_PRIVATE_USERS].code == 0)

    @property
    def installed(self) -> bool:
        """Whether systemd runs the host."""
        return bool(self.version)

    def lacks(self) -> tuple[str, str] | None:
        """Return what of systemd the host lacks."""
        if self.version >= OLDEST:
            return None
        return f"its systemd is {self.version or 'not running'}", f"systemd {OLDEST} or later is needed"

    def notes(self, control_groups: int) -> tuple[str, ...]:
        """Return what old control groups keep systemd from."""
        return (OLD_GROUPS,) if control_groups == 1 else ()

    def login(self) -> HostPart:
        """Return the login of deploys, made by systemd-sysusers."""
        conf = template.fill("systemd/sysusers.conf", login=LOGIN, home=LOGIN_HOME)
        entries = (HostEntry("/etc/sysusers.d", mode=0o755), HostEntry(_SYSUSERS, conf.encode()))
        made = Command(
            ("systemd-sysusers",), changed=(_SYSUSERS,), unless=("id", "-u", LOGIN), stays=f"the login {LOGIN}"
        )
        return HostPart(entries, (made,))

    def agent(self) -> HostPart:
        """Return the agent's socket and unit, the recovery, and the target that starts services at boot."""
        unit = {"agent": AGENT, "root": ROOT, "host_file": HOST_FILE, "confined": _CONFINED}
        serves = {"trust_file": TRUST_FILE, "trust_folder": TRUST_FOLDER}
        units = {
            "goferry-agent.socket": {"agent_socket": AGENT_SOCKET, "login": LOGIN},
            "goferry-agent@.service": {**unit, **serves},
            _RECOVER: unit,
            "goferry.target": {},
        }
        entries = [_unit(name, template.fill(f"systemd/{name}", **values)) for name, values in units.items()]
        entries.append(HostEntry(_UNITS + "goferry.target.d", mode=0o755))
        reload, socket = ("systemctl", "daemon-reload"), ("systemctl", "try-restart", "goferry-agent.socket")
        commands = (
            Command(reload, changed=(_UNITS,), again=reload),
            Command(socket, changed=(_UNITS + "goferry-agent.socket",), again=socket),
            _enabled("goferry-agent.socket"),
            _started("goferry-agent.socket"),
            _enabled(_RECOVER),
            _enabled("goferry.target"),
            Command(_ADOPT, changed=(AGENT, _UNITS), after=True),
            # A new agent looks at what it takes over: folders that were open to all are closed before the next deploy.
            # What a service keeps that was taken off the host (left.json) serves again when it is declared again.
            Command(("systemctl", "start", "--no-block", _RECOVER), changed=(AGENT, LEFT_FILE), after=True),
        )
        return HostPart(tuple(entries), commands)

    def service(self, place: Place, *, drain_seconds: int, group: str, former: Place | None) -> tuple[HostEntry, ...]:
        """Return a service's units: its slots, their sockets, what those trigger, and its part of goferry.target."""
        wanted = template.fill("systemd/wanted.conf", first=place.unit(0), second=place.unit(1))
        return (
            _unit(f"goferry-{place.stem}@.service", self.slots(place, drain_seconds=drain_seconds, former=former)),
            _unit(f"goferry-{place.stem}@.socket", _socket(place, group, former)),
            _unit(f"goferry.door-{place.stem}@.service", _door(place, former)),
            _unit(f"goferry.target.d/{place.stem}.conf", wanted),
        )

    def copies(self, place: Place) -> tuple[SlotCopy, ...]:
        """Return the copies of a service's environment file, which the units of its slots start with."""
        slots = f"{ROOT}/{place.project}/{place.service}/slots"
        unit = f"{_UNITS}goferry-{place.stem}@.service"
        return tuple(SlotCopy(place.env_file, place.environment(slot), f"{slots}/{slot}.json", unit) for slot in SLOTS)

    def slots(self, place: Place, *, drain_seconds: int, former: Place | None = None) -> str:
        """Return the unit of a service's slots.

        With a `former` place the unit starts both ways in until the next deploy: what serves must come back after a
        crash and at boot.
        """
        places = [place] if former is None else [place, former]
        backend = max(each.backend for each in places)
        note = place.port_note("%i") if backend else ""
        return template.fill(
            "systemd/service@.service",
            project=place.project,
            service=place.service,
            stem=place.stem,
            folder=f"{ROOT}/{place.project}/{place.service}",
            root=ROOT,
            agent=AGENT,
            barred=str(BARRED),
            leave_variable=LEAVE,
            entrances=" ".join(each.socket_unit("%i") for each in places),
            sockets="\n".join(f"Sockets={each.socket_unit('%i')}" for each in places if not each.kind.ports),
            turn=place.turn("%i"),
            # systemd fills in the slot as the last digit: a service's ports begin at a multiple of ten.
            own_port=f" {note} {backend // 10}%i" if note else "",
            environment=place.environment("%i"),
            leave=place.leave("%i"),
            port_note=f"EnvironmentFile=-{note}" if note else "",
            stop_seconds=str(max(90, drain_seconds + 30)),
            user=place.user,
            hardened=_HARDENED,
            left_out=template.text("systemd/service.left-out.conf"),
            private_users=(
                "PrivateUsers=yes" if self.private_users else "#   PrivateUsers=       this host can't have it"
            ),
        )

    def keeps(self, program: str, *, folder: str) -> tuple[Command, ...]:
        """Return what enables, starts and reloads another program's unit."""
        unit = f"{program}.service"
        return (
            replace(_enabled(unit), restores=True),
            replace(_started(unit), restores=True),
            Command(
                ("systemctl", "reload", unit),
                changed=(folder,),
                # On the way back the unit may be stopped again, and a plain reload would fail for that alone.
                again=("systemctl", "try-reload-or-restart", unit),
            ),
        )

    def reads_again(self, program: str, *, folder: str) -> Command:
        """Return what has another program's unit reload, if it runs."""
        reload = ("systemctl", "try-reload-or-restart", f"{program}.service")
        return Command(reload, changed=(folder,), again=reload)

    def service_units(self, place: Place) -> tuple[str, ...]:
        """Return patterns of the slots, their sockets and what those trigger."""
        own = (f"goferry-{place.stem}@*.service", f"goferry-{place.stem}@*.socket")
        return (*own, f"goferry.door-{place.stem}@*.service")

    def agent_units(self) -> tuple[str, ...]:
        """Return patterns of the agent's socket and connections, the recovery and the target of services."""
        return ("goferry-agent.socket", "goferry-agent@*.service", _RECOVER, "goferry.target")

    def disables(self) -> tuple[Command, ...]:
        """Return what disables the socket, the recovery and the target."""
        return tuple(
            Command(
                ("systemctl", "--quiet", "disable", unit),
                unless=("sh", "-c", f"! systemctl is-enabled --quiet {unit}"),
                undo=("systemctl", "--quiet", "enable", unit),
            )
            for unit in ("goferry-agent.socket", _RECOVER, "goferry.target")
        )

    def forgets(self) -> tuple[Command, ...]:
        """Return what has systemd read its units again; one that failed is remembered until it is told otherwise."""
        reload = ("systemctl", "daemon-reload")
        failed = ("sh", "-c", "systemctl reset-failed 'goferry*' 2>/dev/null || :")
        return (Command(reload, changed=(_UNITS,), again=reload), Command(failed, changed=(_UNITS,)))


def _unit(name: str, text: str) -> HostEntry:
    return HostEntry(_UNITS + name, text.encode())


def _socket(place: Place, group: str, former: Place | None) -> str:
    """Return the unit of the sockets on which the proxy reaches the slots.

    The socket of an empty slot is not opened at boot, since whoever connects would wait. In front of a port it may be
    open: what it triggers refuses the connection.
    """
    filled = f"ConditionPathExists={ROOT}/{place.project}/{place.service}/slots/%i.json"
    return template.fill(
        "systemd/service@.socket",
        project=place.project,
        service=place.service,
        stem=place.stem,
        filled="" if place.kind.ports or former is not None else filled,
        group=group,
    )


def _door(place: Place, former: Place | None) -> str:
    """Return the unit that a slot's socket triggers: nothing, or the way from the socket to the slot's port.

    The latter looks at who listens there, for which it needs the kernel's word (netlink) and, where control groups are
    old, to see whose the slot's processes are.
    """
    values = {
        "project": place.project,
        "service": place.service,
        "stem": place.stem,
        "what": "from its socket to its port" if place.kind.ports else "holds its socket",
        "hardened": _HARDENED,
        "left_out": template.text("systemd/door.left-out.conf"),
    }
    if not place.kind.ports and former is None:
        return template.fill("systemd/door-socket@.service", **values)
    forward = f"{AGENT} forward /run/goferry/{place.stem}/%i"
    if former is not None:
        forward = f"/bin/sh -c 'case %i in port*) exec {forward} ;; esac; exec sleep infinity'"
    return template.fill("systemd/door-port@.service", **values, forward=forward)


def _enabled(unit: str) -> Command:
    return Command(
        ("systemctl", "--quiet", "enable", unit),
        unless=("systemctl", "is-enabled", "--quiet", unit),
        undo=("systemctl", "--quiet", "disable", unit),
    )


def _started(unit: str) -> Command:
    return Command(
        ("systemctl", "start", unit),
        unless=("systemctl", "is-active", "--quiet", unit),
        undo=("systemctl", "stop", unit),
    )
