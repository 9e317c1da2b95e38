"""`actions/build-image`: an OCI image of every Linux platform, without Docker."""

from __future__ import annotations

from collections.abc import Mapping

from goferry import image
from goferry.actions import shared
from goferry.artifacts import Ledger
from goferry.config.load import load_for
from goferry.observe import summary
from goferry.observe.record import Run, RunImage
from goferry.runner.job import Job


def run(job: Job) -> Mapping[str, object]:
    """Write the image into `dist` and list it there; a project without an image gets a message and is not a failure."""
    from goferry.image.errors import ImageMainUnclear

    directory = shared.directory(job)
    dist = shared.folder(job)
    ledger, main = Ledger.load(dist), job.inputs.text("main")
    config = load_for(directory, ledger.project).project
    try:
        plan = image.plan(ledger, config, main=main)
    except ImageMainUnclear as error:
        if main or config.image.main:
            raise
        job.notice(f"No image is made: {error.what}", title="no-image")
        return {"image": "", "digest": "", "file": ""}
    file = job.relative(dist / plan.file)
    if job.inputs.boolean("dry-run"):
        job.say(f"{plan.reference} in {file}", *(f"  {platform}" for platform in plan.platforms))
        return {"image": plan.reference, "digest": "", "file": file}
    with job.stream() as stream:
        made = image.write(plan, dist, ledger, stream)
    digest = made.meta["digest"]
    run_image = RunImage(name=plan.reference, digest=digest, platforms=tuple(made.meta["manifests"]))
    job.summary(summary.render(Run(sentence=f"The image {plan.reference} is made", images=(run_image,))))
    job.say(f"{plan.reference}  {digest}")
    return {"image": plan.reference, "digest": digest, "file": file}
