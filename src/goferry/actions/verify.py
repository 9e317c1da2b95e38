"""`actions/verify`: a sealed release against a trust file."""

from __future__ import annotations

from collections.abc import Mapping

from goferry.actions import shared
from goferry.config.context import Context
from goferry.kernel import trustfile
from goferry.observe import summary
from goferry.observe.record import Run, Trust
from goferry.pipeline.run_summary import signers
from goferry.runner.job import Job
from goferry.trust.verification import check_release


def run(job: Job) -> Mapping[str, object]:
    """Check signatures, list, manifest and every file; writes nothing but a download."""
    keys = trustfile.load(shared.trust_file(job))
    with job.stream() as stream:
        if job.inputs.boolean("dry-run"):
            job.say("would check signatures, list, manifest and every file, and write nothing")
            return dict.fromkeys(("version", "digest", "sequence", "signers", "dist"), "")
        dist = shared.release_folder(job, stream=stream)
        verified = check_release(
            Context(job.settings, stream), dist, keys, project=job.inputs.text("project"), only=job.inputs.text("only")
        )
    made = verified.manifest
    for name in verified.unchecked:
        job.warning(f"{name} could not be judged here and does not count", title="signature-unchecked")
    what = f"{made.project} {made.version}" if made else job.inputs.text("only")
    title = f"{what} is good: {len(verified.files)} files checked"
    job.summary(summary.render(Run(sentence=title, trust=Trust(signers=signers(verified.signers)))))
    job.say(title)
    return {
        "version": made.version if made else "",
        "digest": verified.digest,
        "sequence": made.sequence if made else "",
        "signers": [signer.id for signer in verified.signers],
        "dist": job.relative(dist),
    }
