"""`actions/sign`: the manifest, the list, the signatures, and the proof that a stranger would accept them."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping

from goferry.actions import shared
from goferry.artifacts import tarball
from goferry.config.context import Context
from goferry.config.load import load
from goferry.kernel.digits import number
from goferry.kernel.manifest import SIGNATURES
from goferry.observe import summary
from goferry.observe.record import Run, Trust
from goferry.pipeline.run_summary import signers as signers_of
from goferry.runner.errors import InputInvalid
from goferry.runner.job import Job
from goferry.trust import seal


def run(job: Job) -> Mapping[str, object]:
    """Seal the folder, or sign a sealed one again."""
    if job.inputs.boolean("check"):
        return _check(job)
    sequence = _sequence(job)
    directory = shared.directory(job)
    dist = shared.folder(job)
    now = int(time.time())
    signers = shared.signers(job)
    with contextlib.ExitStack() as handing:
        handing.callback(job.give, dist, dist.parent / ".goferry")
        if job.inputs.boolean("dry-run"):
            job.say(*seal.plan(dist, signers, now=now, sequence=sequence))
            return {"dist": job.relative(dist), **dict.fromkeys(("digest", "sequence", "version", "archive"), "")}
        formats = list(load(directory).project.sign.formats)
        with job.stream() as stream:
            sealed = seal.seal(
                Context(job.settings, stream), dist, signers, now=now, sequence=sequence, formats=formats
            )
    made = sealed.manifest
    archive = ""
    if job.inputs.boolean("archive"):
        tar = tarball.pack(dist, dist.with_name(dist.name + ".tar"))
        job.give(tar)
        archive = job.relative(tar)
    title = f"{made.project} {made.version} is sealed: {len(made.files)} files"
    job.summary(summary.render(Run(sentence=title, trust=Trust(signers=signers_of(signers)))))
    job.say(f"sealed {made.project} {made.version}, sequence {made.sequence}", f"digest {made.digest}")
    return {
        "version": made.version,
        "digest": made.digest,
        "sequence": made.sequence,
        "signatures": list(sealed.signatures),
        "dist": job.relative(dist),
        "archive": archive,
    }


def _check(job: Job) -> dict[str, object]:
    """Prove that the keys of the step can sign, before anything is built for them."""
    signers = shared.signers(job)
    seal.check_formats(signers, _formats(job.inputs.text("formats")))
    for signer in signers:
        signer.sign(b"goferry\n", int(time.time()))
    job.say(*(f"{signer.format} {signer.id} can sign" for signer in signers))
    return dict.fromkeys(("version", "digest", "sequence", "signatures", "dist", "archive"), "")


def _formats(text: str) -> list[str]:
    """Read `openpgp, minisign` or `["openpgp", "minisign"]`."""
    found = [word for word in re.split(r"[\s,\[\]\"]+", text) if word]
    if odd := sorted(set(found) - set(SIGNATURES)):
        raise InputInvalid(f"the input formats names {odd[0]!r}", advice=[f"one of  {', '.join(SIGNATURES)}"])
    return found


def _sequence(job: Job) -> int:
    text = job.inputs.text("sequence")
    if not text:
        return 0
    found = number(text) or 0
    if not 0 < found < 2**53:
        raise InputInvalid(f"the input sequence is {text!r}", advice=["write a number from 1 to 9007199254740991"])
    return found
