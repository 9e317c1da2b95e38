"""One OpenPGP signature packet of version 4 (RFC 4880 and RFC 9580, section 5.2) and its check in pure Python.

Ed25519 (algorithms 22 and 27) and RSA are checked here, with the SHA-2 digests. `Unsupported` means that another
verifier must decide, never that the signature is good.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Dict, List, Tuple

from goferry.kernel import ed25519
from goferry.kernel.packets import FormError, take, variable_length

BINARY, TEXT = 0x00, 0x01
HASHES = {8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224"}
WEAK_HASHES = {1: "MD5", 2: "SHA-1", 3: "RIPEMD-160", 4: "an unknown digest"}
RSA, EDDSA, ED25519 = (1, 3), 22, 27
_ED25519_OID = bytes.fromhex("092b06010401da470f01")
_DIGEST_INFO = {  # RFC 8017, section 9.2, note 1
    "sha224": bytes.fromhex("302d300d06096086480165030402040500041c"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
_KNOWN_CRITICAL = frozenset([2, 3, 4, 5, 6, 7, 9, 11, 16, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 32, 33, 34, 35])
_NOTATION = 20


class Unsupported(Exception):
    """The algorithm is not checked in pure Python."""


@dataclass(frozen=True)
class Signature:
    """A parsed signature packet.

    Attributes:
        kind: the signature type: 0x00 binary, 0x18 subkey binding, ….
        algorithm, digest: the numbers of the public-key algorithm and of the digest.
        hashed: the part of the packet that the digest covers. prefix: the digest's first two bytes.
        material: the algorithm's own values.
        created: seconds since the epoch. lifetime: seconds until it expires; 0: never.
        key_lifetime: of the key it certifies; 0: never. flags: the key flags, -1 when it has none.
        issuer: fingerprint (40 upper-case hex digits) or empty. issuer_id: the last 16 of it, or empty.
        embedded: back-signatures. odd: it has a critical subpacket or notation that is not known.
    """

    kind: int
    algorithm: int
    digest: int
    hashed: bytes
    prefix: bytes
    material: bytes
    created: int = 0
    lifetime: int = 0
    key_lifetime: int = 0
    flags: int = -1
    issuer: str = ""
    issuer_id: str = ""
    embedded: Tuple[bytes, ...] = field(default_factory=tuple)
    odd: bool = False


def parse(body: bytes) -> Signature:
    """Read the body of a signature packet.

    Raises:
        FormError: when it is broken, not of version 4, or without a creation time in its hashed part.
    """
    if take(body, 0, 1) != b"\x04":
        raise FormError("it is a signature of version %d; version 4 is read" % body[0])
    size = int.from_bytes(take(body, 4, 2), "big")
    hashed = take(body, 0, 6 + size)
    rest = 6 + size
    unhashed_size = int.from_bytes(take(body, rest, 2), "big")
    unhashed = take(body, rest + 2, unhashed_size)
    end = rest + 2 + unhashed_size
    facts: Dict[str, object] = {}
    _subpackets(hashed[6:], facts, hashed=True)
    _subpackets(unhashed, facts, hashed=False)
    if "created" not in facts:
        raise FormError("the signature has no creation time")
    embedded: List[bytes] = facts.pop("embedded", [])  # type: ignore[assignment]
    prefix, material = take(body, end, 2), body[end + 2 :]
    return Signature(body[1], body[2], body[3], hashed, prefix, material, embedded=tuple(embedded), **facts)  # type: ignore[arg-type]


def _subpackets(area: bytes, facts: Dict[str, object], *, hashed: bool) -> None:
    offset = 0
    while offset < len(area):
        length, offset = variable_length(area, offset)
        if not length:
            raise FormError("a subpacket is empty")
        content = take(area, offset, length)
        offset += length
        kind, value = content[0] & 0x7F, content[1:]
        if content[0] & 0x80 and (kind not in _KNOWN_CRITICAL or kind == _NOTATION):
            facts["odd"] = True
        if kind == 32:
            facts.setdefault("embedded", []).append(value)  # type: ignore[attr-defined]
        elif kind == 16:
            facts.setdefault("issuer_id", value.hex().upper())
        elif kind == 33 and value[:1] == b"\x04":
            facts.setdefault("issuer", value[1:].hex().upper())
        elif hashed and kind in (2, 3, 9):
            facts[{2: "created", 3: "lifetime", 9: "key_lifetime"}[kind]] = int.from_bytes(take(value, 0, 4), "big")
        elif hashed and kind == 27:
            facts["flags"] = value[0] if value else 0


def check(signature: Signature, algorithm: int, key: bytes, covered: bytes) -> bool:
    """Return whether the signature over `covered` is that of the key (`algorithm` and its key material).

    Raises:
        Unsupported: when algorithm or digest is not known here.
        FormError: when key or signature is broken.
    """
    if signature.digest not in HASHES or signature.algorithm != algorithm:
        raise Unsupported
    name = HASHES[signature.digest]
    trailer = b"\x04\xff" + len(signature.hashed).to_bytes(4, "big")
    digest = hashlib.new(name, covered + signature.hashed + trailer).digest()
    if digest[:2] != signature.prefix:
        return False
    if algorithm in RSA:
        return _check_rsa(signature.material, key, _DIGEST_INFO[name] + digest)
    if algorithm == ED25519:
        return len(signature.material) == 64 and ed25519.verify(key, digest, signature.material)
    if algorithm == EDDSA:
        return _check_eddsa(signature.material, key, digest)
    raise Unsupported


def _check_eddsa(material: bytes, key: bytes, digest: bytes) -> bool:
    if not key.startswith(_ED25519_OID):
        raise Unsupported
    point, end = mpi(key, len(_ED25519_OID))
    first, middle = mpi(material, 0)
    second, last = mpi(material, middle)
    if (
        end != len(key)
        or last != len(material)
        or len(point) != 33
        or point[0] != 0x40
        or max(len(first), len(second)) > 32
    ):
        return False
    return ed25519.verify(point[1:], digest, first.rjust(32, b"\0") + second.rjust(32, b"\0"))


def _check_rsa(material: bytes, key: bytes, info: bytes) -> bool:
    """RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2.2), by building the one right encoding and comparing."""
    modulus, exponent = rsa_numbers(key)
    value, end = mpi(material, 0)
    size = (modulus.bit_length() + 7) // 8
    number = int.from_bytes(value, "big")
    if end != len(material) or number >= modulus or exponent.bit_length() > 64:
        return False
    expected = b"\0\1" + b"\xff" * (size - 3 - len(info)) + b"\0" + info
    return pow(number, exponent, modulus).to_bytes(size, "big") == expected


def rsa_numbers(key: bytes) -> Tuple[int, int]:
    """Return modulus and exponent of RSA key material."""
    modulus, middle = mpi(key, 0)
    exponent, _ = mpi(key, middle)
    return int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")


def mpi(data: bytes, offset: int) -> Tuple[bytes, int]:
    """Read a multiprecision integer's bytes; return them and the offset behind them.

    RFC 9580, section 3.2: the length counts from the most significant bit that is set, so there is one spelling.

    Raises:
        FormError: when it is cut off or spelled another way.
    """
    bits = int.from_bytes(take(data, offset, 2), "big")
    value = take(data, offset + 2, (bits + 7) // 8)
    if int.from_bytes(value, "big").bit_length() != bits:
        raise FormError("a number whose length is not its own")
    return value, offset + 2 + len(value)
