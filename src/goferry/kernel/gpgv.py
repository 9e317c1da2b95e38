"""gpgv as a verifier: run on private copies, judged by its status lines and never by its exit code.

gpgv exits 0 for revoked and for expired keys, for SHA-1 and for an inline message, and checks by any key of its keyring
that fits. So its keyring is the judged key and its primary key alone, and one good signature, made by that very key and
without any other verdict, is demanded in the lines of `--status-fd` (GnuPG, doc/DETAILS).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

from goferry.kernel import packets, pgp_signature
from goferry.kernel.certificate import Certificate, CertificateKey, Verifier
from goferry.kernel.pgp_signature import Unsupported
from goferry.kernel.refusals import (
    KeyExpired,
    KeyRevoked,
    Refusal,
    SignatureExpired,
    SignatureMalformed,
    SignatureNotDetached,
    SignatureWrong,
)

TIMEOUT = 30.0
"""Seconds that one run may take."""

_BAD: dict[str, type[Refusal]] = {
    "BADSIG": SignatureWrong,
    "REVKEYSIG": KeyRevoked,
    "KEYREVOKED": KeyRevoked,
    "EXPKEYSIG": KeyExpired,
    "KEYEXPIRED": KeyExpired,
    "EXPSIG": SignatureExpired,
    "PLAINTEXT": SignatureNotDetached,
    "NODATA": SignatureMalformed,
    "UNEXPECTED": SignatureMalformed,
}
_UNSUPPORTED = ("4", "5", "9", "60", "69", "84", "149", "188")
"""ERRSIG's reasons that mean "I don't know this" (libgpg-error, err-codes.h): GPG_ERR_PUBKEY_ALGO, DIGEST_ALGO,
NO_PUBKEY (its keyring holds the key, so it can't read it), NOT_SUPPORTED, NOT_IMPLEMENTED, UNSUPPORTED_ALGORITHM,
UNKNOWN_ALGORITHM and UNKNOWN_CURVE."""


def find(path: str = "") -> Verifier | None:
    """Return a verifier that runs gpgv (the one at `path`, else the first on PATH), or None when there is none."""
    program = path or shutil.which("gpgv")
    if not program:
        return None

    def verify(certificate: Certificate, key: CertificateKey, message: bytes, packet: bytes) -> bool:
        return _matches(program, certificate, key, message, packet)

    return verify


def on_path() -> tuple[Verifier, ...]:
    """Return gpgv as a verifier when it is on PATH: whom a host asks."""
    found = find()
    return (found,) if found else ()


def _matches(program: str, certificate: Certificate, key: CertificateKey, message: bytes, packet: bytes) -> bool:
    named = pgp_signature.with_issuer_id(next(packets.split(packet))[1], key.fingerprint)
    signature = packets.encode(packets.SIGNATURE, named)
    with tempfile.TemporaryDirectory(prefix="goferry-") as folder:
        for name, data in (("keyring", certificate.reduced_to(key)), ("signature", signature), ("message", message)):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
        status = _run(program, folder)
    return judge(status, certificate.primary.fingerprint, key.fingerprint)


def _run(program: str, folder: str) -> list[list[str]]:
    # A home of its own and no variables, so that nothing which the user set up takes part.
    argv = [program, "--status-fd", "1", "--homedir", folder, "--keyring", os.path.join(folder, "keyring")]
    argv += ["--weak-digest", "SHA1", os.path.join(folder, "signature"), os.path.join(folder, "message")]
    environ = {"PATH": os.defpath, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            argv,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        # A tool that can't be run can't tell; that is not a verdict.
        raise Unsupported from None
    # Not by splitlines, which also splits at characters that a user id may have.
    lines = done.stdout.decode("utf-8", "replace").split("\n")
    return [line.split(" ")[1:] for line in lines if line.startswith("[GNUPG:] ")]


def judge(status: list[list[str]], primary: str, key: str) -> bool:
    """Decide from gpgv's status lines whether `key` made one good signature.

    Args:
        status: each line's words without their prefix.
        primary: the fingerprint of the pinned certificate.
        key: the fingerprint of the one of its keys that was judged.

    Raises:
        Unsupported: when gpgv knows the algorithm, the curve or the key not. Refusal: for any verdict but a good one.
    """
    words = [line[0] for line in status if line]
    for line in status:
        # One of these counts whatever else is reported beside it.
        if line and line[0] in _BAD:
            raise _BAD[line[0]](f"gpgv reports {line[0]} for a signature of key {key}")
    errors = [line for line in status if line and line[0] == "ERRSIG"]
    if errors:
        # ERRSIG <key id> <public-key algorithm> <digest> <class> <time> <reason>
        if len(errors) == 1 and len(errors[0]) > 6 and errors[0][6] in _UNSUPPORTED:
            raise Unsupported
        raise SignatureWrong(f"gpgv could not check the signature of key {key}")
    valid = [line for line in status if line and line[0] == "VALIDSIG"]
    if words.count("NEWSIG") > 1 or words.count("GOODSIG") != 1 or len(valid) != 1:
        raise SignatureWrong(f"gpgv does not report exactly one good signature of key {key}")
    # VALIDSIG <fingerprint of the signing key> … <class> <fingerprint of the primary key>
    if len(valid[0]) < 11 or (valid[0][1], valid[0][9], valid[0][10]) != (key, "00", primary):
        raise SignatureWrong(f"gpgv reports a signature of another key than {key}")
    return True
