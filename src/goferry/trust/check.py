"""Verification on the client: the kernel's, and what this machine has for OpenPGP keys that the kernel can't check."""

from __future__ import annotations

import time
from pathlib import Path

from goferry.artifacts import given
from goferry.config.settings import Settings
from goferry.kernel.trustfile import TrustFile
from goferry.kernel.verify import Verified, verify
from goferry.observe.events import Stream
from goferry.system import openpgp


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
    given.refuse_absent(folder)
    with stream.span("verify", target=only) as span:
        verified = verify(
            folder,
            trust,
            openpgp=openpgp.tools(settings.environ.get("PATH", "")),
            project=project,
            now=int(time.time()) if now is None else now,
            only=only,
        )
        span.numbers["files"] = len(verified.files)
        span.numbers["digest"] = verified.digest
        for name in verified.unchecked:
            span.note(f"{name} was not checked: the trust file has no key for it", level="warning")
    return verified
