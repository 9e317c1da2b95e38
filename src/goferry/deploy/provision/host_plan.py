"""What makes a host ready, from facts alone: `(wishes, facts) → files and commands`; pure.

Files say how they must be, commands what they are run for, so doing a plan twice is doing it once.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from goferry.deploy.errors import HostUnsuitable
from goferry.deploy.provision import authorized_keys, port_allocation, render
from goferry.kernel import hostfile, loopback_ports, probe
from goferry.kernel.errors import printable
from goferry.kernel.hostfile import HostFile, Place, Policy

UNITS, NGINX = "/etc/systemd/system/", "/etc/nginx/"
AUTHORIZED_KEYS = render.HOME + "/.ssh/authorized_keys"

ADOPT = ("adopt", "--root", hostfile.ROOT, "--host-file", hostfile.HOST_FILE)
"""What the agent is told when its own file or a unit changed: to bring what runs to what the units say now."""

OLD_GROUPS = (
    "control-groups-v1: this host has control groups of version 1 alone, so its kernel does not say which slot of a "
    "service a port is held by: traffic still reaches the service's own user alone, but the two versions of a service "
    "with a port are not kept apart during a deploy, and units are not kept from each other's ports; boot it with "
    "version 2:  systemd.unified_cgroup_hierarchy=1 on the kernel's command line"
)
"""What is told of a host whose kernel can't tell one slot of a service from the other (host.listener)."""

Facts = Mapping[str, Any]
"""What `on_host.facts` tells."""


@dataclass(frozen=True)
class WantedService:
    """One service as goferry.yml declares it: how it listens (`socket`, `env`, `flag`), its port or 0, its drain."""

    name: str
    listen: str
    port: int = 0
    drain_seconds: int = 10


@dataclass(frozen=True)
class Wishes:
    """What a host is to be ready for.

    Attributes:
        project: its name. services: what it deploys.
        trust: the trust file's bytes; empty keeps the host's own.
        keys: public keys that may deploy it from now on, `type base64 comment`. removed: those that may not any more.
        accepts, environments, keep: its policy on the host (kernel.hostfile.Policy); empty or 0 keeps the host's own.
        agent: the bundled agent.
        bind: the address that the proxy listens on; empty means every one.
        secret: what nginx and the agent share from now on, on a host that has no such secret yet.
        install: whether missing packages may be installed.
    """

    project: str
    services: tuple[WantedService, ...]
    trust: bytes = b""
    keys: tuple[str, ...] = ()
    agent: bytes = b""
    bind: str = ""
    install: bool = True
    removed: tuple[str, ...] = ()
    accepts: str = ""
    environments: tuple[str, ...] = ()
    keep: int = 0
    secret: probe.ProbeSecret = field(
        default_factory=lambda: probe.ProbeSecret(secrets.token_hex(16), secrets.token_hex(16)), repr=False
    )


@dataclass(frozen=True)
class HostEntry:
    """A file, or a folder where `content` is None; `keep`: made when absent and never overwritten."""

    path: str
    content: bytes | None = None
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    keep: bool = False


@dataclass(frozen=True)
class Command:
    """A command and its reasons: any of them makes it run.

    Attributes:
        run: the words.
        changed: path prefixes; a changed file under one is a reason.
        unless: a question; its answer no (an exit code but 0) is a reason.
        locked: a user; a locked password field is a reason.
        undo: what takes the command back when something fails after it. again: what has to be run then, once the files
            are as they were. stays: what it made that nothing takes back.
        after: it is run when all else is done and deploys may go on, whose locks it takes.
    """

    run: tuple[str, ...]
    changed: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    locked: str = ""
    undo: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    stays: str = ""
    after: bool = False

    def as_record(self) -> dict[str, Any]:
        """Return JSON types, reasons that it lacks left out."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items() if value}


@dataclass(frozen=True)
class HostPlan:
    """What is to be done on one host; `notes` are for people.

    Attributes:
        seen: files that the plan was made from, with their texts' SHA-256: it holds while they are the same.
    """

    entries: tuple[HostEntry, ...]
    commands: tuple[Command, ...]
    install: tuple[tuple[str, ...], ...] = ()
    places: tuple[Place, ...] = ()
    notes: tuple[str, ...] = field(default=())
    seen: tuple[tuple[str, str], ...] = field(default=(), compare=False)


def plan(wishes: Wishes, facts: Facts) -> HostPlan:
    """Return the plan for one host.

    Raises:
        HostUnsuitable: when the host lacks what can't be installed. PortTaken: when a port is another program's or
        service's. ServiceNameUnusable: when a name meets another project's.
        DeployKeyTaken: when a key is another project's. HostFileInvalid: when its host.json was damaged.
    """
    before = hostfile.parse(facts["host_file"].encode()) if facts["host_file"] else HostFile()
    _refuse_unsuitable(wishes, facts, before)
    mine = port_allocation.of(wishes, before, facts)
    port_allocation.refuse_meeting(mine, before)
    kept = {place.service: place for place in before.projects.get(wishes.project, {}).values()}
    gone = sorted(set(kept) - {place.service for place in mine})
    after = replace(
        before,
        projects={**before.projects, wishes.project: {**kept, **{p.service: p for p in mine}}},
        policies=_policies(wishes, before),
    )
    hostfile.parse(after.to_bytes())
    authorized, key_notes = authorized_keys.changed(
        facts["authorized_keys"], wishes.project, wishes.keys, wishes.removed, after.projects
    )
    entries = [
        *_common(wishes),
        *_authorized(authorized, facts),
        *_trust(wishes),
        HostEntry(hostfile.HOST_FILE, after.to_bytes()),
    ]
    formers = port_allocation.formers(mine, before, facts)
    for place, service in zip(mine, wishes.services, strict=True):
        entries += _service(place, service, wishes, facts, formers.get(place.service))
    include = render.nginx_include(probe.secret(facts["proxy"]) or wishes.secret)
    entries.append(HostEntry(NGINX + probe.INCLUDE, include.encode(), 0o600))
    notes = [f"{name} is no longer declared; the host stays ready for it" for name in gone]
    notes += [
        f"{name} serves a version that listens in another way; the host stays ready for that one too until it is "
        "provisioned again after the next deploy"
        for name in formers
    ]
    notes += [
        f"{what}; {loopback_ports.elsewhere(p.service)}"
        for p in mine
        if (what := loopback_ports.drawn(p.service, p.port))
    ]
    if facts["control_groups"] == 1:
        notes.append(OLD_GROUPS)
    if after.policy(wishes.project) is None:
        notes.append(
            f"{wishes.project} has no policy on this host, which takes every signed release of it, snapshots too; set "
            "one:  --accepts releases"
        )
    told = (*notes, *key_notes)
    return HostPlan(tuple(entries), _commands(), _install(wishes, facts), tuple(mine), told, _seen(facts))


def _seen(facts: Facts) -> tuple[tuple[str, str], ...]:
    """Return the files that several projects share, as they were looked at."""
    files = {
        hostfile.HOST_FILE: facts["host_file"],
        AUTHORIZED_KEYS: facts["authorized_keys"],
        NGINX + probe.INCLUDE: facts["proxy"],
    }
    return tuple((path, hashlib.sha256(text.encode()).hexdigest()) for path, text in files.items())


def _policies(wishes: Wishes, before: HostFile) -> dict[str, Policy]:
    """Return the host's policies with what is told of this project; a project that is new there takes releases."""
    old = before.policy(wishes.project)
    told = wishes.accepts or wishes.environments or wishes.keep
    if not told and wishes.project in before.projects:
        return dict(before.policies)
    base = old or Policy()
    named = base.environments if old and not old.environments else (*base.environments, *wishes.environments)
    policy = Policy(wishes.accepts or base.accepts, tuple(sorted(set(named))), wishes.keep or base.keep)
    return {**before.policies, wishes.project: policy}


def _authorized(text: str, facts: Facts) -> list[HostEntry]:
    """Return the login's keys where they change: what nobody spoke of is not even written again."""
    return [HostEntry(AUTHORIZED_KEYS, text.encode())] if text != facts["authorized_keys"] else []


def _refuse_unsuitable(wishes: Wishes, facts: Facts, before: HostFile) -> None:
    trusted = wishes.project in facts["trusts"] or (facts["trust"] and wishes.project in before.projects)
    able = wishes.install and facts["apt"]
    lacks = [
        (facts["user"] != 0, "the login is not root's", "log in as root:  --user root"),
        (facts["system"] != "Linux", f"it runs {printable(str(facts['system']), 40)}", "take a Linux host"),
        (
            tuple(facts["python"]) < (3, 9),
            f"its Python is {_version(facts['python'])}",
            "Python 3.9 or later is needed",
        ),
        (
            facts["systemd"] < 247,
            f"its systemd is {facts['systemd'] or 'not running'}",
            "systemd 247 or later is needed",
        ),
        (not facts["nginx"] and not able, "it has no nginx", "install it there:  apt-get install nginx-light"),
        (
            not wishes.trust and not trusted,
            f"it has no trust file for {wishes.project} yet",
            "give one:  --trust goferry.trust",
        ),
    ]
    for lacking, what, advice in lacks:
        if lacking:
            raise HostUnsuitable(
                f"the host can't be provisioned: {what}", state="Nothing was changed.", advice=[advice]
            )


def _version(parts: Sequence[int]) -> str:
    return ".".join(str(part) for part in parts)


def _common(wishes: Wishes) -> list[HostEntry]:
    return [
        HostEntry("/etc/goferry", mode=0o755),
        HostEntry("/etc/goferry/env", mode=0o700),
        HostEntry(hostfile.TRUST_FOLDER, mode=0o755),
        HostEntry(hostfile.ROOT, mode=0o755),
        HostEntry("/usr/local/libexec", mode=0o755),
        HostEntry("/etc/nginx/goferry", mode=0o755),
        HostEntry("/etc/nginx/conf.d", mode=0o755),
        HostEntry(hostfile.AGENT, wishes.agent, 0o755),
        HostEntry("/etc/sysusers.d", mode=0o755),
        HostEntry("/etc/sysusers.d/goferry.conf", render.SYSUSERS.encode()),
        HostEntry(render.HOME, mode=0o755),
        HostEntry(render.HOME + "/.ssh", mode=0o755),
        HostEntry(UNITS + "goferry-agent.socket", render.AGENT_SOCKET_UNIT.encode()),
        HostEntry(UNITS + "goferry-agent@.service", render.AGENT_UNIT.encode()),
        HostEntry(UNITS + "goferry-recover.service", render.RECOVER_UNIT.encode()),
        HostEntry(UNITS + "goferry.target", render.TARGET.encode()),
        HostEntry(UNITS + "goferry.target.d", mode=0o755),
    ]


def _trust(wishes: Wishes) -> list[HostEntry]:
    """Return the project's own trust file; another project's, and the one that they once shared, stay as they are."""
    return [HostEntry(hostfile.trust_file(wishes.project), wishes.trust)] if wishes.trust else []


def _service(
    place: Place, service: WantedService, wishes: Wishes, facts: Facts, former: Place | None = None
) -> list[HostEntry]:
    drain, private = service.drain_seconds, facts["private_users"]
    unit = render.service(place, drain_seconds=drain, private_users=private, former=former)
    entrance = render.socket(place, facts["nginx_group"], former)
    version = tuple(int(part) for part in facts["nginx"].split(".") if part)
    server = render.nginx(place, bind=wishes.bind, ipv6=facts["ipv6"], version=version)
    return [
        HostEntry(f"{UNITS}goferry-{place.stem}@.service", unit.encode()),
        HostEntry(f"{UNITS}goferry-{place.stem}@.socket", entrance.encode()),
        HostEntry(f"{UNITS}goferry.door-{place.stem}@.service", render.door(place, former).encode()),
        HostEntry(f"{UNITS}goferry.target.d/{place.stem}.conf", render.wanted(place).encode()),
        HostEntry(place.env_file, b"", 0o600, keep=True),
        HostEntry(NGINX + probe.server_file(place), server.encode()),
    ]


def _commands() -> tuple[Command, ...]:
    reload, socket = ("systemctl", "daemon-reload"), ("systemctl", "try-restart", "goferry-agent.socket")
    return (
        Command(("nginx", "-t", "-q"), changed=(NGINX,)),
        Command(
            ("systemd-sysusers",),
            changed=("/etc/sysusers.d/goferry.conf",),
            unless=("id", "-u", render.USER),
            stays=f"the login {render.USER}",
        ),
        Command(("usermod", "-p", "*", render.USER), locked=render.USER),
        Command(reload, changed=(UNITS,), again=reload),
        Command(socket, changed=(UNITS + "goferry-agent.socket",), again=socket),
        _enabled("goferry-agent.socket"),
        _started("goferry-agent.socket"),
        _enabled("goferry-recover.service"),
        _enabled("goferry.target"),
        _enabled("nginx.service"),
        _started("nginx.service"),
        Command(
            ("systemctl", "reload", "nginx.service"),
            changed=(NGINX,),
            again=("systemctl", "try-reload-or-restart", "nginx.service"),
        ),
        Command((hostfile.AGENT, *ADOPT), changed=(hostfile.AGENT, UNITS), after=True),
        # A new agent looks at what it takes over: folders that were open to all are closed before the next deploy.
        Command(("systemctl", "start", "--no-block", "goferry-recover.service"), changed=(hostfile.AGENT,), after=True),
    )


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


def _install(wishes: Wishes, facts: Facts) -> tuple[tuple[str, ...], ...]:
    if facts["nginx"] or not wishes.install or not facts["apt"]:
        return ()
    return (
        ("apt-get", "-qq", "update"),
        ("apt-get", "-qq", "install", "-y", "--no-install-recommends", "nginx-light"),
        ("rm", "-f", NGINX + "sites-enabled/default"),  # the package's page, which would have port 80
    )
