"""One OpenPGP signature packet of version 4 (RFC 4880 and RFC 9580, section 5.2) and its check in pure Python.

Ed25519 (algorithms 22 and 27) and RSA are checked here, with the SHA-2 and SHA-3 digests. `Unsupported` means that
another verifier must decide, never that the signature is good.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from goferry.kernel import ed25519
from goferry.kernel.packets import FormError, take, variable_length

BINARY, TEXT = 0x00, 0x01
# RFC 9580, sections 9.1 and 9.5. RSA is 1 and 3, as 2 only encrypts; 22 is EdDSALegacy, 27 its successor.
HASHES = {8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224", 12: "sha3_256", 14: "sha3_512"}
WEAK_HASHES = {1: "MD5", 2: "SHA-1", 3: "RIPEMD-160"}
RSA, DSA, ECDSA, EDDSA, ED25519 = (1, 3), 17, 19, 22, 27
RSA_BITS = range(2048, 16384 + 1)
"""Sizes of a modulus that are neither breakable nor a way to keep a machine busy."""
CURVES = {  # length and object identifier, as they begin the key material (RFC 9580, section 9.2)
    bytes.fromhex("082a8648ce3d030107"): "NIST P-256",
    bytes.fromhex("052b81040022"): "NIST P-384",
    bytes.fromhex("052b81040023"): "NIST P-521",
    bytes.fromhex("092b2403030208010107"): "brainpoolP256r1",
    bytes.fromhex("092b240303020801010b"): "brainpoolP384r1",
    bytes.fromhex("092b240303020801010d"): "brainpoolP512r1",
    bytes.fromhex("052b8104000a"): "secp256k1",
    bytes.fromhex("032b6571"): "Ed448",
}
"""The curves that other verifiers are asked about; each has at least 128 bits of strength."""
_ED25519_OID = bytes.fromhex("092b06010401da470f01")
_DIGEST_INFO = {  # RFC 8017, section 9.2, note 1
    "sha224": bytes.fromhex("302d300d06096086480165030402040500041c"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
    "sha3_256": bytes.fromhex("3031300d060960864801650304020805000420"),
    "sha3_512": bytes.fromhex("3051300d060960864801650304020a05000440"),
}
# Types of subpackets (RFC 9580, section 5.2.3.7) that may be critical. 12 (Revocation Key) and 31 (Signature
# Target) are not among them, as what they say is not carried out here.
_KNOWN_CRITICAL = frozenset([2, 3, 4, 5, 6, 7, 9, 11, 16, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 32, 33, 34, 35])
_NOTATION, _ISSUER, _ISSUER_FINGERPRINT = 20, 16, 33


class Unsupported(Exception):
    """The algorithm is not checked in pure Python."""


class OpenpgpSignature(NamedTuple):
    """A parsed signature packet.

    Attributes:
        kind: the signature type: 0x00 binary, 0x18 subkey binding, ….
        algorithm, digest: the numbers of the public-key algorithm and of the digest.
        hashed: the part of the packet that the digest covers. prefix: the digest's first two bytes.
        material: the algorithm's own values.
        created: seconds since the epoch. lifetime: seconds until it expires; 0: never.
        key_lifetime: of the key it certifies; 0: never. flags: the key flags, -1 when it has none.
        issuers: what it says of its issuer, in the part that the digest covers and beside it: fingerprints (40
            upper-case hex digits) and their last 16 digits, the longest first.
        embedded: back-signatures.
        odd: it has a critical subpacket or notation that is not known, or says one thing in two ways.
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
    issuers: tuple[str, ...] = ()
    embedded: tuple[bytes, ...] = ()
    odd: bool = False

    @property
    def issuer(self) -> str:
        """The longest of `issuers`, or an empty text."""
        return self.issuers[0] if self.issuers else ""

    @property
    def consistent(self) -> bool:
        """Whether all of `issuers` can be one key. What nobody signed may repeat what was signed, not contradict it."""
        return all(self.issuer.endswith(claim) for claim in self.issuers)

    def names(self, fingerprint: str) -> bool:
        """Whether everything that it says of its issuer is true of the key with this fingerprint."""
        return bool(self.issuers) and all(fingerprint.endswith(claim) for claim in self.issuers)


def parse(body: bytes) -> OpenpgpSignature:
    """Read the body of a signature packet.

    Raises:
        FormError: when it is broken, not of version 4, or without a creation time in its hashed part.
    """
    if take(body, 0, 1) != b"\x04":
        raise FormError(f"it is a signature of version {body[0]}; version 4 is read")
    size = int.from_bytes(take(body, 4, 2), "big")
    hashed = take(body, 0, 6 + size)
    rest = 6 + size
    unhashed_size = int.from_bytes(take(body, rest, 2), "big")
    unhashed = take(body, rest + 2, unhashed_size)
    end = rest + 2 + unhashed_size
    facts: dict[str, object] = {}
    _subpackets(hashed[6:], facts, hashed=True)
    _subpackets(unhashed, facts, hashed=False)
    if "created" not in facts:
        raise FormError("the signature has no creation time")
    embedded: list[bytes] = facts.pop("embedded", [])  # type: ignore[assignment]
    issuers: list[str] = sorted(facts.pop("issuers", ()), key=len, reverse=True)  # type: ignore[call-overload]
    prefix, material = take(body, end, 2), body[end + 2 :]
    return OpenpgpSignature(
        body[1],
        body[2],
        body[3],
        hashed,
        prefix,
        material,
        issuers=tuple(issuers),
        embedded=tuple(embedded),
        **facts,  # type: ignore[arg-type]
    )


def _subpackets(area: bytes, facts: dict[str, object], *, hashed: bool) -> None:
    offset = 0
    while offset < len(area):
        length, offset = variable_length(area, offset)
        if not length:
            raise FormError("a subpacket is empty")
        content = take(area, offset, length)
        offset += length
        kind, value = content[0] & 0x7F, content[1:]
        # The bit says: whoever does not understand this must not believe the rest. No notation is understood.
        if content[0] & 0x80 and (kind not in _KNOWN_CRITICAL or kind == _NOTATION):
            facts["odd"] = True
        if kind == 32:
            # 32, Embedded Signature: it is checked by itself, so it may stand where nobody signs it.
            facts.setdefault("embedded", []).append(value)  # type: ignore[attr-defined]
        elif kind in (_ISSUER, _ISSUER_FINGERPRINT):
            facts.setdefault("issuers", set()).add(_issuer(kind, value))  # type: ignore[attr-defined]
        # Signature Creation Time, Signature Expiration Time and Key Expiration Time (27, below, is Key
        # Flags): what nobody signed is not believed.
        elif hashed and kind in (2, 3, 9):
            _say(
                facts, {2: "created", 3: "lifetime", 9: "key_lifetime"}[kind], int.from_bytes(take(value, 0, 4), "big")
            )
        elif hashed and kind == 27:
            _say(facts, "flags", value[0] if value else 0)


def _say(facts: dict[str, object], name: str, value: int) -> None:
    """Note a fact; of two that differ tools take the first or the last, so they count as not understood."""
    if facts.setdefault(name, value) != value:
        facts["odd"] = True


def _issuer(kind: int, value: bytes) -> str:
    """Return the fingerprint or id (RFC 9580, sections 5.2.3.12 and 5.2.3.35) of an issuer of version 4."""
    if kind == _ISSUER_FINGERPRINT and len(value) == 21 and value[0] == 4:
        return value[1:].hex().upper()
    if kind == _ISSUER and len(value) == 8:
        return value.hex().upper()
    raise FormError("the signature names its issuer in a form that it can't have")


def with_issuer_id(body: bytes, fingerprint: str) -> bytes:
    """Return a signature packet's body that names its issuer by id too, where nobody signs it: gpgv needs that."""
    if any(len(claim) == 16 for claim in parse(body).issuers):
        return body
    at = 6 + int.from_bytes(body[4:6], "big")
    unhashed = body[at + 2 : at + 2 + int.from_bytes(body[at : at + 2], "big")]
    # Its length is 9: the type, and the last eight bytes of the fingerprint.
    added = unhashed + bytes([9, _ISSUER]) + bytes.fromhex(fingerprint[-16:])
    if len(added) > 0xFFFF:  # the area's length has two octets; gpgv gets it as it is, and won't find its key
        return body
    return body[:at] + len(added).to_bytes(2, "big") + added + body[at + 2 + len(unhashed) :]


def check(signature: OpenpgpSignature, algorithm: int, key: bytes, covered: bytes) -> bool:
    """Return whether the signature over `covered` is that of the key (`algorithm` and its key material).

    Raises:
        Unsupported: when the algorithm is not known here.
        FormError: when key or signature is broken.
    """
    if signature.digest not in HASHES or signature.algorithm != algorithm:
        return False
    name = HASHES[signature.digest]
    # Version 4's trailer (RFC 9580, section 5.2.4).
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
    if algorithm == ECDSA and mpi(signature.material, mpi(signature.material, 0)[1])[1] != len(signature.material):
        # Tools differ in whether they tolerate what stands behind the numbers.
        raise FormError("an ECDSA signature that is not two numbers")
    raise Unsupported


def _check_eddsa(material: bytes, key: bytes, digest: bytes) -> bool:
    if not key.startswith(_ED25519_OID):
        raise Unsupported
    # EdDSALegacy writes bytes as if they were numbers: 0x40 before the point, and no zero byte in front of R
    # and S (RFC 9580, sections 11.2 and 5.2.3.3).
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
    # A number beyond the modulus would be a second form of the same signature.
    if end != len(material) or number >= modulus or not sound_rsa(key):
        return False
    expected = b"\0\1" + b"\xff" * (size - 3 - len(info)) + b"\0" + info
    return pow(number, exponent, modulus).to_bytes(size, "big") == expected


def sound_rsa(key: bytes) -> bool:
    """Whether RSA key material is of a size and with an exponent that can't be broken, nor keep a machine busy.

    With the exponent 1 anybody can make every signature; one of 8,000 bits takes minutes to check.
    """
    modulus, exponent = rsa_numbers(key)
    return modulus.bit_length() in RSA_BITS and modulus & 1 == 1 and exponent & 1 == 1 and 3 <= exponent < 1 << 64


def rsa_numbers(key: bytes) -> tuple[int, int]:
    """Return modulus and exponent of RSA key material."""
    modulus, middle = mpi(key, 0)
    exponent, _ = mpi(key, middle)
    return int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")


def mpi(data: bytes, offset: int) -> tuple[bytes, int]:
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
