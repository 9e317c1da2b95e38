"""OpenPGP signatures over the list: read strictly here, judged by our own rules, and checked by one of three verifiers.

    signature file ──read──▶ Signature ──issuer──▶ certificate of the trust file ──judge──▶ verifier ──▶ accepted

What a tool's exit code does not say is decided before the tool runs: exactly one armor block with exactly one detached
binary signature, a strong digest, a key that may sign and is neither revoked nor expired. The verifier then answers one
question only, whether the signature matches: gpgv (kernel.gpgv), pure Python (`pure`), or the client's own library.
"""

from __future__ import annotations

from typing import Optional, Tuple

from goferry.kernel import packets, pgp_signature
from goferry.kernel.certificate import Certificate, Key, Verifier
from goferry.kernel.pgp_signature import Signature, Unsupported
from goferry.kernel.refusals import (
    DigestWeak,
    KeyCannotSign,
    KeyExpired,
    KeyRevoked,
    KeyWeak,
    SignatureExpired,
    SignatureInFuture,
    SignatureMalformed,
    SignatureNotDetached,
    SignatureNotSingle,
)
from goferry.kernel.times import format_time

MAX_BYTES = 64 << 10
CLOCK_SKEW = 300
"""Seconds by which a signer's clock may run ahead of ours."""

_SHA3 = (12, 14)
_INLINE = (4, 8, 9, 11, 18)  # one-pass, compressed, encrypted, literal: parts of a message
_ADVICE = ["make one with:  goferry sign DIST --openpgp-key FILE"]


def read(data: bytes, where: str) -> Tuple[Signature, bytes]:
    """Read an armored detached signature; return it parsed and as one binary packet.

    Raises:
        SignatureMalformed, SignatureNotSingle, SignatureNotDetached, DigestWeak: as their names say.
    """
    if not data.strip() or len(data) > MAX_BYTES:
        raise SignatureMalformed("%s is empty or larger than %d bytes" % (where, MAX_BYTES), advice=_ADVICE)
    for inline in (b"-----BEGIN PGP SIGNED MESSAGE-----", b"-----BEGIN PGP MESSAGE-----"):
        if data.startswith(inline):
            raise SignatureNotDetached("%s holds a message of its own" % where, advice=_ADVICE)
    try:
        binary = packets.dearmor(data, "PGP SIGNATURE")
        found = list(packets.split(binary))
        if any(kind in _INLINE for kind, _ in found):
            raise SignatureNotDetached("%s holds a message of its own" % where, advice=_ADVICE)
        if len(found) != 1 or found[0][0] != packets.SIGNATURE:
            raise SignatureNotSingle("%s holds %d packets instead of one signature" % (where, len(found)))
        signature = pgp_signature.parse(found[0][1])
    except packets.Surrounded as error:
        raise SignatureNotSingle("%s: %s" % (where, error)) from None
    except packets.FormError as error:
        raise SignatureMalformed("%s: %s" % (where, error), advice=_ADVICE) from None
    _check_form(signature, where)
    return signature, binary


def _check_form(signature: Signature, where: str) -> None:
    if signature.kind == pgp_signature.TEXT:
        raise SignatureNotDetached("%s is a text-mode signature, which does not cover the exact bytes" % where)
    if signature.kind != pgp_signature.BINARY or signature.odd:
        raise SignatureMalformed("%s is of a kind or has a critical part that is not known" % where)
    if signature.digest not in pgp_signature.HASHES and signature.digest not in _SHA3:
        weak = pgp_signature.WEAK_HASHES.get(signature.digest, "digest number %d" % signature.digest)
        raise DigestWeak("%s uses %s" % (where, weak), advice=["sign again with SHA-256 or SHA-512"])


def judge(certificate: Certificate, signature: Signature, now: int, where: str) -> Key:
    """Decide whether the key that the signature names may have made it; return that key.

    Raises:
        KeyRevoked, KeyWeak, KeyCannotSign, KeyExpired, SignatureExpired, SignatureInFuture: as their names say.
    """
    key = certificate.signer_of(signature)
    assert key is not None
    for part in (certificate.primary, key):
        if part.revoked:
            raise KeyRevoked("%s was made by key %s, which its owner revoked" % (where, part.fingerprint))
        if part.weak:
            raise KeyWeak("%s was made by key %s, which is DSA or short RSA" % (where, part.fingerprint))
        _check_end(part, signature, now, where)
    if not key.signs or key.bound is False or certificate.primary.bound is False:
        raise KeyCannotSign("%s was made by key %s, which may not sign data" % (where, key.fingerprint))
    check_time(signature.created, now, where)
    if signature.created < max(key.created, certificate.primary.created):
        raise SignatureInFuture("%s is dated before its key was made" % where)
    if signature.lifetime and signature.created + signature.lifetime <= now:
        ended = format_time(signature.created + signature.lifetime)
        raise SignatureExpired("%s was valid until %s" % (where, ended))
    return key


def check_time(created: int, now: int, where: str) -> None:
    """Refuse a signature from the future.

    Raises:
        SignatureInFuture: when `created` is more than CLOCK_SKEW seconds after `now`.
    """
    if created > now + CLOCK_SKEW:
        raise SignatureInFuture(
            "%s is dated %s; here it is %s" % (where, format_time(created), format_time(now)),
            advice=["check this machine's clock:  date -u"],
        )


def _check_end(key: Key, signature: Signature, now: int, where: str) -> None:
    if key.expires is not None and key.expires <= max(now, signature.created):
        raise KeyExpired(
            "%s was made by key %s, which expired at %s" % (where, key.fingerprint, format_time(key.expires)),
            advice=["put the key's renewed public part into the trust file, or sign with a newer key"],
        )


def pure(certificate: Certificate, message: bytes, packet: bytes) -> bool:
    """Check in pure Python: Ed25519 and RSA with SHA-2 (a `Verifier`)."""
    signature = pgp_signature.parse(next(packets.split(packet))[1])
    key = certificate.signer_of(signature)
    if key is None or key.bound is None or certificate.primary.bound is None:
        raise Unsupported
    try:
        return pgp_signature.check(signature, key.algorithm, key.material, message)
    except packets.FormError:  # its numbers are not numbers
        return False


def unavailable(_certificate: Certificate, _message: bytes, _packet: bytes) -> bool:
    """Check nothing (a `Verifier` for machines that shall rely on other signatures)."""
    raise Unsupported


def chosen(verifier: Optional[Verifier]) -> Verifier:
    """Return the verifier to use: the given one, else gpgv when it is on the machine, else pure Python."""
    if verifier is not None:
        return verifier
    from goferry.kernel import gpgv

    return gpgv.find() or pure
