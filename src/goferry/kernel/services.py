"""A service as the release manifest declares it: which fields there are, and what each may hold.

    {"main", "binary": program, "health": "/path",
     "listen": {"socket": true} | {"env": NAME} | {"port_env": NAME} | {"flag": "--listen"} | {},
     "args": […], "env": {NAME: text}, "env_file": path, "port", "ready_within_ms", "bake_ms", "drain_ms"}

`{host}`, `{port}`, `{address}` and `{url}` in `args` and `env` stand for where the service listens, in a release whose
`critical` says CRITICAL; `{{port}}` is the text `{port}`. In all others, which are older, they are only text.

Whoever signs may declare what a service does, but a slip must be refused before anything is started with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from goferry.kernel import invisible

if TYPE_CHECKING:
    from typing import TypeGuard  # Python 3.10's

MAX_MS = 86_400_000
CRITICAL = "service-address"
"""The name in a manifest's `critical` without which a reader would give a service the placeholders as they stand."""
PLACEHOLDERS = ("host", "port", "address", "url")
_NAMES = "|".join(PLACEHOLDERS)
_PLACEHOLDER = rf"\{{\{{({_NAMES})\}}\}}|\{{({_NAMES})\}}"
OWN = frozenset(["GOFERRY_CONTROL", "GOFERRY_SERVICE", "GOFERRY_VERSION", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"])
"""Variables that a host gives a service, whatever it declares."""
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]{0,199}"
_PATH = "/[!-~]{0,1000}"


class Declared(NamedTuple):
    """A checked declaration; the one place of the defaults, which goferry.yml has too (config.model)."""

    main: str = ""
    binary: str = ""
    listen: Mapping[str, object] = {}
    health: str = "/healthz"
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    env_file: str = ""
    port: int = 0
    ready_within_ms: int = 30_000
    bake_ms: int = 2_000
    drain_ms: int = 10_000

    @classmethod
    def of(cls, record: Mapping[str, object]) -> Declared:
        """Read a service of a release; what it leaves out has its default."""
        known: dict[str, Any] = {name: record[name] for name in cls._fields if record.get(name) is not None}
        declared = cls(**known)
        return declared._replace(args=tuple(declared.args))

    def kind(self, kinds: Mapping[str, Shape]) -> str:
        """Return the name of its kind: the one that its key of `listen` means; one that says nothing is plain."""
        means = (name for name, kind in kinds.items() if any(self.listen.get(key) for key in kind.listens))
        return next(means, PLAIN.name)


DEFAULT = Declared()


def check(name: str, record: object, kinds: Mapping[str, Shape] | None = None) -> Mapping[str, object]:
    """Return a service's record when it is well-formed, and of one of these kinds (SHAPES).

    Raises:
        ValueError, TypeError: with the service, the field and what is wrong.
    """
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"{name[:80]!a} can't name a service")
    if type(record) is not dict:
        raise TypeError(f"service {name} is not an object")
    for key, value in record.items():
        fits = partial(_listen, kinds=kinds or SHAPES) if key == "listen" else _FIELDS.get(key)
        if fits is None:
            raise ValueError(f"service {name} has an unknown field: {key[:80]!a}")
        if not fits(value):
            raise ValueError(f"service {name}: {key} can't be {ascii(value)[:80]}")
    return record


def check_project(name: str) -> None:
    """Refuse a project whose services could not be deployed: its name is a folder on the host, as theirs are.

    Raises:
        ValueError: as it says.
    """
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"{name[:80]!a} can't name a project that has services")


def critical(services: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """Return what the manifest of a release with these services needs in `critical`; pure."""
    needed = any(
        Declared.of(each).listen.get("port_env") or any(re.search(_PLACEHOLDER, text) for text in texts(each))
        for each in services.values()
    )
    return {CRITICAL: {}} if needed else {}


def texts(service: Mapping[str, object]) -> list[str]:
    """Return the texts of a declaration in which placeholders may stand."""
    declared = Declared.of(service)
    return [*declared.args, *declared.env.values()]


def placeholders(text: str) -> list[str]:
    """Return the names of the placeholders of a text, in order."""
    return [found[2] for found in re.finditer(_PLACEHOLDER, text) if found[2]]


def template(text: str) -> str:
    """Return a text with placeholders as one for Python's `%` with a mapping of PLACEHOLDERS; pure."""
    return re.sub(
        _PLACEHOLDER, lambda found: f"{{{found[1]}}}" if found[1] else f"%({found[2]})s", text.replace("%", "%%")
    )


def _text(value: object) -> TypeGuard[str]:
    return type(value) is str and "\0" not in value and len(value) <= 100_000


def _word(value: object) -> TypeGuard[str]:
    return _text(value) and bool(value)


def _program(value: object) -> bool:
    return _word(value) and "/" not in value and not invisible.holds(value)


def _variable(value: object) -> bool:
    return type(value) is str and bool(re.fullmatch(VARIABLE, value))


class Shape(NamedTuple):
    """How a kind of service gets its listening socket; what a host does for each kind is host.kinds'.

    Attributes:
        name: in journals, slots and answers, as their `mode`.
        listens: the keys of `listen` that mean it in a release, and what each may hold.
        provisioned: those that host.json has.
        ports: each slot's process is given a port of its own.
        slot_prefix: what the names of a slot's socket begin with.
    """

    name: str
    listens: Mapping[str, Callable[[object], bool]]
    provisioned: tuple[str, ...]
    ports: bool
    slot_prefix: str


SOCKET = Shape("socket", {"socket": lambda how: how is True}, ("socket",), ports=False, slot_prefix="")
"""It takes its listening socket by LISTEN_FDS and follows the app contract."""
PLAIN = Shape(
    "plain", {"env": _variable, "port_env": _variable, "flag": _word}, ("env", "flag"), ports=True, slot_prefix="port"
)
"""It listens by itself where it is told, and knows nothing of Goferry."""
SHAPES: Mapping[str, Shape] = {shape.name: shape for shape in (SOCKET, PLAIN)}
"""By name."""


def _listen(value: object, kinds: Mapping[str, Shape]) -> bool:
    if type(value) is not dict or len(value) > 1:
        return False
    return all(any(kind.listens.get(key, _nothing)(how) for kind in kinds.values()) for key, how in value.items())


def _nothing(_: object) -> bool:
    return False


def _health(value: object) -> bool:
    return type(value) is str and bool(re.fullmatch(_PATH, value))


def _args(value: object) -> bool:
    return type(value) is list and all(_text(each) for each in value)


def _env(value: object) -> bool:
    return type(value) is dict and all(re.fullmatch(VARIABLE, key) and _text(text) for key, text in value.items())


def _env_file(value: object) -> bool:
    if not _text(value) or len(value) > 1000 or any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        return False
    # Relative and never upwards, as it is read below the target's folder; 255 bytes is what a name may have.
    return value[:1] != "/" and all(part != ".." and len(part.encode()) <= 255 for part in value.split("/"))


def _port(value: object) -> bool:
    return type(value) is int and 0 <= value <= 65535


def _milliseconds(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_MS


_FIELDS: dict[str, Callable[[object], bool]] = {
    "main": _text,
    "binary": _program,
    "health": _health,
    "args": _args,
    "env": _env,
    "env_file": _env_file,
    "port": _port,
    "ready_within_ms": _milliseconds,
    "bake_ms": _milliseconds,
    "drain_ms": _milliseconds,
}
