"""An OpenPGP certificate (a "public key") of the trust file: its keys, their times and what they may do.

The certificate is trusted material: it comes from the trust file and is pinned by its full fingerprint. Self-signatures
are checked all the same, so that a subkey that somebody grafted on cannot sign; revocations count without a check,
because one that is wrong can only refuse.

Reading is linear and without arithmetic. Self-signatures are checked only for the keys that a signature needs, and of
those the newest TRIES: a key server adds whatever anybody sends, and thousands of made-up statements must not keep a
host busy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Callable, NamedTuple

from goferry.kernel import packets, pgp_signature
from goferry.kernel.packets import FormError
from goferry.kernel.pgp_signature import OpenpgpSignature, Unsupported

KIND = "PGP PUBLIC KEY BLOCK"
MAX_BYTES = 256 << 10
TRIES = 32
"""How many statements about a key are looked at, from the newest back, until one holds."""
# In the first octet of the Key Flags: may sign data (RFC 9580, section 5.2.3.29).
_SIGN = 0x02
# RFC 9580, section 5.2.1. 0x30, Certification Revocation, is not among them: it takes back a user id, and
# nobody is known here by one.
_CERTIFICATIONS = (0x10, 0x11, 0x12, 0x13)
_DIRECT, _BINDING, _BACK, _REVOKED, _SUBKEY_REVOKED = 0x1F, 0x18, 0x19, 0x20, 0x28

Packet = tuple[int, bytes]


class CertificateKey(NamedTuple):
    """A primary key or subkey.

    Attributes:
        fingerprint: 40 upper-case hex digits.
        body: the packet's body. algorithm: its number. material: the algorithm's own values.
        created: seconds since the epoch. revoked: a revocation stands.
    """

    fingerprint: str
    body: bytes
    algorithm: int
    material: bytes
    created: int
    revoked: bool = False

    @property
    def weak(self) -> bool:
        """Whether the algorithm or its numbers can be broken: DSA, an elliptic curve of unknown strength, short RSA."""
        if self.algorithm in pgp_signature.RSA:
            return not pgp_signature.sound_rsa(self.material)
        return self.algorithm == pgp_signature.DSA or (self.algorithm == pgp_signature.ECDSA and not self.curve)

    @property
    def curve(self) -> str:
        """The name of the elliptic curve, when it is one that other verifiers are asked about."""
        if self.algorithm not in (pgp_signature.ECDSA, pgp_signature.EDDSA):
            return ""
        return pgp_signature.CURVES.get(self.material[: 1 + self.material[0]] if self.material else b"", "")

    @property
    def hashable(self) -> bytes:
        """What signatures over this key cover (RFC 9580, section 5.2.4)."""
        return b"\x99" + len(self.body).to_bytes(2, "big") + self.body


class KeyStatus(NamedTuple):
    """What the newest statements that hold say about a key.

    Attributes:
        bound: True when self-signatures prove that the key belongs here, False when none does, and None when they are
            of an algorithm that is not checked here.
        signs: it may sign data. expires: seconds since the epoch, or None.
        since: when the newest statement was made. weak_digest: it uses a digest for which collisions can be made.
        untried: statements that were not looked at, since none of the newest TRIES holds.
    """

    bound: bool | None = False
    signs: bool = False
    expires: int | None = None
    since: int = 0
    weak_digest: bool = False
    untried: int = 0


class CertificateStatement(NamedTuple):
    """A signature in a certificate, what it covers beside the primary key, and the packet's body."""

    signature: OpenpgpSignature
    covered: bytes
    body: bytes


class Part(NamedTuple):
    """A key, and the packets that follow it, in order; `statements`: those that the primary key claims to have made."""

    key: CertificateKey
    packets: tuple[Packet, ...] = ()
    statements: tuple[CertificateStatement, ...] = ()


class Certificate(NamedTuple):
    """A primary key and its subkeys."""

    head: Part
    tail: tuple[Part, ...] = ()

    @property
    def primary(self) -> CertificateKey:
        """The primary key."""
        return self.head.key

    @property
    def subkeys(self) -> tuple[CertificateKey, ...]:
        """The subkeys, in order."""
        return tuple(part.key for part in self.tail)

    def signers_of(self, signature: OpenpgpSignature) -> list[CertificateKey]:
        """Return the keys that the signature names: more than one when an id of 16 digits is that of several."""
        return [key for key in (self.primary, *self.subkeys) if signature.names(key.fingerprint)]

    def key_status(self, key: CertificateKey) -> KeyStatus:
        """Return what the certificate says about one of its keys, by the newest statement that holds."""
        part = next(part for part in (self.head, *self.tail) if part.key is key)
        return _key_status(self.primary, part)

    def reduced_to(self, key: CertificateKey) -> bytes:
        """Return the certificate as packets with this key alone beside the primary one, for other verifiers.

        A tool that sees one key can't check by another. Of the statements the newest are there, as above.
        """
        subkeys = [_encoded(part, packets.PUBLIC_SUBKEY, self.primary) for part in self.tail if part.key is key]
        return b"".join([_encoded(self.head, packets.PUBLIC_KEY, self.primary), *subkeys])


Verifier = Callable[[Certificate, CertificateKey, bytes, bytes], bool]
"""(certificate, one of its keys, message, signature packet) → whether the signature is that of this very key.

Raises Unsupported when it cannot tell, or a Refusal of its own.
"""


def read(text: bytes) -> Certificate:
    """Read an armored public key: exactly one certificate, with version 4 keys.

    Raises:
        FormError: otherwise, and when it holds a secret key.
    """
    if len(text) > MAX_BYTES:
        raise FormError(
            f"the public key has {len(text)} bytes; at most {MAX_BYTES} are read; "
            "gpg --export-options export-minimal makes it small"
        )
    binary = packets.dearmor(text, KIND)
    items = [item for item in packets.split(binary) if item[0] not in (packets.MARKER, packets.TRUST, packets.PADDING)]
    if not items or items[0][0] != packets.PUBLIC_KEY:
        raise FormError("it does not begin with a public key")
    if sum(kind == packets.PUBLIC_KEY for kind, _ in items) != 1:
        raise FormError("it holds several keys; give each an entry of its own")
    return _assemble(items)


def _assemble(items: Sequence[Packet]) -> Certificate:
    starts = [at for at, (kind, _) in enumerate(items) if kind in (packets.PUBLIC_KEY, packets.PUBLIC_SUBKEY)]
    ends = [*starts[1:], len(items)]
    sections = [items[start : ends[number]] for number, start in enumerate(starts)]
    kinds = {_kind(body) for kind, body in items if kind == packets.SIGNATURE}
    head_kinds = {_kind(body) for kind, body in sections[0] if kind == packets.SIGNATURE}
    primary = _key(sections[0][0][1], revoked=_REVOKED in kinds)
    head = _part(primary, primary, sections[0][1:])
    subkeys: dict[bytes, list[Packet]] = {}
    for (_, body), *rest in sections[1:]:
        subkeys.setdefault(body, []).extend(rest)  # one that is there twice is one, with all that is said about it
    tail = []
    for body, rest in subkeys.items():
        # A tool may put a revocation that stands in the wrong place where it belongs; here it counts for every subkey.
        own = {_kind(packet) for kind, packet in rest if kind == packets.SIGNATURE}
        tail.append(_part(primary, _key(body, revoked=_SUBKEY_REVOKED in own | head_kinds), rest))
    return Certificate(head, tuple(tail))


def _part(primary: CertificateKey, key: CertificateKey, items: Sequence[Packet]) -> Part:
    """Take the statements that the primary key made about `key` from the packets behind it."""
    covered = b"" if key is primary else key.hashable
    statements: list[CertificateStatement] = []
    for kind, body in items:
        if kind in (packets.USER_ID, packets.USER_ATTRIBUTE) and key is primary:
            # As user ids and user attributes are hashed (RFC 9580, section 5.2.4).
            covered = (b"\xb4" if kind == packets.USER_ID else b"\xd1") + len(body).to_bytes(4, "big") + body
        elif kind != packets.SIGNATURE:
            raise FormError(f"a packet of type {kind} does not belong there in a public key")
        else:
            statements.extend(_statement(body, primary, key, covered))
    return Part(key, tuple(items), tuple(statements))


def _statement(body: bytes, primary: CertificateKey, key: CertificateKey, covered: bytes) -> list[CertificateStatement]:
    try:
        signature = pgp_signature.parse(body)
    except FormError:  # of version 3, or broken: it proves nothing
        return []
    wanted = (*_CERTIFICATIONS, _DIRECT) if key is primary else (_BINDING,)
    # What others certify of a user id says nothing of what the key may do.
    if signature.kind not in wanted or not signature.names(primary.fingerprint):
        return []
    return [CertificateStatement(signature, b"" if signature.kind == _DIRECT else covered, body)]


def _kind(body: bytes) -> int:
    """Return a signature packet's type, also of versions that are not read otherwise: a revocation counts in each."""
    # Versions 2 and 3 begin with the length of what is hashed (RFC 4880, section 5.2.2).
    at = 2 if body[:1] in (b"\x02", b"\x03") else 1
    return body[at] if len(body) > at else -1


def _newest(part: Part) -> list[CertificateStatement]:
    return sorted(part.statements, key=lambda statement: -statement.signature.created)[:TRIES]


def _key_status(primary: CertificateKey, part: Part) -> KeyStatus:
    holding: list[CertificateStatement] = []
    verdicts: list[bool | None] = []
    for statement in _newest(part):
        # All of the newest second count together: which of them came last can't be told.
        if holding and statement.signature.created != holding[0].signature.created:
            break
        # Not passed over for an older one: it may be the owner's newer word, and if not it only refuses.
        if statement.signature.digest in pgp_signature.WEAK_HASHES:
            return KeyStatus(since=statement.signature.created, weak_digest=True)
        verdict = _verdict(statement.signature, primary, primary.hashable + statement.covered)
        if verdict is not False:
            holding.append(statement)
            # One with a critical part that is not known proves nothing, and no older one speaks in its place.
            verdicts.append(False if statement.signature.odd else verdict)
    if not holding:
        return KeyStatus(untried=max(0, len(part.statements) - TRIES))
    return _summed(primary, part.key, [statement.signature for statement in holding], verdicts)


def _summed(
    primary: CertificateKey,
    key: CertificateKey,
    signatures: Sequence[OpenpgpSignature],
    verdicts: Sequence[bool | None],
) -> KeyStatus:
    # A key's time counts from its making, a statement's from its own; the earliest end counts.
    ends = [key.created + signature.key_lifetime for signature in signatures if signature.key_lifetime]
    ends += [signature.created + signature.lifetime for signature in signatures if signature.lifetime]
    flags = [signature.flags for signature in signatures if signature.flags >= 0]
    # A primary key from before there were flags may sign; of a subkey it must be said.
    signs = any(flag & _SIGN for flag in flags) or (key is primary and not flags)
    bound = False if False in verdicts else (None if None in verdicts else True)
    if key is not primary and signs and bound is not False:
        agreed = _back_signed(key, signatures, primary.hashable + key.hashable)
        bound = agreed if agreed is not True else bound
    return KeyStatus(bound, signs, min(ends) if ends else None, signatures[0].created)


def _back_signed(key: CertificateKey, bindings: Sequence[OpenpgpSignature], covered: bytes) -> bool | None:
    """Whether the subkey agreed to be bound (RFC 9580, section 10.1.5): else one could adopt another's subkey."""
    embedded = [back for binding in bindings for body in binding.embedded for back in _readable(body)]
    backs = [back for back in embedded if back.kind == _BACK and not back.odd][:TRIES]
    verdicts = [_verdict(back, key, covered) for back in backs]
    return True if True in verdicts else (None if None in verdicts else False)


def _readable(body: bytes) -> list[OpenpgpSignature]:
    try:
        return [pgp_signature.parse(body)]
    except FormError:
        return []


def _verdict(signature: OpenpgpSignature, key: CertificateKey, covered: bytes) -> bool | None:
    try:
        return pgp_signature.check(signature, key.algorithm, key.material, covered)
    except Unsupported:
        return None
    except FormError:
        return False


def _encoded(part: Part, kind: int, primary: CertificateKey) -> bytes:
    """Return a part as packets: the key, its newest statements, and the user ids that these are about."""
    wanted = {statement.body for statement in _newest(part)}
    result = [packets.encode(kind, part.key.body)]
    waiting: list[bytes] = []
    for number, body in part.packets:
        if number != packets.SIGNATURE:
            waiting = [packets.encode(number, body)]
        elif body in wanted:
            named = pgp_signature.with_issuer_id(body, primary.fingerprint)
            result += [*waiting, packets.encode(number, named)]
            waiting = []
    return b"".join(result)


def _key(body: bytes, *, revoked: bool) -> CertificateKey:
    if packets.take(body, 0, 6)[0] != 4:
        raise FormError(f"a key has version {body[0]}; version 4 is read")
    if body[5] in pgp_signature.RSA:
        pgp_signature.rsa_numbers(body[6:])  # broken ones are found here, not when a signature is judged
    # The form defines SHA-1 here. Collisions are two keys of one's own making; against the key that is pinned
    # it takes a second preimage, which nobody can make.
    fingerprint = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest()  # noqa: S324  RFC 9580, 5.5.4.2
    return CertificateKey(fingerprint.upper(), body, body[5], body[6:], int.from_bytes(body[1:5], "big"), revoked)
