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
from collections.abc import Sequence
from typing import NamedTuple

from goferry.kernel import gpgv, packets, pgp_signature
from goferry.kernel.certificate import TRIES, Certificate, CertificateKey, KeyStatus, Verifier
from goferry.kernel.pgp_signature import OpenpgpSignature, Unsupported
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


def read(data: bytes, where: str) -> tuple[OpenpgpSignature, bytes]:
    """Read an armored detached signature; return it parsed and as one binary packet.

    Raises:
        SignatureMalformed: a signature file cannot be parsed: it is empty, cut off, too large, or damaged.
        SignatureNotSingle: a signature file holds more than one signature, or text before or after it.
        SignatureNotDetached: the signature is an inline, cleartext or text-mode one instead of a detached
            binary signature.
        DigestWeak: the signature, or the key's own certification, uses a digest for which collisions can be
            made: SHA-1 or MD5.
        IssuerAmbiguous: when it names two keys.
    """
    if not data.strip() or len(data) > MAX_BYTES:
        raise SignatureMalformed(f"{where} is empty or larger than {MAX_BYTES} bytes", advice=_ADVICE)
    for inline in (b"-----BEGIN PGP SIGNED MESSAGE-----", b"-----BEGIN PGP MESSAGE-----"):
        if data.startswith(inline):
            raise SignatureNotDetached(f"{where} holds a message of its own", advice=_ADVICE)
    try:
        binary = packets.dearmor(data, "PGP SIGNATURE")
        found = list(packets.split(binary))
        if any(kind in _INLINE for kind, _ in found):
            raise SignatureNotDetached(f"{where} holds a message of its own", advice=_ADVICE)
        if len(found) != 1 or found[0][0] != packets.SIGNATURE:
            raise SignatureNotSingle(f"{where} holds {len(found)} packets instead of one signature")
        signature = pgp_signature.parse(found[0][1])
    except packets.Surrounded as error:
        raise SignatureNotSingle(f"{where}: {error}") from None
    except packets.FormError as error:
        raise SignatureMalformed(f"{where}: {error}", advice=_ADVICE) from None
    _check_form(signature, where)
    return signature, binary


def _check_form(signature: OpenpgpSignature, where: str) -> None:
    if signature.kind == pgp_signature.TEXT:
        raise SignatureNotDetached(f"{where} is a text-mode signature, which does not cover the exact bytes")
    if signature.kind != pgp_signature.BINARY or signature.odd:
        raise SignatureMalformed(f"{where} is of a kind or has a critical part that is not known")
    if not signature.consistent:
        raise IssuerAmbiguous(f"{where} says that it was made by {' and by '.join(signature.issuers)}")
    if signature.digest not in pgp_signature.HASHES:
        weak = pgp_signature.WEAK_HASHES.get(signature.digest, f"digest number {signature.digest}")
        raise DigestWeak(f"{where} uses {weak}", advice=["sign again with SHA-256 or SHA-512"])


class Judged(NamedTuple):
    """A key that may have made a signature, if the arithmetic says so too.

    Attributes:
        certificate: of the trust file. key: the one of its keys that the signature names.
        signature, packet: as read.
        proven: the certificate's own signatures prove that the key belongs to it; False when they are of an algorithm
            that another verifier must check.
    """

    certificate: Certificate
    key: CertificateKey
    signature: OpenpgpSignature
    packet: bytes
    proven: bool


def judge(
    certificate: Certificate, key: CertificateKey, read: tuple[OpenpgpSignature, bytes], now: int, where: str
) -> Judged:
    """Decide whether `key`, which the signature names, may have made it.

    Raises:
        KeyRevoked, KeyWeak, KeyCannotSign, KeyExpired: what the key, or the primary one that binds it, is.
        DigestWeak, SignatureExpired, SignatureInFuture: what the signature is.
    """
    signature, packet = read
    primary = certificate.primary
    # Both, as a subkey falls with its primary key.
    for part in (primary, key):
        if part.revoked:
            raise KeyRevoked(f"{where} was made by key {part.fingerprint}, which its owner revoked")
        if part.weak:
            raise KeyWeak(f"{where} was made by key {part.fingerprint}, which is DSA, short RSA or of an odd curve")
    above, own = certificate.key_status(primary), certificate.key_status(key)
    _check_status(primary, above, signature, now, where)
    _check_status(key, own, signature, now, where)
    if above.untried or own.untried:
        raise KeyCannotSign(
            f"of the statements about key {key.fingerprint} the newest {TRIES} are not its owner's",
            advice=["get the key from its owner, not from a key server:  gpg --export-options export-minimal --export"],
        )
    # None is not False: the self-signature is of an algorithm that is not checked here. Then the key is not
    # `proven`, and another verifier must confirm it.
    if not own.signs or above.bound is False or own.bound is False:
        raise KeyCannotSign(f"{where} was made by key {key.fingerprint}, which may not sign data")
    check_time(signature.created, now, where)
    if signature.created < max(key.created, primary.created):
        raise SignatureInFuture(f"{where} is dated before its key was made")
    if signature.lifetime and signature.created + signature.lifetime <= now:
        ended = format_time(signature.created + signature.lifetime)
        raise SignatureExpired(f"{where} was valid until {ended}")
    return Judged(certificate, key, signature, packet, bool(above.bound and own.bound))


def check_time(created: int, now: int, where: str) -> None:
    """Refuse a signature from the future.

    Raises:
        SignatureInFuture: when `created` is more than CLOCK_SKEW seconds after `now`.
    """
    if created > now + CLOCK_SKEW:
        raise SignatureInFuture(
            f"{where} is dated {format_time(created)}; here it is {format_time(now)}",
            advice=["check this machine's clock:  date -u"],
        )


def _check_status(key: CertificateKey, status: KeyStatus, signature: OpenpgpSignature, now: int, where: str) -> None:
    if status.weak_digest:
        raise DigestWeak(
            f"key {key.fingerprint}, which made {where}, certifies itself with SHA-1 or MD5",
            advice=[f"renew it:  gpg --cert-digest-algo SHA512 --quick-set-expire {key.fingerprint} 2y"],
        )
    # At both times: the signature's is chosen by whoever makes it, and a date in the past revives no key.
    if status.expires is not None and status.expires <= max(now, signature.created):
        raise KeyExpired(
            f"{where} was made by key {key.fingerprint}, which expired at {format_time(status.expires)}",
            advice=["put the key's renewed public part into the trust file, or sign with a newer key"],
        )


def matches(judged: Judged, message: bytes, tools: Sequence[Verifier] | None = None) -> bool:
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
        # Else the signature is good, and whether the key belongs to its certificate is for the tools to say.
        if judged.proven:
            return True
    except packets.FormError:  # its numbers are not numbers
        return False
    except Unsupported:
        # Nobody is asked about a curve or an algorithm whose strength is not known here.
        if not key.curve:
            raise
    for tool in gpgv.on_path() if tools is None else tools:
        with contextlib.suppress(Unsupported):
            return tool(judged.certificate, key, message, judged.packet)
    raise Unsupported
