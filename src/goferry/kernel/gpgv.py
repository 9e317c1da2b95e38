"""gpgv as a verifier: run on private copies, judged by its status lines and never by its exit code.

gpgv exits 0 for revoked and for expired keys, for SHA-1 and for an inline message; so one good signature, made by the
pinned certificate and without any other verdict, is demanded in the lines of `--status-fd` (GnuPG, doc/DETAILS).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from typing import Dict, List, Optional, Type

from goferry.kernel.certificate import Certificate, Verifier
from goferry.kernel.pgp_signature import Unsupported
from goferry.kernel.refusals import (
    KeyExpired,
    KeyRevoked,
    KeyUnknown,
    Refusal,
    SignatureExpired,
    SignatureMalformed,
    SignatureNotDetached,
    SignatureWrong,
)

TIMEOUT = 30.0
"""Seconds that one run may take."""

_BAD: Dict[str, Type[Refusal]] = {
    "BADSIG": SignatureWrong,
    "REVKEYSIG": KeyRevoked,
    "KEYREVOKED": KeyRevoked,
    "EXPKEYSIG": KeyExpired,
    "KEYEXPIRED": KeyExpired,
    "EXPSIG": SignatureExpired,
    "NO_PUBKEY": KeyUnknown,
    "PLAINTEXT": SignatureNotDetached,
    "NODATA": SignatureMalformed,
    "UNEXPECTED": SignatureMalformed,
}
_UNSUPPORTED_ALGORITHM = ("4", "5")  # GPG_ERR_PUBKEY_ALGO and GPG_ERR_DIGEST_ALGO as ERRSIG's reason


def find(path: str = "") -> Optional[Verifier]:
    """Return a verifier that runs gpgv (the one at `path`, else the first on PATH), or None when there is none."""
    program = path or shutil.which("gpgv")
    if not program:
        return None

    def verify(certificate: Certificate, message: bytes, packet: bytes) -> bool:
        return _matches(program, certificate, message, packet)

    return verify


def _matches(program: str, certificate: Certificate, message: bytes, packet: bytes) -> bool:
    with tempfile.TemporaryDirectory(prefix="goferry-") as folder:
        for name, data in (("keyring", certificate.binary), ("signature", packet), ("message", message)):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
        status = _run(program, folder)
    return judge(status, certificate.primary.fingerprint)


def _run(program: str, folder: str) -> List[List[str]]:
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
        raise Unsupported from None
    lines = done.stdout.decode("utf-8", "replace").split("\n")
    return [line.split(" ")[1:] for line in lines if line.startswith("[GNUPG:] ")]


def judge(status: List[List[str]], fingerprint: str) -> bool:
    """Decide from gpgv's status lines (split into words) whether the pinned certificate made one good signature.

    Raises:
        Unsupported: when gpgv does not know the algorithm. Refusal: for any verdict but a good one.
    """
    words = [line[0] for line in status if line]
    for line in status:
        if line and line[0] in _BAD:
            raise _BAD[line[0]]("gpgv reports %s for a signature of key %s" % (line[0], fingerprint))
    errors = [line for line in status if line and line[0] == "ERRSIG"]
    if errors:
        if len(errors[0]) > 6 and errors[0][6] in _UNSUPPORTED_ALGORITHM:
            raise Unsupported
        raise SignatureWrong("gpgv could not check the signature of key %s" % fingerprint)
    valid = [line for line in status if line and line[0] == "VALIDSIG"]
    if words.count("NEWSIG") > 1 or words.count("GOODSIG") != 1 or len(valid) != 1:
        raise SignatureWrong("gpgv does not report exactly one good signature of key %s" % fingerprint)
    if len(valid[0]) < 11 or valid[0][10] != fingerprint or valid[0][9] != "00":
        raise KeyUnknown("gpgv reports a signature of another key than %s" % fingerprint)
    return True
