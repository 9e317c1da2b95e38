"""Verification on the client: the kernel's, and what this machine has for OpenPGP keys that the kernel can't check."""

from __future__ import annotations

import time
from pathlib import Path

from goferry.artifacts import given
from goferry.config.context import Context
from goferry.kernel.trustfile import TrustFile
from goferry.kernel.verify import Verified, verify
from goferry.system import openpgp_verifiers


def check_release(
    ctx: Context,
    folder: Path,
    trust: TrustFile,
    *,
    project: str = "",
    only: str = "",
    now: int | None = None,
) -> Verified:
    """Judge a sealed folder; see kernel.verify.verify.

    Raises:
        Refusal: one of kernel.refusals.
    """
    given.refuse_absent(folder)
    with ctx.stream.span("verify", target=only) as span:
        verified = verify(
            folder,
            trust,
            openpgp=openpgp_verifiers.tools(ctx.settings.environ.get("PATH", "")),
            project=project,
            now=int(time.time()) if now is None else now,
            only=only,
        )
        span.numbers["files"] = len(verified.files)
        span.numbers["digest"] = verified.digest
        for name in verified.unchecked:
            span.note(f"{name} was not checked: the trust file has no key for it", level="warning")
    return verified
