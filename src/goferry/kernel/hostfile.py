"""`/etc/goferry/host.json`: which projects and services a host was provisioned for, and the names that follow from it.

Canonical JSON of schema 2, written by provisioning alone; no other field is accepted:

    {"schema": 2, "guard": "systemd", "switch": "nginx", "projects": {"shop": {
        "services": {"api": {"listen": "socket", "port": 8080},
                     "web": {"listen": "env", "port": 8081, "backend": 23180}},
        "policy": {"accepts": "releases", "environments": ["production"], "keep": 5}}},
     "critical": {…}, "notes": {"sites": {"shop": {"web": {"domains": ["example.com"], "path": "/", …}}}, …}}

Schema 1, which is still read, has neither `policy` nor the last two, which are for capabilities that came later
(kernel.extension): an agent that knows nothing of `sites` (kernel.sites) goes on without them. A project without a
policy takes what hosts took before there were any: every signed release.

`port` is where nginx listens. `listen` says how the service gets its own place: `socket` by socket activation, `env` or
`flag` by an address. Such a service listens on 127.0.0.1, on a port that is drawn for each start (host.ports): one of
the ten from `backend` on, a multiple of ten, while nobody else has them. The names of units, sockets and users below
are what provisioning renders and the agent calls.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace

from goferry.kernel import canonical, extension, sites
from goferry.kernel.errors import Refused, printable
from goferry.kernel.fields import Fields
from goferry.kernel.outcomes import NotProvisioned
from goferry.kernel.services import PLAIN, SHAPES, Shape
from goferry.kernel.sites import NOWHERE, Site

SCHEMA = 2
SCHEMAS = (1, 2)
MAX_BYTES = 1 << 20
GUARDS, SWITCHES = ("systemd",), ("nginx",)
"""Names that a host file may have; an agent knows them by its own tables (host.provisioned)."""
SLOTS = (0, 1)
ACCEPTS = ("releases", "snapshots")
KEEP = 5
"""Releases of each service that stay in the store."""
MAX_KEEP = 100

HOST_FILE = "/etc/goferry/host.json"
TRUST_FILE = "/etc/goferry/goferry.trust"
"""Whose signatures count for a project that has no file of its own in TRUST_FOLDER: the first hosts had this alone."""
TRUST_FOLDER = "/etc/goferry/trust"
AGENT = "/usr/local/libexec/goferry-host"
AGENT_COMPILED = AGENT + ".d"
"""A folder: the agent compiled for the host's Python (host.compiled)."""
AGENT_SOCKET = "/run/goferry/agent.sock"
ROOT = "/var/lib/goferry"
BARRED = 78
"""How `goferry-host may-start` ends for a release below the trust file's minimum."""
LEAVE = "GOFERRY_LEAVE"
"""The variable by which a slot's unit tells the shim which attempt may start though nobody committed it."""

_SITES = "sites"
"""The note that says by which domains services are served."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_USER = re.compile("[a-z][a-z0-9-]{0,30}")


class HostFileInvalid(Refused):
    """The host's `host.json` is not valid: broken JSON, an unknown field, or two services with the same name or port.

    Usual causes: an edit by hand; `goferry provision` writes the file again.
    """

    name = "host-file-invalid"


@dataclass(frozen=True)
class Place:
    """What one service was provisioned with.

    Attributes:
        project, service: its names.
        port: where the proxy listens for it. listen: what a kind of service has as `provisioned`.
        backend: the first of its own ports on 127.0.0.1, or 0 for a service that gets its socket.
        site: the domains that the proxy serves it by besides.
        former: its units are still an older Goferry's; the file does not say it, the host's unit does.
        kinds: the kinds of service that are known.
    """

    project: str
    service: str
    port: int
    listen: str
    backend: int = 0
    site: Site = NOWHERE
    former: bool = False
    kinds: Mapping[str, Shape] = field(default_factory=lambda: SHAPES, compare=False, repr=False)

    @property
    def kind(self) -> Shape:
        """Its kind of service."""
        return next((kind for kind in self.kinds.values() if self.listen in kind.provisioned), PLAIN)

    @property
    def mode(self) -> str:
        """Its kind's name, as kernel.machine.Change has it."""
        return self.kind.name

    @property
    def stem(self) -> str:
        """What the names of its files and units begin with."""
        return f"{self.project}-{self.service}"

    def unit(self, slot: int) -> str:
        """The service that runs a slot; `goferry-shop-api@0.service`."""
        return f"goferry-{self.stem}@{slot}.service"

    def serving(self, mode: str) -> Place:
        """Return the place as it is, or was, for a version that listens in this way: its sockets have other names."""
        return self if mode == self.mode else replace(self, listen=self.kinds.get(mode, PLAIN).provisioned[0])

    def instance(self, slot: int | str) -> str:
        """What the units and files of a slot's way in are told apart by.

        A plain service's are named otherwise than an older Goferry named them, when systemd-socket-proxyd passed on
        what came: so both can be there while a host is upgraded.
        """
        return str(slot) if self.former else f"{self.kind.slot_prefix}{slot}"

    def socket_unit(self, slot: int | str) -> str:
        """The socket on which a slot is reached; `goferry-shop-api@0.socket`, `goferry-shop-web@port0.socket`."""
        return f"goferry-{self.stem}@{self.instance(slot)}.socket"

    def door_unit(self, slot: int) -> str:
        """What the slot's socket triggers; `goferry.door-shop-api@0.service`.

        For a service that gets the socket it does nothing and stays, so that traffic never starts a slot that the
        agent ended; else it is host.forward, before the slot's port. The dot keeps it apart from every service's unit.
        """
        return f"goferry.door-{self.stem}@{self.instance(slot)}.service"

    def socket_path(self, slot: int) -> str:
        """The slot's unix socket."""
        return f"/run/goferry/{self.stem}/{self.instance(slot)}.sock"

    def leave(self, slot: int | str) -> str:
        """The file that lets an uncommitted version start in the slot, until the host is switched off."""
        return f"/run/goferry/{self.stem}/{slot}.start"

    def port_note(self, slot: int | str) -> str:
        """The file that says which port the last start of a plain service's slot was given (host.ports)."""
        return f"/run/goferry/{self.stem}/port{slot}"

    def turn(self, slot: int | str) -> str:
        """The file that says how the slot's start follows on those before it (host.unit); root's, as all beside it."""
        return f"/run/goferry/{self.stem}/{slot}.turn"

    def first_port(self, slot: int) -> int:
        """The first of the ports that a slot of a plain service may be given, else 0."""
        return self.backend + slot if self.backend else 0

    @property
    def live_link(self) -> str:
        """What nginx's upstream names; a link to a slot's socket."""
        return f"{ROOT}/{self.project}/{self.service}/live.sock"

    @property
    def env_file(self) -> str:
        """Where the service's secrets lie, root's alone; lines of NAME=VALUE."""
        return f"/etc/goferry/env/{self.stem}"

    def environment(self, slot: int | str) -> str:
        """The copy of it that the slot starts with, root's alone (host.slot_environment)."""
        return f"{ROOT}/{self.project}/{self.service}/slots/{slot}.env"

    @property
    def user(self) -> str:
        """The user of both slots; systemd makes it (DynamicUser=) and takes at most 31 letters."""
        name = "goferry-" + self.stem
        return name if _USER.fullmatch(name) else "goferry-" + hashlib.sha256(self.stem.encode()).hexdigest()[:16]


def trust_file(project: str) -> str:
    """Return where a project's own trust file lies."""
    return f"{TRUST_FOLDER}/{project}.trust"


@dataclass(frozen=True)
class Policy:
    """What the host takes of a project, whatever its clients say.

    Attributes:
        accepts: `releases`, or `snapshots` for those too.
        environments: names of which a client must say one; empty: any, or none.
        keep: how many committed releases of each service stay in the store, 1 to MAX_KEEP.
    """

    accepts: str = "releases"
    environments: tuple[str, ...] = ()
    keep: int = KEEP


@dataclass(frozen=True)
class HostFile:
    """A host's provisioning: `guard`, `switch`, project → service → place, and project → policy."""

    guard: str = "systemd"
    switch: str = "nginx"
    projects: Mapping[str, Mapping[str, Place]] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    places: extension.Extension = field(default_factory=extension.Extension)

    def policy(self, project: str) -> Policy | None:
        """Return a project's policy; None where none was set yet."""
        return self.policies.get(project)

    def place(self, project: str, service: str, mode: str = "", port: int = 0) -> Place:
        """Return a service's place; `mode` and `port`, when given, must be the provisioned ones.

        Raises:
            NotProvisioned: when there is none, or the release needs another.
        """
        found = self.projects.get(project, {}).get(service)
        if found is None:
            raise _not(project, service, "this host was not provisioned for it")
        if mode and mode != found.mode:
            raise _not(project, service, f"it was provisioned with `listen: {found.listen}`")
        if port and port != found.port:
            raise _not(project, service, f"it was provisioned on port {found.port}, not {port}")
        return found

    def to_bytes(self) -> bytes:
        """Return the file's bytes."""
        projects: dict[str, dict[str, object]] = {
            name: {"services": {place.service: _entry(place) for place in places.values()}}
            for name, places in self.projects.items()
        }
        for name, policy in self.policies.items():
            projects[name]["policy"] = asdict(policy)
        record = {"schema": SCHEMA, "guard": self.guard, "switch": self.switch, "projects": projects}
        named = {
            name: {place.service: place.site.as_record() for place in places.values() if place.site != NOWHERE}
            for name, places in self.projects.items()
        }
        noted = {name: services for name, services in named.items() if services}
        notes = {**self.places.notes, _SITES: noted} if noted else self.places.notes
        return canonical.dumps({**record, **replace(self.places, notes=notes).as_record()})


def _entry(place: Place) -> dict[str, object]:
    entry: dict[str, object] = {"port": place.port, "listen": place.listen}
    return {**entry, "backend": place.backend} if place.backend else entry


def _not(project: str, service: str, why: str) -> NotProvisioned:
    return NotProvisioned(
        f"{printable(project, 80)}/{printable(service, 80)}: {why}",
        state="Nothing was changed.",
        advice=["provision the host again from this repository:  goferry provision HOST"],
    )


@dataclass(frozen=True)
class Known:
    """What a host file may name: guards, switches, and kinds of service by their names."""

    guards: Collection[str] = GUARDS
    switches: Collection[str] = SWITCHES
    kinds: Mapping[str, Shape] = field(default_factory=lambda: SHAPES)

    @property
    def listens(self) -> list[str]:
        """What a service may have as its `listen`."""
        return [listen for kind in self.kinds.values() for listen in kind.provisioned]


def parse(data: bytes, known: Known = Known()) -> HostFile:
    """Read the file strictly.

    Raises:
        HostFileInvalid: with what is wrong.
    """
    try:
        return _host(data, known)
    except (ValueError, TypeError) as error:
        raise HostFileInvalid(f"host.json: {error}", advice=["write it again:  goferry provision HOST"]) from None


def _host(data: bytes, known: Known) -> HostFile:
    if len(data) > MAX_BYTES:
        raise ValueError(f"it has {len(data)} bytes; at most {MAX_BYTES} are read")
    record = canonical.loads(data)
    schema = Fields(record, "the file").maybe("schema", int) if isinstance(record, dict) else None
    if schema not in SCHEMAS:
        raise ValueError(f"its schema is not one of {SCHEMAS}; a newer Goferry may have written it")
    newer = extension.PLACES if schema > 1 else ()
    fields = _object(record, "the file", ("schema", "guard", "switch", "projects", *newer))
    extended = extension.read(fields.record, "host.json")
    guard, switch = fields.maybe("guard", str), fields.maybe("switch", str)
    if guard is None or guard not in known.guards or switch is None or switch not in known.switches:
        raise ValueError("this agent knows no such guard or switch")
    projects, policies = {}, {}
    for name, project in _named(fields, "projects").items():
        judged = schema > 1 and isinstance(project, dict) and "policy" in project
        entry = _object(project, "a project", ("services", "policy") if judged else ("services",))
        if judged:
            policies[name] = _policy(name, entry.value("policy"))
        services = _named(entry, "services")
        projects[name] = {service: _place(name, service, entry, known) for service, entry in services.items()}
    _refuse_twins([place for places in projects.values() for place in places.values()])
    notes = dict(extended.notes)
    sited = _sited(projects, notes.pop(_SITES, {}))
    return HostFile(guard, switch, sited, policies, replace(extended, notes=notes))


def _sited(projects: Mapping[str, Mapping[str, Place]], record: object) -> dict[str, dict[str, Place]]:
    """Return the places with what the note says of their sites; what it says of others counts for nothing."""
    noted = Fields(record, _SITES)
    found = {}
    for project, places in projects.items():
        services = Fields(noted.mapping(project, {}), f"the sites of {project}")
        found[project] = {
            name: replace(place, site=sites.read(services.mapping(name), f"the site of {project}/{name}"))
            if name in services
            else place
            for name, place in places.items()
        }
    return found


def _policy(project: str, record: object) -> Policy:
    entry = _object(record, f"the policy of {project}", ("accepts", "environments", "keep"))
    accepts, names, keep = entry.maybe("accepts", str), entry.maybe("environments", list), entry.maybe("keep", int)
    if accepts is None or accepts not in ACCEPTS:
        raise ValueError(f"{project}: accepts is none of {', '.join(ACCEPTS)}")
    if names is None or not all(type(name) is str and _NAME.fullmatch(name) for name in names):
        raise ValueError(f"{project}: environments is not a list of names")
    if keep is None or not 1 <= keep <= MAX_KEEP:
        raise ValueError(f"{project}: keep is not a number from 1 to {MAX_KEEP}")
    return Policy(accepts, tuple(names), keep)


def _place(project: str, service: str, record: object, known: Known) -> Place:
    what = f"{project}/{service}"
    listen = Fields(record, what).maybe("listen", str) if isinstance(record, dict) else None
    if listen is None or listen not in known.listens:
        raise ValueError(f"{what}: listen is none of {', '.join(known.listens)}")
    place = Place(project, service, 0, listen, kinds=known.kinds)
    keys = ("port", "listen", "backend") if place.kind.ports else ("port", "listen")
    entry = _object(record, what, keys)
    port, backend = _port(entry, "port", what), _port(entry, "backend", what) if place.kind.ports else 0
    # Ten ports from there on are the service's (loopback_ports), and no other's may lie among them.
    if backend % 10:
        raise ValueError(f"{what}: backend is not a multiple of ten")
    return replace(place, port=port, backend=backend)


def _port(entry: Fields, name: str, what: str) -> int:
    value = entry.maybe(name, int)
    if value is None or not 0 < value <= 65535:
        raise ValueError(f"{what}: a port is not a number from 1 to 65535")
    return value


def usable(name: str) -> bool:
    """Whether a project or a service may have the name on a host."""
    return bool(_NAME.fullmatch(name))


def _named(fields: Fields, what: str) -> dict[str, object]:
    value = fields.value(what)
    if not isinstance(value, dict):
        raise TypeError(f"{what} is not an object")
    for name in value:
        if not usable(name):
            raise ValueError(f"{name[:80]!a} can't name a project or service")
    return value


def _object(value: object, what: str, keys: tuple[str, ...]) -> Fields:
    if not isinstance(value, dict) or set(value) != set(keys):
        raise ValueError(f"{what} lacks a field or has an unknown one; it has {', '.join(keys)}")
    return Fields(value, what)


def _refuse_twins(places: list[Place]) -> None:
    # Service b of project shop-a and service a-b of shop would have the same units and files.
    stems = [place.stem for place in places]
    ports = [place.port for place in places]
    ports += [place.first_port(slot) for place in places if place.backend for slot in SLOTS]
    for values in (stems, [str(port) for port in ports]):
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"two services share {twice[0]}")
