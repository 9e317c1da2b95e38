"""The trust file, `goferry.trust`: whose signatures count, for what, and when.

It is committed on the consumer's side or lies root-owned on the host, and is never fetched beside the artifacts. JSON:

    {"schema": 1, "threshold": 1, "keys": [
        {"id": "…", "format": "openpgp" | "minisign", "public": "…", "role": "release" | "pointer" | "agent",
         "scope": ["*"] or project names,
         "valid_from": TIME, "valid_until": TIME, "revoked_at": TIME, "reason": "retired" | "compromised"}]}

`id` is the full fingerprint (OpenPGP) or the key id of 16 hex digits (minisign), upper-case, and must be that of
`public`: an armored public key, or minisign's base64 line. The last four fields are optional; a TIME is RFC 3339 UTC.

A key counts when now **and** the signature's time lie in [valid_from, valid_until). A key revoked as `compromised`, or
without a reason, never counts again: whoever has it can write any date. One revoked as `retired` counts for signatures
made before `revoked_at`, so that releases of the past stay verifiable; use that for a planned rotation.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple, Union

from goferry.kernel import canonical, certificate, minisign
from goferry.kernel.certificate import Certificate
from goferry.kernel.packets import FormError
from goferry.kernel.refusals import KeyExpired, KeyNotYetValid, KeyRevoked, TrustFileInvalid, TrustFileMissing
from goferry.kernel.times import format_time, parse_time

MAX_BYTES = 1 << 20
SCHEMA = 1
FORMATS = ("openpgp", "minisign")
ROLES = ("release", "pointer", "agent")
REASONS = ("retired", "compromised")
_REQUIRED = ("id", "format", "public", "role", "scope")
_TIMES = ("valid_from", "valid_until", "revoked_at")


@dataclass(frozen=True)
class TrustKey:
    """One key.

    Attributes:
        id: upper-case hex; 40 digits (OpenPGP fingerprint) or 16 (minisign key id).
        format: one of FORMATS. role: one of ROLES. scope: project names, or `("*",)`.
        public: the public part as in the file. valid_from, valid_until, revoked_at: seconds since the epoch, or None.
        reason: one of REASONS, or empty.
    """

    id: str
    format: str
    public: str
    role: str = "release"
    scope: Tuple[str, ...] = ("*",)
    valid_from: Optional[int] = None
    valid_until: Optional[int] = None
    revoked_at: Optional[int] = None
    reason: str = ""

    @property
    def certificate(self) -> Certificate:
        """The OpenPGP certificate; a ValueError for another format."""
        return certificate.read(self.public.encode("ascii"))

    @property
    def minisign(self) -> minisign.PublicKey:
        """The minisign key; a ValueError for another format."""
        return minisign.read_public(self.public)

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
                "key %s is revoked since %s (%s)" % (self.id, format_time(self.revoked_at), self.reason or "no reason")
            )
        if self.valid_from is not None and min(created, now) < self.valid_from:
            raise KeyNotYetValid("key %s is valid from %s" % (self.id, format_time(self.valid_from)))
        if self.valid_until is not None and max(created, now) >= self.valid_until:
            raise KeyExpired("key %s was valid until %s" % (self.id, format_time(self.valid_until)))


@dataclass(frozen=True)
class TrustFile:
    """The keys, and how many different release keys must have signed."""

    keys: Tuple[TrustKey, ...]
    threshold: int = 1

    def to_bytes(self) -> bytes:
        """Return the file's bytes, indented for people."""
        import json

        record = {"schema": SCHEMA, "threshold": self.threshold, "keys": [_record(key) for key in self.keys]}
        return json.dumps(record, indent=2).encode("ascii") + b"\n"


def load(path: Union[str, "os.PathLike[str]"]) -> TrustFile:
    """Read the trust file at `path`.

    Raises:
        TrustFileMissing, TrustFileInvalid: as their names say.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TrustFileMissing(
            "cannot read the trust file %s: %s" % (path, error.strerror),
            advice=[
                "it lies beside the keys that goferry keygen made; commit it:  git add goferry.trust",
                "elsewhere:  --trust FILE",
                "there are no keys yet:  goferry keygen --out KEYS",
            ],
        ) from None
    return parse(data, str(path))


def parse(data: bytes, where: str = "the trust file") -> TrustFile:
    """Read a trust file's bytes; `where` names them in the refusal.

    Raises:
        TrustFileInvalid: when they are not one.
    """
    if len(data) > MAX_BYTES:
        raise TrustFileInvalid("%s is larger than %d bytes" % (where, MAX_BYTES))
    try:
        return _trust(canonical.loads(data))
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise TrustFileInvalid("%s: %s" % (where, error)) from None


def _trust(record: Any) -> TrustFile:
    if type(record) is not dict or set(record) != {"schema", "threshold", "keys"} or record["schema"] != SCHEMA:
        raise ValueError("it is not {schema: 1, threshold, keys}")
    if type(record["keys"]) is not list or type(record["threshold"]) is not int:
        raise ValueError("keys must be a list and threshold a number")
    keys = tuple(_key(entry) for entry in record["keys"])
    if len({key.id for key in keys}) != len(keys):
        raise ValueError("a key is listed twice")
    if not 1 <= record["threshold"] <= sum(key.role == "release" for key in keys):
        raise ValueError("the threshold %d does not fit the number of release keys" % record["threshold"])
    return TrustFile(keys, record["threshold"])


def _key(entry: Any) -> TrustKey:
    if type(entry) is not dict or not set(_REQUIRED) <= set(entry) <= {*_REQUIRED, *_TIMES, "reason"}:
        raise ValueError("a key has exactly the fields %s and may have %s, reason" % (_REQUIRED, _TIMES))
    fields: Dict[str, Any] = dict(entry)
    for name, value in fields.items():
        if type(value) is not (list if name == "scope" else str):
            raise ValueError("%s of a key is of a wrong type" % name)
    allowed: List[Tuple[str, Tuple[str, ...]]] = [("format", FORMATS), ("role", ROLES), ("reason", ("", *REASONS))]
    for name, values in allowed:
        if fields.get(name, values[0]) not in values:
            raise ValueError("%s of a key is not one of %s" % (name, ", ".join(filter(None, values))))
    if not fields["scope"] or not all(type(name) is str and name for name in fields["scope"]):
        raise ValueError('scope of a key lists project names, or is ["*"]')
    for name in _TIMES:
        fields[name] = parse_time(fields[name]) if name in fields else None
    key = TrustKey(**{**fields, "scope": tuple(fields["scope"])})
    actual = _actual_id(key)
    if key.id != actual:
        raise ValueError("the id %s is not that of its public part, %s" % (ascii(key.id), actual))
    return key


def _actual_id(key: TrustKey) -> str:
    try:
        return key.certificate.primary.fingerprint if key.format == "openpgp" else key.minisign.key_id
    except (FormError, ValueError, IndexError) as error:
        raise ValueError("the public part of key %s cannot be read: %s" % (ascii(key.id), error)) from None


def _record(key: TrustKey) -> Dict[str, Any]:
    record: Dict[str, Any] = {name: getattr(key, name) for name in _REQUIRED}
    record["scope"] = list(key.scope)
    for name in _TIMES:
        if getattr(key, name) is not None:
            record[name] = format_time(getattr(key, name))
    if key.reason:
        record["reason"] = key.reason
    return record
