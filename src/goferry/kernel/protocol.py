"""What a client may ask the host agent: each request, its fields, and what each field may hold.

A request is a frame's header (kernel.frames): `{"request": NAME, FIELD: value, …, "trace", "critical", "notes"}`. The
last three may be in every request: the trace id of the run (W3C Trace Context, 32 lower-case hex digits), and the open
places of kernel.extension, in which every later addition travels. Any other field is refused by name, and so is one
that holds what it can't: a request that is understood in part would be carried out in part.

On a provisioned host the first frame of a connection is none of the client's: with it the forced command of its key
says for which project the key is, before a byte of the client is passed on.

Clients of the first agents send no trace and no open places; agents of that time ignore both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Callable, NamedTuple

from goferry.kernel import extension, manifest
from goferry.kernel.errors import Misuse, printable
from goferry.kernel.fields import Fields

AGENT = 2
"""What `hello` answers as `agent`; 1 was the first, which knows no open places."""
MAX_TEXT, MAX_LIST, MAX_MS = 4096, 1000, 86_400_000
SILENCES = ("rollback", "commit")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_TRACE = re.compile("[0-9a-f]{32}")
_KEY = re.compile("SHA256:[A-Za-z0-9+/]{43}")

Check = Callable[[object], bool]


class RequestMalformed(Misuse):
    """The host's agent does not know the request, or a field of it has an invalid value.

    Usual causes: a client of another version, or a program that talks to the agent directly.
    """

    name = "request-malformed"


def _text(value: object) -> bool:
    return type(value) is str and len(value) <= MAX_TEXT and "\0" not in value


def _identifier(value: object) -> bool:
    return type(value) is str and bool(_IDENTIFIER.fullmatch(value))


def _texts(value: object) -> bool:
    return type(value) is list and len(value) <= MAX_LIST and all(_text(each) for each in value)


def _flag(value: object) -> bool:
    return type(value) is bool


def _number(value: object) -> bool:
    return type(value) is int


def _milliseconds(value: object) -> bool:
    # By `type`, as true is an int for isinstance.
    return type(value) is int and 0 <= value <= MAX_MS


def _silence(value: object) -> bool:
    return type(value) is str and value in SILENCES


def _trace(value: object) -> bool:
    return type(value) is str and bool(_TRACE.fullmatch(value))


_CHANGE: dict[str, Check] = {
    "id": _identifier,
    "services": _texts,
    "wait_ms": _milliseconds,
    "on_silence": _silence,
    "dry_run": _flag,
}
REQUESTS: Mapping[str, Mapping[str, Check]] = {
    "hello": {},
    "upload": {"id": _identifier, "name": _text, "size": _number, "sha256": _text, "offset": _number},
    "prepare": {**_CHANGE, "dist": _text, "environment": _text},
    "rollback": {**_CHANGE, "project": _text, "environment": _text, "to": _text, "sequence": _number},
    "restart": {**_CHANGE, "project": _text, "environment": _text},
    "switch": {},
    "commit": {},
    "abort": {},
    "status": {},
    "logs": {"services": _texts, "lines": _number},
    "read-logs": {
        "services": _texts,
        "version": _text,
        "since_ms": _number,
        "lines": _number,
        "after": _texts,
        "candidates": _flag,
    },
    "history": {"project": _text, "since_ms": _number, "skip": _number, "limit": _number},
    "down": {"wait_ms": _milliseconds, "dry_run": _flag},
    "purge": {"project": _identifier, "service": _text, "wait_ms": _milliseconds, "dry_run": _flag},
}
"""Request → field → what it may hold. A field may be absent unless NEEDED names it."""
NEEDED: Mapping[str, tuple[str, ...]] = {
    "prepare": ("id", "dist"),
    "rollback": ("id",),
    "restart": ("id",),
    "upload": ("id",),
    "purge": ("project",),
}
CRITICAL: frozenset[str] = frozenset()
"""Names in a request's `critical` that this agent knows."""
ABOUT: Mapping[str, object] = {"agent": AGENT, "critical": sorted(manifest.CRITICAL)}
"""What an agent says of itself to `hello`: its version, and the names in a release's `critical` that it knows."""


def check(request: Mapping[str, object]) -> str:
    """Return the request's name when it is well-formed.

    Raises:
        RequestMalformed: when it is not. CriticalUnknown: when it needs what this agent does not know.
    """
    fields = Fields(dict(request), "the request")
    name = fields.maybe("request", str)
    if name is None or name not in REQUESTS:
        raise _malformed(f"the host agent knows no request {_shown(fields.value('request'))}")
    known = REQUESTS[name]
    for field, value in request.items():
        fits = _trace if field == "trace" else known.get(field)
        if field in ("request", *extension.PLACES):
            continue
        if fits is None:
            raise _malformed(f"{name} has no field {_shown(field)}")
        if not fits(value):
            raise _malformed(f"{field} of {name} can't be {_shown(value)}")
    missing = [field for field in NEEDED.get(name, ()) if field not in request]
    if missing:
        raise _malformed(f"{name} lacks its {missing[0]}")
    try:
        extension.read(request, "the request", CRITICAL)
    except (TypeError, ValueError) as error:
        raise _malformed(f"{name}: {error}") from None
    return name


class Request(NamedTuple):
    """What a client asked for, once `check` has let it pass; a field that the request does not have has its default.

    Attributes:
        request: its name. id: the transaction's. trace: the run's trace id, or empty.
        dist: `incoming`, or a folder of the target's own disk. environment: the client's, or empty.
        services: those that are meant; empty: all. project, service: whose. to, sequence: which release comes back.
        wait_ms: how long it waits for the target's lock. on_silence: one of SILENCES.
        dry_run: whether to say only what would be done; None where the request does not say.
        name, size, sha256, offset: of a file, and where its block begins.
        lines: of each log, or of all together. version: whose logs; empty: the live one's. since_ms: since the epoch.
        after: where the page before ended. candidates: whether what is starting or ending is read too.
        skip, limit: of the newest deploys. notes: what whoever knows of it may read (kernel.extension).
    """

    request: str
    id: str = ""
    trace: str = ""
    dist: str = ""
    environment: str = ""
    services: tuple[str, ...] = ()
    project: str = ""
    service: str = ""
    to: str = ""
    sequence: int = 0
    wait_ms: int = 60_000
    on_silence: str = "rollback"
    dry_run: bool | None = None
    name: str = ""
    size: int = -1
    sha256: str = ""
    offset: int = -1
    lines: int = 50
    version: str = ""
    since_ms: int = 0
    after: tuple[str, ...] = ()
    candidates: bool = False
    skip: int = 0
    limit: int = 0
    notes: Mapping[str, object] = MappingProxyType({})

    @classmethod
    def of(cls, header: Mapping[str, object]) -> Request:
        """Read it from a frame's header.

        Raises:
            RequestMalformed, CriticalUnknown: as `check` says.
        """
        check(header)
        known: dict[str, Any] = {name: header[name] for name in cls._fields if name in header}
        request = cls(**known)
        return request._replace(services=tuple(request.services), after=tuple(request.after))


class Binding(NamedTuple):
    """Whose connection it is: the project that its key deploys, and the key's fingerprint; empty where it says none."""

    project: str
    key: str = ""


def bind(project: str, key: str = "") -> dict[str, object]:
    """Return the frame by which the forced command says whose connection it is; empty: its line names none."""
    return {"bind": {"project": project, **({"key": key} if key else {})}}


def bound(header: Mapping[str, object]) -> Binding:
    """Return what a connection's first frame says.

    Raises:
        RequestMalformed: when it is another frame.
    """
    said = Fields(dict(header), "the frame").maybe("bind", dict) if set(header) == {"bind"} else None
    fields = Fields(said, "bind") if said and {"project"} <= set(said) <= {"project", "key"} else None
    project = fields.maybe("project", str) if fields else None
    key = fields.maybe("key", str, "") if fields else None
    if project is None or not _text(project) or key is None or not (key == "" or _KEY.fullmatch(key)):
        raise _malformed("the connection does not begin with the project of its key")
    return Binding(project, key)


def trace(request: Mapping[str, object]) -> str:
    """Return a checked request's trace id, or an empty string."""
    return Fields(dict(request), "the request").text("trace", "")


def _shown(value: object) -> str:
    return printable(ascii(value), 80)


def _malformed(what: str) -> RequestMalformed:
    return RequestMalformed(
        what, state="Nothing was changed.", advice=["use one version of Goferry:  goferry provision HOST"]
    )
