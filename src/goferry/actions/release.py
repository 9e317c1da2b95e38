"""`actions/release`: a sealed folder as a GitHub release."""

from __future__ import annotations

from collections.abc import Mapping

from goferry import release
from goferry.actions import shared
from goferry.config.context import Context
from goferry.observe import summary
from goferry.observe.record import Run
from goferry.runner.errors import InputInvalid
from goferry.runner.job import Job

_PRERELEASE = {"auto": None, "": None, "true": True, "false": False}


def run(job: Job) -> Mapping[str, object]:
    """Fill the draft, download it again, verify, and publish it once.

    Raises:
        InputInvalid: `prerelease` is neither auto nor a boolean.
    """
    pre = job.inputs.text("prerelease", "auto")
    if pre not in _PRERELEASE:
        raise InputInvalid(f"the input prerelease is {pre!r}", advice=["write auto, true or false"])
    dry_run = job.inputs.boolean("dry-run")
    if job.inputs.boolean("check"):
        return _check(job)
    with job.stream() as stream:
        record = release.publish(
            Context(job.settings, stream),
            shared.folder(job),
            github=shared.github(job),
            tag=job.inputs.text("tag"),
            draft=job.inputs.boolean("draft"),
            prerelease=_PRERELEASE[pre],
            trust=shared.trust_file(job),
            dry_run=dry_run,
        )
    if dry_run:
        job.say(*(record.steps or ["nothing to do: published already, with the same bytes"]))
    else:
        state = "is published already" if record.unchanged else "is published" if record.published else "is a draft"
        job.say(f"{record.tag} {state}: {record.url}", f"release {record.release}")
        job.summary(summary.render(Run(sentence=f"{record.tag} {state}", release=record.release), job.events))
    return {"release": record.release, "tag": record.tag, "url": record.url, "digest": record.digest}


def _check(job: Job) -> dict[str, object]:
    """Look whether GitHub would still take the release of the tag."""
    tag = job.inputs.text("tag")
    if not tag:
        raise InputInvalid("the input check wants a tag", advice=["name it:  with: {check: true, tag: v1.4.0}"])
    shared.refuse_closed(job, tag)
    job.say(f"the release of {tag} can be made, or is there")
    return {"tag": tag, **dict.fromkeys(("release", "url", "digest"), "")}
