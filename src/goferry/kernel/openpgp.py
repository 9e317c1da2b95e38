"""OpenPGP signatures over the list: read strictly here, judged by our own rules, and checked through one door.

    signature file ──read──▶ Signature ──issuer──▶ key of the trust file ──judge──▶ Judged ──matches──▶ accepted

What a tool's exit code does not say is decided before any tool runs: exactly one armor block with exactly one detached
binary signature, a strong digest, one key that it names, and that this key may sign and is neither revoked nor expired.
Whether the signature matches that key is then decided in pure Python where that can be done (Ed25519 and RSA), on every
machine and by nothing else. Only for the rest (ECDSA, Ed448) other verifiers are asked, until one can tell: gpgv, and
on the client pysequoia. They get the judged key alone and must confirm that very key.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Optional, Sequence, Tuple

from goferry.kernel import gpgv, packets, pgp_signature
from goferry.kernel.certificate import TRIES, Certificate, Key, Standing, Verifier
from goferry.kernel.pgp_signature import Signature, Unsupported
from goferry.kernel.refusals import (
    DigestWeak,
    IssuerAmbiguous,
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

_INLINE = (4, 8, 9, 11, 18)  # one-pass, compressed, encrypted, literal: parts of a message
_ADVICE = ["make one with:  goferry sign DIST --openpgp-key FILE"]


def read(data: bytes, where: str) -> Tuple[Signature, bytes]:
    """Read an armored detached signature; return it parsed and as one binary packet.

    Raises:
        SignatureMalformed, SignatureNotSingle, SignatureNotDetached, DigestWeak: as their names say.
        IssuerAmbiguous: when it names two keys.
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
    if not signature.consistent:
        raise IssuerAmbiguous("%s says that it was made by %s" % (where, " and by ".join(signature.issuers)))
    if signature.digest not in pgp_signature.HASHES:
        weak = pgp_signature.WEAK_HASHES.get(signature.digest, "digest number %d" % signature.digest)
        raise DigestWeak("%s uses %s" % (where, weak), advice=["sign again with SHA-256 or SHA-512"])


@dataclass(frozen=True)
class Judged:
    """A key that may have made a signature, if the arithmetic says so too.

    Attributes:
        certificate: of the trust file. key: the one of its keys that the signature names.
        signature, packet: as read.
        proven: the certificate's own signatures prove that the key belongs to it; False when they are of an algorithm
            that another verifier must check.
    """

    certificate: Certificate
    key: Key
    signature: Signature
    packet: bytes
    proven: bool


def judge(certificate: Certificate, key: Key, read: Tuple[Signature, bytes], now: int, where: str) -> Judged:
    """Decide whether `key`, which the signature names, may have made it.

    Raises:
        KeyRevoked, KeyWeak, DigestWeak, KeyCannotSign, KeyExpired, SignatureExpired, SignatureInFuture: as their names
            say.
    """
    signature, packet = read
    primary = certificate.primary
    for part in (primary, key):
        if part.revoked:
            raise KeyRevoked("%s was made by key %s, which its owner revoked" % (where, part.fingerprint))
        if part.weak:
            raise KeyWeak(
                "%s was made by key %s, which is DSA, short RSA or of an odd curve" % (where, part.fingerprint)
            )
    above, own = certificate.standing(primary), certificate.standing(key)
    _check_standing(primary, above, signature, now, where)
    _check_standing(key, own, signature, now, where)
    if above.untried or own.untried:
        raise KeyCannotSign(
            "of the statements about key %s the newest %d are not its owner's" % (key.fingerprint, TRIES),
            advice=["get the key from its owner, not from a key server:  gpg --export-options export-minimal --export"],
        )
    if not own.signs or above.bound is False or own.bound is False:
        raise KeyCannotSign("%s was made by key %s, which may not sign data" % (where, key.fingerprint))
    check_time(signature.created, now, where)
    if signature.created < max(key.created, primary.created):
        raise SignatureInFuture("%s is dated before its key was made" % where)
    if signature.lifetime and signature.created + signature.lifetime <= now:
        ended = format_time(signature.created + signature.lifetime)
        raise SignatureExpired("%s was valid until %s" % (where, ended))
    return Judged(certificate, key, signature, packet, bool(above.bound and own.bound))


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


def _check_standing(key: Key, standing: Standing, signature: Signature, now: int, where: str) -> None:
    if standing.weak_digest:
        raise DigestWeak(
            "key %s, which made %s, certifies itself with SHA-1 or MD5" % (key.fingerprint, where),
            advice=["renew it:  gpg --cert-digest-algo SHA512 --quick-set-expire %s 2y" % key.fingerprint],
        )
    if standing.expires is not None and standing.expires <= max(now, signature.created):
        raise KeyExpired(
            "%s was made by key %s, which expired at %s" % (where, key.fingerprint, format_time(standing.expires)),
            advice=["put the key's renewed public part into the trust file, or sign with a newer key"],
        )


def matches(judged: Judged, message: bytes, tools: Optional[Sequence[Verifier]] = None) -> bool:
    """Whether the signature over `message` is that of the judged key, and the key is its certificate's.

    Args:
        judged: who may have made it.
        message: what was signed.
        tools: whom to ask, in order, for what pure Python can't tell; None: gpgv when it is on PATH.

    Raises:
        Unsupported: when nobody can tell. Refusal: what a tool says against the key.
    """
    key, signature = judged.key, judged.signature
    try:
        if not pgp_signature.check(signature, key.algorithm, key.material, message):
            return False
        if judged.proven:
            return True
    except packets.FormError:  # its numbers are not numbers
        return False
    except Unsupported:
        if not key.curve:
            raise
    for tool in gpgv.on_path() if tools is None else tools:
        with contextlib.suppress(Unsupported):
            return tool(judged.certificate, key, message, judged.packet)
    raise Unsupported
