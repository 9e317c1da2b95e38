"""The root action: the whole way in one step, as far as keys, tags and hosts are given."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

from goferry.actions import service, shared
from goferry.config.context import Context
from goferry.deploy import serving
from goferry.gobuild import gate
from goferry.gobuild.trigger import Trigger
from goferry.observe import summary
from goferry.observe.events import Stream
from goferry.pipeline import build, chain, image, push
from goferry.pipeline.project import OpenProject
from goferry.pipeline.run_summary import of_build, of_release
from goferry.pipeline.signing_keys import Keys
from goferry.runner.errors import InputInvalid
from goferry.runner.job import Job

_PUBLISH = ("auto", "true", "false")


def run(job: Job) -> Mapping[str, object]:
    """Set up, test, build, image; with a key seal; on tags publish; with hosts deploy.

    Raises:
        InputInvalid: `publish` is neither auto nor a boolean.
        SecretMissing: something is asked for that needs a key, and there is none.
    """
    publish = job.inputs.text("publish", "auto")
    if publish not in _PUBLISH:
        raise InputInvalid(f"the input publish is {publish!r}", advice=["write auto, true or false"])
    deploys = bool(job.inputs.text("hosts") or job.inputs.text("environment"))
    with job.stream() as stream, _untouched(job, deploys=deploys):
        opened = shared.opened(job, stream=stream)
        found = opened.facts
        means = shared.meaning(job, opened)
        outputs = {"version": found.version, "snapshot": found.snapshot, "push": means}
        outputs |= dict.fromkeys(("dist", "digest", "release", "outcome"), "")
        none = image.why_none(opened) if job.inputs.boolean("image", default=True) else ""
        if none:
            job.notice(f"No image is made: {none}", title="no-image")
        keyed = bool(job.secret("GOFERRY_SIGNING_KEY") or job.secret("GOFERRY_MINISIGN_KEY"))
        asked = keyed or deploys or publish == "true" or (publish == "auto" and means == push.RELEASE)
        if means == push.PULL_REQUEST or not asked or job.inputs.boolean("dry-run"):
            return {**outputs, "dist": _unsealed(job, opened, stream, means=means, keyed=keyed)}
        if deploys:
            job.required_secret("GOFERRY_DEPLOY_KEY", "to reach the hosts")
        publishes = publish == "true" or (publish == "auto" and means == push.RELEASE)
        release = _sealed(job, stream, tag=found.tag if publishes else "", fresh=deploys)
        outputs |= {"dist": job.relative(release.folder), "digest": release.verified.digest}
        if publishes:
            outputs |= {"release": _published(job, release.folder, stream)}
    if deploys:
        outputs |= {"outcome": _deployed(job, release.folder)}
    return outputs


def _untouched(job: Job, *, deploys: bool) -> contextlib.AbstractContextManager[None]:
    """Have what ends the block say that no host was changed, where the push is one that deploys."""
    writes = Trigger.from_environ(job.environ).writes
    return serving.untouched() if deploys and writes else contextlib.nullcontext()


def _unsealed(job: Job, opened: OpenProject, stream: Stream, *, means: str, keyed: bool) -> str:
    """Build without a seal: of a pull request, of a dry run, or for want of a key; return the folder."""
    planned = build.planned(opened)
    job.say(f"{opened.facts.project} {opened.facts.version}: {means}", *build.lines(planned))
    if job.inputs.boolean("dry-run"):
        return ""
    tested = None
    if job.inputs.boolean("test", default=True):
        tested = gate.test(Context(job.settings, stream), opened.facts, opened.config, opened.toolchain)
    ledger = build.run(Context(job.settings, stream), planned)
    if job.inputs.boolean("image", default=True) and image.wanted(opened):
        ledger = image.make(opened, planned.out, stream)
    if not keyed and means != push.PULL_REQUEST:
        job.notice("No GOFERRY_SIGNING_KEY was given, so this build is not signed and nothing takes it.", "not-sealed")
    job.summary(summary.render(of_build(ledger, tested=tested), job.events))
    return job.relative(planned.out)


def _sealed(job: Job, stream: Stream, *, tag: str, fresh: bool) -> chain.SealedRelease:
    """Build and seal; the keys are read first and lie nowhere while the repository's tests and tools run.

    With `tag`, of a release that will be published, GitHub is asked before whether it still takes that. With `fresh`
    every test runs.
    """
    settings, keys = job.settings, Keys(None, None, shared.trust_file(job), signers=tuple(shared.signers(job)))
    if tag:
        shared.refuse_closed(job, tag)
    request = chain.RunOptions(
        shared.request(job),
        keys,
        test=job.inputs.boolean("test", default=True),
        image=job.inputs.boolean("image", default=True),
        fresh=fresh,
    )
    began = time.monotonic()
    release = chain.run(Context(settings, stream), request, chain.open_run(Context(settings, stream), request))
    summed_up = of_release(release, trust=keys.trust, seconds=time.monotonic() - began)
    job.summary(summary.render(summed_up, job.events))
    return release


def _published(job: Job, dist: Path, stream: Stream) -> str:
    from goferry import release

    record = release.publish(
        Context(job.settings, stream), dist, github=shared.github(job), trust=shared.trust_file(job)
    )
    job.say(f"{record.tag} is published: {record.url}", f"release {record.release}")
    return record.release


def _deployed(job: Job, dist: Path) -> str:
    from goferry import deploy

    with service.place(job) as where, job.stream() as stream, service.reporting(job):
        record = deploy.deploy(
            dist,
            where.target,
            settings=job.settings,
            stream=stream,
            accepts=where.accepts,
            uncommitted=where.uncommitted,
        )
        trend = service.trend(job, where, record)
    return str(service.outputs(job, record, trend=trend)["outcome"])
