"""The trust file, `goferry.trust`: whose signatures count, for what, and when.

It is committed on the consumer's side or lies root-owned on the host, and is never fetched beside the artifacts. Keys
that sign what is kept between jobs stand in a file of their own, `goferry.cache.trust`, which no host gets: its keys
have the role `cache`, and no other file's have it. JSON:

    {"schema": 2, "threshold": 1, "keys": [
        {"id": "…", "format": "openpgp" | "minisign", "public": "…", "role": "release" | "pointer" | "agent",
         "scope": ["*"] or project names,
         "valid_from": TIME, "valid_until": TIME, "revoked_at": TIME, "reason": "retired" | "compromised"}],
     "projects": {"shop": {"sequence": "time" | "manual", "minimum": 1795409822}},
     "critical": {…}, "notes": {…}}

The last three fields are optional and are what schema 1, which is still read, does not have. `projects` says of a
project how its sequences come about (`time`, the default: the second of sealing) and below which one nothing is started
again, in whatever way. `critical` and `notes` are for capabilities to come (kernel.extension).

`id` is the full fingerprint (OpenPGP) or the key id of 16 hex digits (minisign), upper-case, and must be that of
`public`: an armored public key, or minisign's base64 line. Its last four fields are optional; a TIME is RFC 3339 UTC.

A key counts when now **and** the signature's time lie in [valid_from, valid_until). A key revoked as `compromised`, or
without a reason, never counts again: whoever has it can write any date. One revoked as `retired` counts for signatures
made before `revoked_at`, so that releases of the past stay verifiable; use that for a planned rotation.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from goferry.kernel import canonical, certificate, extension, minisign
from goferry.kernel.certificate import Certificate
from goferry.kernel.fields import Fields
from goferry.kernel.invisible import holds
from goferry.kernel.packets import FormError
from goferry.kernel.refusals import (
    KeyExpired,
    KeyNotYetValid,
    KeyRevoked,
    TrustFileInvalid,
    TrustFileMissing,
    Unread,
)
from goferry.kernel.times import format_time, parse_time

MAX_BYTES = 1 << 20
SCHEMA = 2
SCHEMAS = (1, 2)
FORMATS = ("openpgp", "minisign")
NAME = "goferry.trust"
CACHE_NAME = "goferry.cache.trust"
ROLES = {"release": ("release", "pointer", "agent"), "cache": ("cache",)}
"""The role whose signatures a trust file is about → the roles that its keys may have."""
_ELSEWHERE = {"release": "a key of role cache belongs in " + CACHE_NAME, "cache": "other keys belong in " + NAME}
_KNOWN = {role for roles in ROLES.values() for role in roles}
_SIGNED = {"release": "release", "cache": "statement"}
REASONS = ("retired", "compromised")
_REQUIRED = ("id", "format", "public", "role", "scope")
_MADE = {
    "release": [
        "it lies beside the keys that goferry keygen made:  cp KEYS/goferry.trust . && git add goferry.trust",
        "elsewhere:  --trust FILE",
        "there are no keys yet:  goferry keygen --out KEYS",
    ],
    "cache": [
        "it lies beside the key that was made:  cp KEYS/goferry.cache.trust . && git add goferry.cache.trust",
        "elsewhere:  --trust FILE",
        "there is no key yet:  goferry keygen --cache --out KEYS",
    ],
}
"""Where a trust file that is missing comes from, by the role of its keys."""
_KEY_TEXT = re.compile(rb"\s*(-----BEGIN |untrusted comment:)")
_A_KEY = "it is a key; a trust file lists public keys"
_TIMES = ("valid_from", "valid_until", "revoked_at")
_OPTIONAL = ("projects", *extension.PLACES)
SEQUENCES = ("time", "manual")
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class TrustFileMistaken(Unread):
    """The file given as the trust file is something else: a trust file is a JSON object.

    Usual causes: the wrong name after `--trust`, or a public key in place of the file that lists it.
    """

    name = "trust-file-mistaken"


class ThresholdUnreachable(TrustFileInvalid):
    """The trust file requires more signatures than a release can have with the keys that it lists.

    A release has one signature per format, so a threshold of two needs an OpenPGP and a minisign key that may both sign
    for the project. Usual causes: two keys of the same format, or a key that was revoked and not replaced.
    """

    name = "threshold-unreachable"


@dataclass(frozen=True)
class TrustKey:
    """One key.

    Attributes:
        id: upper-case hex; 40 digits (OpenPGP fingerprint) or 16 (minisign key id).
        format: one of FORMATS. role: one of those in ROLES. scope: project names, or `("*",)`.
        public: the public part as in the file. valid_from, valid_until, revoked_at: seconds since the epoch, or None.
        reason: one of REASONS, or empty.
    """

    id: str
    format: str
    public: str
    role: str = "release"
    scope: tuple[str, ...] = ("*",)
    valid_from: int | None = None
    valid_until: int | None = None
    revoked_at: int | None = None
    reason: str = ""

    @cached_property
    def certificate(self) -> Certificate:
        """The OpenPGP certificate; a ValueError for another format."""
        return certificate.read(self.public.encode("ascii"))

    @property
    def minisign(self) -> minisign.PublicKey:
        """The minisign key; a ValueError for another format."""
        return minisign.read_public(self.public)

    @property
    def lost(self) -> bool:
        """Whether it is revoked for good, here or by its owner."""
        revoked = self.format == "openpgp" and self.certificate.primary.revoked
        return revoked or (self.revoked_at is not None and self.reason != "retired")

    @property
    def usable(self) -> bool:
        """Whether a signature of it can count at all, at some time."""
        never = self.valid_from is not None and self.valid_until is not None and self.valid_from >= self.valid_until
        weak = self.format == "openpgp" and self.certificate.primary.weak
        return not (self.lost or never or weak)

    def covers(self, project: str) -> bool:
        """Whether the key may sign for the project."""
        return "*" in self.scope or project in self.scope

    def check_time(self, created: int, now: int) -> None:
        """Judge the key's time for a signature made at `created`, looked at `now`; seconds since the epoch.

        Raises:
            KeyRevoked, KeyNotYetValid, KeyExpired: as the module's text says.
        """
        if self.revoked_at is not None and (self.reason != "retired" or created >= self.revoked_at):
            raise KeyRevoked(
                f"key {self.id} is revoked since {format_time(self.revoked_at)} ({self.reason or 'no reason'})"
            )
        # At both times, as the signer chooses one of them.
        if self.valid_from is not None and min(created, now) < self.valid_from:
            raise KeyNotYetValid(f"key {self.id} is valid from {format_time(self.valid_from)}")
        if self.valid_until is not None and max(created, now) >= self.valid_until:
            raise KeyExpired(f"key {self.id} was valid until {format_time(self.valid_until)}")


@dataclass(frozen=True)
class ProjectTrust:
    """What the trust file says of one project.

    Attributes:
        sequence: one of SEQUENCES: whether its sequences are times of sealing or numbers that people choose.
        minimum: the sequence below which no release is started any more.
    """

    sequence: str = "time"
    minimum: int = 0


@dataclass(frozen=True)
class TrustFile:
    """The keys, how many different release keys must have signed, and what is said of single projects."""

    keys: tuple[TrustKey, ...]
    threshold: int = 1
    projects: Mapping[str, ProjectTrust] = field(default_factory=dict)
    places: extension.Extension = field(default_factory=extension.Extension)

    def project(self, name: str) -> ProjectTrust:
        """Return what is said of a project, else the defaults."""
        return self.projects.get(name, ProjectTrust())

    def to_bytes(self) -> bytes:
        """Return the file's bytes, indented for people; optional fields that say nothing are left out."""
        import json

        whole: dict[str, object] = {
            "schema": SCHEMA,
            "threshold": self.threshold,
            "keys": [_record(key) for key in self.keys],
            "projects": {
                name: {"sequence": each.sequence, "minimum": each.minimum} for name, each in self.projects.items()
            },
            **self.places.as_record(),
        }
        record = {name: value for name, value in whole.items() if value or name not in _OPTIONAL}
        return json.dumps(record, indent=2).encode("ascii") + b"\n"


def load(path: str | os.PathLike[str], role: str = "release") -> TrustFile:
    """Read the trust file at `path`; `role` is one of ROLES.

    Raises:
        TrustFileMissing: there is no trust file at the given path, or it cannot be read.
        TrustFileMistaken: the file given as the trust file is something else: a trust file is a JSON object.
        TrustFileInvalid: the trust file is not valid: broken JSON, an unknown field, or a key whose id does
            not match its public part.
    """
    try:
        with open(path, "rb") as file:
            # One byte more tells what is too long from what just fits.
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TrustFileMissing(
            f"cannot read the trust file {path}: {error.strerror}",
            advice=_MADE["cache" if role == "cache" else "release"],
        ) from None
    if data.strip() and not data.lstrip().startswith(b"{"):
        raise TrustFileMistaken(
            f"{path} is not a trust file{': ' + _A_KEY if _KEY_TEXT.match(data) else ''}",
            advice=["name the file that lists the keys:  --trust goferry.trust", "its form:  docs/trust.md"],
        )
    return parse(data, str(path), role)


def parse(data: bytes, where: str = "the trust file", role: str = "release") -> TrustFile:
    """Read a trust file's bytes; `where` names them in the refusal, `role` is one of ROLES.

    Raises:
        TrustFileInvalid: when they are not one. ThresholdUnreachable: when no release can satisfy it.
    """
    if len(data) > MAX_BYTES:
        raise TrustFileInvalid(f"{where} is larger than {MAX_BYTES} bytes")
    try:
        return _trust(canonical.loads(data), role)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        why = _A_KEY if _KEY_TEXT.match(data) else error
        raise TrustFileInvalid(
            f"{where} is not a trust file: {why}",
            advice=["compare it with one that is:  goferry keygen --out OTHER", "its form:  docs/trust.md"],
        ) from None


def _trust(record: object, role: str) -> TrustFile:
    fields = Fields(record if type(record) is dict else {}, "the trust file")
    schema = fields.maybe("schema", int)
    if schema not in SCHEMAS:
        raise ValueError(f"its schema is not one of {SCHEMAS}; a newer Goferry may have written it")
    required, allowed = {"schema", "threshold", "keys"}, _OPTIONAL if schema == SCHEMA else ()
    if not required <= set(fields) <= required | set(allowed):
        raise ValueError(f"it is not {{schema, threshold, keys{''.join(', ' + name for name in allowed)}}}")
    places = extension.read(fields.record, "the trust file")
    listed, threshold = fields.maybe("keys", list), fields.maybe("threshold", int)
    if listed is None or threshold is None:
        raise ValueError("keys must be a list and threshold a number")
    keys = tuple(_key(entry, role) for entry in listed)
    if len({key.id for key in keys}) != len(keys):
        raise ValueError("a key is listed twice")
    _check_threshold(keys, threshold, role)
    return TrustFile(keys, threshold, _projects(fields), places)


def _check_threshold(keys: Sequence[TrustKey], threshold: int, role: str) -> None:
    """Refuse a threshold that nothing can meet. A file whose keys of the role are all revoked is a lock, not a slip."""
    counting = [key for key in keys if key.role == role]
    if threshold < 1 or not counting:
        raise ValueError(f"the threshold {threshold} does not fit the number of {role} keys")
    usable = [key for key in counting if key.usable]
    if not usable and all(key.lost for key in counting):
        return
    scopes = {name for key in usable for name in key.scope}
    formats = [{key.format for key in usable if key.covers(name)} for name in scopes]
    most = max((len(each) for each in formats), default=0)
    if threshold > most:
        raise ThresholdUnreachable(
            f"the threshold is {threshold}; the keys of the trust file allow for {most} signatures of one "
            f"{_SIGNED[role]}",
            advice=["list a key of each format, openpgp and minisign, for one project; or lower the threshold"],
        )


def _projects(fields: Fields) -> dict[str, ProjectTrust]:
    record = fields.maybe("projects", dict, {})
    if record is None:
        raise ValueError("projects is not an object")
    return {name: _project(name, entry) for name, entry in record.items()}


def _project(name: str, entry: object) -> ProjectTrust:
    if not _PROJECT.fullmatch(name) or type(entry) is not dict or not set(entry) <= {"sequence", "minimum"}:
        raise ValueError(f"{name[:80]!a} of projects is not {{sequence, minimum}}")
    fields, usual = Fields(entry, name), ProjectTrust()
    sequence, minimum = fields.maybe("sequence", str, usual.sequence), fields.maybe("minimum", int, usual.minimum)
    if sequence is None or sequence not in SEQUENCES or minimum is None or not 0 <= minimum < 2**53:
        raise ValueError(f"{name}: sequence is one of {', '.join(SEQUENCES)}, and minimum a sequence")
    return ProjectTrust(sequence, minimum)


def _key(entry: object, role: str) -> TrustKey:
    if type(entry) is not dict or not set(_REQUIRED) <= set(entry) <= {*_REQUIRED, *_TIMES, "reason"}:
        raise ValueError(f"a key has exactly the fields {_REQUIRED} and may have {_TIMES}, reason")
    for name, value in entry.items():
        if type(value) is not (list if name == "scope" else str):
            raise ValueError(f"{name} of a key is of a wrong type")
    fields = Fields(entry, "a key")
    allowed: list[tuple[str, tuple[str, ...]]] = [("format", FORMATS), ("reason", ("", *REASONS))]
    for name, values in [*allowed, ("role", ROLES[role])]:
        said = fields.text(name, values[0])
        if said not in values:
            more = "; " + _ELSEWHERE[role] if name == "role" and said in _KNOWN else ""
            raise ValueError(f"{name} of a key is not one of {', '.join(filter(None, values))}{more}")
    scope = fields.items("scope")
    if not scope or not all(type(name) is str and name and not holds(name) for name in scope):
        raise ValueError('scope of a key lists project names, or is ["*"]')
    valid_from, valid_until, revoked_at = (parse_time(fields.text(name)) if name in fields else None for name in _TIMES)
    key = TrustKey(
        id=fields.text("id"),
        format=fields.text("format"),
        public=fields.text("public"),
        role=fields.text("role"),
        scope=tuple(fields.texts("scope")),
        valid_from=valid_from,
        valid_until=valid_until,
        revoked_at=revoked_at,
        reason=fields.text("reason", ""),
    )
    actual = _actual_id(key)
    # People compare the id, and what counts is the key.
    if key.id != actual:
        raise ValueError(f"the id {key.id!a} is not that of its public part, {actual}")
    return key


def _actual_id(key: TrustKey) -> str:
    try:
        return key.certificate.primary.fingerprint if key.format == "openpgp" else key.minisign.key_id
    except (FormError, ValueError, IndexError) as error:
        raise ValueError(f"the public part of key {key.id!a} cannot be read: {error}") from None


def _record(key: TrustKey) -> dict[str, object]:
    times = {name: format_time(at) for name in _TIMES for at in [getattr(key, name)] if at is not None}
    reason = {"reason": key.reason} if key.reason else {}
    return {**{name: getattr(key, name) for name in _REQUIRED}, **times, **reason}
