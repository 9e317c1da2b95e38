"""Verification on the client: the kernel's, with the best OpenPGP verifier that this machine has."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from goferry.config.settings import Settings
from goferry.kernel import gpgv, openpgp
from goferry.kernel.certificate import Verifier
from goferry.kernel.trustfile import TrustFile
from goferry.kernel.verify import Verified, verify
from goferry.observe.events import Stream
from goferry.trust import sequoia


def openpgp_verifier(settings: Settings) -> Verifier:
    """Return gpgv where the machine has it, else pysequoia where it is installed, else pure Python."""
    program = shutil.which("gpgv", path=settings.environ.get("PATH", ""))
    found = gpgv.find(program) if program else None
    return found or (sequoia.verify if sequoia.available() else openpgp.pure)


def check_release(
    folder: Path,
    trust: TrustFile,
    *,
    settings: Settings,
    stream: Stream,
    project: str = "",
    only: str = "",
    now: int | None = None,
) -> Verified:
    """Judge a sealed folder; see kernel.verify.verify.

    Raises:
        Refusal: one of kernel.refusals.
    """
    with stream.span("verify", target=only) as span:
        verified = verify(
            folder,
            trust,
            openpgp=openpgp_verifier(settings),
            project=project,
            now=int(time.time()) if now is None else now,
            only=only,
        )
        span.numbers["files"] = len(verified.files)
        span.numbers["digest"] = verified.digest
        for name in verified.unchecked:
            span.note(f"{name} was not checked: the trust file has no key for it", level="warning")
    return verified
