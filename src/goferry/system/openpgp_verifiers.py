"""The client's other OpenPGP verifiers, asked in order about keys that the kernel can't check itself (kernel.openpgp).

One choice for everything on a client: what `goferry release` accepts, `goferry verify` accepts too.
"""

from __future__ import annotations

import shutil

from goferry.kernel import gpgv, pgp_signature
from goferry.kernel.certificate import Certificate, CertificateKey, Verifier
from goferry.kernel.packets import split
from goferry.kernel.pgp_signature import Unsupported

_CURVES = ("NIST P-256", "NIST P-384", "NIST P-521")


def tools(path: str) -> tuple[Verifier, ...]:
    """Return gpgv when it is on `path` (folders, as PATH has them), then pysequoia when it is installed."""
    program = shutil.which("gpgv", path=path)
    found = gpgv.find(program) if program else None
    return (*([found] if found else []), *([by_sequoia] if sequoia_available() else []))


def sequoia_available() -> bool:
    """Whether pysequoia is installed."""
    import importlib.util

    return importlib.util.find_spec("pysequoia") is not None


def by_sequoia(certificate: Certificate, key: CertificateKey, message: bytes, packet: bytes) -> bool:
    """Check a signature with pysequoia (a kernel.certificate `Verifier`).

    It says the same of a signature that does not match, of a curve that it does not know, and of a key that was not
    certified yet when it signed (its statement was renewed since). So it is asked only where a no means the first.

    Raises:
        Unsupported: otherwise.
    """
    import pysequoia

    signature = pgp_signature.parse(next(split(packet))[1])
    involved = (certificate.primary, key)
    renewed = any(certificate.key_status(part).since > signature.created for part in involved)
    if renewed or not {part.curve for part in involved} <= {*_CURVES, ""}:
        raise Unsupported

    def store(_ids: list[str]) -> list[object]:
        return [pysequoia.Cert.from_bytes(certificate.reduced_to(key))]

    try:
        result = pysequoia.verify(message, store, signature=pysequoia.Sig.from_bytes(packet))
    except Exception:  # noqa: BLE001  the library raises one kind for everything; none of it is a good signature
        return False
    signers = {(found.certificate.upper(), found.signing_key.upper()) for found in result.valid_sigs}
    return signers == {(certificate.primary.fingerprint, key.fingerprint)}
