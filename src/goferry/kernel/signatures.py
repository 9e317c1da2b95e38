"""The signatures over a text, of a release `SHA256SUMS`: each must be good, and enough trusted keys must have signed.

A signature of a format that the trust file has no key for cannot be judged; it is named `unchecked` and counts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from goferry.kernel import minisign, openpgp
from goferry.kernel.certificate import Verifier
from goferry.kernel.checksums import LIST
from goferry.kernel.manifest import SIGNATURES
from goferry.kernel.pgp_signature import Unsupported
from goferry.kernel.refusals import (
    IssuerAmbiguous,
    KeyRole,
    KeyUnknown,
    SignatureMissing,
    SignatureWrong,
    ThresholdUnmet,
    VerifierMissing,
)
from goferry.kernel.trustfile import TrustFile, TrustKey


class Signer(NamedTuple):
    """Who signed: the trust file's key id, its format, the signature file's name, and the signature's time or 0."""

    id: str
    format: str
    file: str
    created: int


class Text(NamedTuple):
    """What is signed.

    Attributes:
        name: what messages call it. role: that of the keys which may sign it.
        signatures: format → what messages call its signature, which is the file's name where it lies in one.
    """

    name: str
    role: str
    signatures: Mapping[str, str]


RELEASE = Text(LIST, "release", SIGNATURES)


def check(
    files: Mapping[str, bytes],
    data: bytes,
    trust: TrustFile,
    tools: Sequence[Verifier] | None,
    now: int,
    text: Text = RELEASE,
) -> tuple[tuple[Signer, ...], tuple[str, ...]]:
    """Check every signature over the bytes `data`.

    Args:
        files: signature's name → its bytes, for those that are there.
        data: exactly what was signed.
        trust: whose signatures count.
        now: seconds since the epoch.
        tools: asked about OpenPGP keys that pure Python can't check; None: gpgv when it is on PATH.
        text: what is signed.

    Returns:
        Who signed, and the names of the files that could not be judged.

    Raises:
        Refusal: when one is bad, or too few trusted keys have signed.
    """
    signers: list[Signer] = []
    unchecked: list[str] = []
    missing_verifier = False
    for kind, name in text.signatures.items():
        if name not in files:
            continue
        keys = [key for key in trust.keys if key.format == kind]
        try:
            if kind == "openpgp":
                signers.append(_check_openpgp(files[name], data, keys, tools, now, text))
            else:
                signers.append(_check_minisign(files[name], data, keys, now, text))
        except Unsupported:
            missing_verifier = True
            unchecked.append(name)
        except KeyUnknown:
            if keys:
                raise
            unchecked.append(name)
    if not files:
        raise SignatureMissing(
            f"there is no signature beside {text.name}", advice=[f"get {' or '.join(text.signatures.values())}"]
        )
    _check_threshold(signers, unchecked, trust, missing_verifier)
    return tuple(signers), tuple(unchecked)


def _check_threshold(
    signers: Sequence[Signer], unchecked: Sequence[str], trust: TrustFile, missing_verifier: bool
) -> None:
    # Keys count, however many signatures they made.
    if len({signer.id for signer in signers}) >= trust.threshold:
        return
    # Told first: with a verifier the threshold may be met.
    if missing_verifier:
        raise VerifierMissing(
            f"{', '.join(unchecked)} cannot be checked on this machine",
            advice=["install gpgv, or sign with a minisign key as well:  goferry sign DIST --minisign-key FILE"],
        )
    if not signers:
        raise KeyUnknown(f"no key of the trust file can have made {', '.join(unchecked)}")
    raise ThresholdUnmet(f"{len(signers)} of {trust.threshold} trusted keys have signed")


def _check_openpgp(
    data: bytes, message: bytes, keys: Sequence[TrustKey], tools: Sequence[Verifier] | None, now: int, text: Text
) -> Signer:
    name = text.signatures["openpgp"]
    read = openpgp.read(data, name)
    signature = read[0]
    certificates = [(key, key.certificate) for key in keys]
    named = [(key, owner, signer) for key, owner in certificates for signer in owner.signers_of(signature)]
    if not named:
        raise _unknown(name, signature.issuer)
    if len(named) > 1:
        holders = " and ".join(signer.fingerprint for _, _, signer in named[:3])
        raise IssuerAmbiguous(
            f"{name} names its key by {signature.issuer}, which is that of {holders}",
            advice=["sign again with a tool that names the whole fingerprint, or take one key out of the trust file"],
        )
    key, owner, signer = named[0]
    _check_role(key, name, text)
    judged = openpgp.judge(owner, signer, read, now, name)
    key.check_time(signature.created, now)
    if not openpgp.matches(judged, message, tools):
        raise SignatureWrong(f"{name} does not match {text.name}", advice=["get both again from one release"])
    return Signer(key.id, key.format, name, signature.created)


def _check_minisign(data: bytes, message: bytes, keys: Sequence[TrustKey], now: int, text: Text) -> Signer:
    name = text.signatures["minisign"]
    signature = minisign.read(data, name)
    for key in keys:
        if key.id != signature.key_id:
            continue
        _check_role(key, name, text)
        openpgp.check_time(signature.created, now, name)
        # Without a timestamp it counts as made now, so that a retired key's counts no more. That the time is
        # the signer's is checked below.
        key.check_time(signature.created or now, now)
        minisign.check(key.minisign, message, signature, name, text.name)
        return Signer(key.id, key.format, name, signature.created)
    raise _unknown(name, signature.key_id)


def _unknown(name: str, issuer: str) -> KeyUnknown:
    return KeyUnknown(
        f"{name} was made by key {issuer or 'without a name'}, which the trust file does not list",
        advice=["if the owner has a new key, get a new trust file from them, not from the release's folder"],
    )


def _check_role(key: TrustKey, name: str, text: Text) -> None:
    if key.role != text.role:
        raise KeyRole(f"{name} was made by key {key.id}, whose role is {key.role}")
