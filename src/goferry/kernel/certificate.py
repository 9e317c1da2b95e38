"""An OpenPGP certificate (a "public key") of the trust file: its keys, their times and what they may do.

The certificate is trusted material: it comes from the trust file and is pinned by its full fingerprint. Self-signatures
are checked all the same, so that a subkey that somebody grafted on cannot sign; revocations count without a check,
because one that is wrong can only refuse.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Callable, List, Optional, Tuple

from goferry.kernel import packets, pgp_signature
from goferry.kernel.packets import FormError
from goferry.kernel.pgp_signature import Signature, Unsupported

KIND = "PGP PUBLIC KEY BLOCK"
MAX_BYTES = 256 << 10
_SIGN = 0x02
_CERTIFICATIONS = (0x10, 0x11, 0x12, 0x13)
_DIRECT, _BINDING, _BACK, _REVOKED, _SUBKEY_REVOKED = 0x1F, 0x18, 0x19, 0x20, 0x28
_DSA = 17

_Covered = Tuple[Signature, bytes]


@dataclass
class Key:
    """A primary key or subkey.

    Attributes:
        fingerprint: 40 upper-case hex digits.
        body: the packet's body. algorithm: its number. material: the algorithm's own values.
        created: seconds since the epoch. expires: the same, or None.
        signs: it may sign data. bound: True when self-signatures prove that, None when they are of an algorithm that
            is not checked here. revoked: a revocation stands.
    """

    fingerprint: str
    body: bytes
    algorithm: int
    material: bytes
    created: int
    expires: Optional[int] = None
    signs: bool = False
    bound: Optional[bool] = False
    revoked: bool = False

    @property
    def weak(self) -> bool:
        """Whether the algorithm or size can be broken."""
        if self.algorithm in pgp_signature.RSA:
            return pgp_signature.rsa_numbers(self.material)[0].bit_length() < 2048
        return self.algorithm == _DSA

    @property
    def hashable(self) -> bytes:
        """What signatures over this key cover (RFC 9580, section 5.2.4)."""
        return b"\x99" + len(self.body).to_bytes(2, "big") + self.body


@dataclass
class Certificate:
    """A primary key and its subkeys; `binary` is the whole as packets, for other verifiers."""

    binary: bytes
    primary: Key
    subkeys: List[Key] = field(default_factory=list)

    def signer_of(self, signature: Signature) -> Optional[Key]:
        """Return the key that the signature names, if it is one of these."""
        for key in [self.primary, *self.subkeys]:
            if _made_by(signature, key):
                return key
        return None


Verifier = Callable[[Certificate, bytes, bytes], bool]
"""(certificate, message, signature packet) → whether the signature matches.

Raises Unsupported when it cannot tell, or a Refusal of its own.
"""


def read(text: bytes) -> Certificate:
    """Read an armored public key: exactly one certificate, with version 4 keys.

    Raises:
        FormError: otherwise, and when it holds a secret key.
    """
    if len(text) > MAX_BYTES:
        raise FormError("the public key has %d bytes; at most %d are read" % (len(text), MAX_BYTES))
    binary = packets.dearmor(text, KIND)
    items = [item for item in packets.split(binary) if item[0] not in (packets.MARKER, packets.TRUST, packets.PADDING)]
    if not items or items[0][0] != packets.PUBLIC_KEY:
        raise FormError("it does not begin with a public key")
    if sum(kind == packets.PUBLIC_KEY for kind, _ in items) != 1:
        raise FormError("it holds several keys; give each an entry of its own")
    return _assemble(binary, items)


def _assemble(binary: bytes, items: List[Tuple[int, bytes]]) -> Certificate:
    certificate = Certificate(binary, _key(items[0][1]))
    signatures: List[_Covered] = []
    covered = b""
    subkeys: List[Tuple[Key, List[_Covered]]] = []
    own = signatures
    for kind, body in items[1:]:
        if kind == packets.PUBLIC_SUBKEY:
            key = _key(body)
            own, covered = [], key.hashable
            subkeys.append((key, own))
        elif kind in (packets.USER_ID, packets.USER_ATTRIBUTE) and not subkeys:
            covered = (b"\xb4" if kind == packets.USER_ID else b"\xd1") + len(body).to_bytes(4, "big") + body
        elif kind == packets.SIGNATURE:
            own.extend((signature, covered) for signature in _readable(body))
        else:
            raise FormError("a packet of type %d does not belong there in a public key" % kind)
    _settle_primary(certificate.primary, signatures)
    for key, own in subkeys:
        _settle_subkey(certificate.primary, key, [signature for signature, _ in own])
        certificate.subkeys.append(key)
    return certificate


def _readable(body: bytes) -> List[Signature]:
    try:
        return [pgp_signature.parse(body)]
    except FormError:  # of version 3, or broken: it proves nothing
        return []


def _settle_primary(primary: Key, signatures: List[_Covered]) -> None:
    primary.revoked = any(signature.kind == _REVOKED for signature, _ in signatures)
    candidates = [
        (signature, _verdict(signature, primary, primary.hashable + (b"" if signature.kind == _DIRECT else covered)))
        for signature, covered in signatures
        if (signature.kind in _CERTIFICATIONS or signature.kind == _DIRECT) and _made_by(signature, primary)
    ]
    _apply(primary, candidates)
    flags = [signature.flags for signature, _ in _newest(candidates) if signature.flags >= 0]
    primary.signs = not flags or any(flag & _SIGN for flag in flags)


def _settle_subkey(primary: Key, key: Key, signatures: List[Signature]) -> None:
    key.revoked = any(signature.kind == _SUBKEY_REVOKED for signature in signatures)
    covered = primary.hashable + key.hashable
    candidates = [
        (signature, _verdict(signature, primary, covered))
        for signature in signatures
        if signature.kind == _BINDING and _made_by(signature, primary)
    ]
    _apply(key, candidates)
    key.signs = any(signature.flags & _SIGN for signature, _ in _newest(candidates) if signature.flags >= 0)
    if key.signs and key.bound:
        key.bound = _back_signed(key, [signature for signature, _ in _newest(candidates)], covered)


def _apply(key: Key, candidates: List[Tuple[Signature, Optional[bool]]]) -> None:
    """Take the key's end from its newest statement, and whether that statement is proven."""
    newest = _newest(candidates)
    ends = [key.created + signature.key_lifetime for signature, _ in newest if signature.key_lifetime]
    key.expires = min(ends) if ends else None
    verdicts = [verdict for _, verdict in newest]
    key.bound = (None if None in verdicts else True) if verdicts else False


def _newest(candidates: List[Tuple[Signature, Optional[bool]]]) -> List[Tuple[Signature, Optional[bool]]]:
    valid = [(signature, verdict) for signature, verdict in candidates if verdict is not False]
    last = max((signature.created for signature, _ in valid), default=0)
    return [(signature, verdict) for signature, verdict in valid if signature.created == last]


def _back_signed(key: Key, bindings: List[Signature], covered: bytes) -> Optional[bool]:
    """Whether the subkey agreed to be bound (RFC 9580, section 10.1.5): else one could adopt another's subkey."""
    embedded = [back for binding in bindings for body in binding.embedded for back in _readable(body)]
    verdicts = [_verdict(back, key, covered) for back in embedded if back.kind == _BACK]
    return True if True in verdicts else (None if None in verdicts else False)


def _made_by(signature: Signature, key: Key) -> bool:
    if signature.issuer:
        return signature.issuer == key.fingerprint
    return bool(signature.issuer_id) and key.fingerprint.endswith(signature.issuer_id)


def _verdict(signature: Signature, key: Key, covered: bytes) -> Optional[bool]:
    try:
        return pgp_signature.check(signature, key.algorithm, key.material, covered)
    except Unsupported:
        return None
    except FormError:
        return False


def _key(body: bytes) -> Key:
    if packets.take(body, 0, 6)[0] != 4:
        raise FormError("a key has version %d; version 4 is read" % body[0])
    if body[5] in pgp_signature.RSA:
        pgp_signature.rsa_numbers(body[6:])  # broken ones are found here, not when a signature is judged
    fingerprint = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest()  # noqa: S324  RFC 9580, 5.5.4.2
    return Key(fingerprint.upper(), body, body[5], body[6:], int.from_bytes(body[1:5], "big"))
