"""`actions/inspect`: what Goferry sees, and what this push means."""

from __future__ import annotations

from collections.abc import Mapping

from goferry.actions import shared
from goferry.pipeline import inspection, push
from goferry.runner.errors import InputInvalid
from goferry.runner.job import Job


def run(job: Job) -> Mapping[str, object]:
    """Look at the repository; nothing in it changes.

    Raises:
        InputInvalid: `shards` is not a number.
    """
    wanted = job.inputs.text("shards")
    job.inputs.boolean("dry-run")  # it changes nothing either way, but a wrong value is wrong here too
    with job.stream() as stream:
        opened = shared.opened(job, stream=stream)
        found = inspection.beside(opened, job.settings)
    facts = opened.facts
    means = shared.meaning(job, opened)
    with job.group(f"{facts.project} {facts.version}: {means}"):
        job.say(*inspection.lines(opened, found))
    try:
        parts = push.shards(len(facts.targets), wanted)
    except ValueError:
        raise InputInvalid(f"the input shards is {wanted!r}", advice=["write a number from 1 to 64"]) from None
    record = inspection.record(opened, found)
    return {
        "project": facts.project,
        "version": facts.version,
        "commit": facts.commit,
        "snapshot": facts.snapshot,
        "push": means,
        "tag": record.tag,
        "formats": list(opened.config.sign.formats),
        "targets": list(record.targets),
        "shards": parts,
        "services": sorted(record.services),
    }
