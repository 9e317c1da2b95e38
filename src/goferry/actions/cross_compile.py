"""`actions/cross-compile`: test, then compile for every target; or join what a matrix compiled.

A release is compiled first and tested then, so that no test's code can touch what it is compiled from.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct, to_builtins

from goferry.actions import shared
from goferry.artifacts import Ledger, tarball
from goferry.config.context import Context
from goferry.gobuild import folder, gate, merge
from goferry.gobuild.shard import Shard
from goferry.observe import summary
from goferry.observe.record import RunArtifact
from goferry.pipeline import build
from goferry.pipeline.run_summary import of_build
from goferry.runner.job import Job


class _Made(Struct, frozen=True):
    """The outputs; of a dry run no artifacts, and `snapshot` is empty where nobody knows."""

    version: str
    commit: str
    snapshot: bool | str
    artifacts: Sequence[RunArtifact] = ()


def run(job: Job) -> Mapping[str, object]:
    """Build into `out`, or join the tars of the folder that `merge` names."""
    directory = shared.directory(job)
    out = (directory / job.inputs.text("out", "dist")).absolute()
    made = _merge(job, out) if job.inputs.text("merge") else _build(job, out)
    archive = ""
    if job.inputs.boolean("archive") and not job.inputs.boolean("dry-run"):
        archive = job.relative(tarball.pack(out, out.with_name(out.name + ".tar")))
    return {
        "version": made.version,
        "commit": made.commit,
        "snapshot": made.snapshot,
        "dist": job.relative(out),
        "archive": archive,
        "artifacts": to_builtins(made.artifacts),
    }


def _build(job: Job, out: Path) -> _Made:
    settings, shard = job.settings, job.inputs.text("shard")
    part = Shard.parse(shard) if shard else None
    test, dry_run = job.inputs.boolean("test", default=True), job.inputs.boolean("dry-run")
    fresh = job.inputs.boolean("fresh")
    with job.stream() as stream:
        opened = shared.opened(job, stream=stream, out=out)
        shared.meaning(job, opened)
        planned = build.planned(opened, out=out, shard=part)
        if dry_run:
            job.say(*build.lines(planned))
            facts = opened.facts
            return _Made(facts.version, facts.commit, facts.snapshot)
        ctx = Context(settings, stream)
        tests = partial(gate.test, ctx, opened.facts, opened.config, opened.toolchain, fresh=fresh)
        tested = tests() if test and not build.held(opened, settings) else None
        ledger = build.run(ctx, planned)
        if test and build.held(opened, settings):
            with folder.on_trial(out, ledger):
                tested = tests()
    job.summary(summary.render(of_build(ledger, shard, tested), job.events))
    return _made(ledger, out)


def _made(ledger: Ledger, out: Path) -> _Made:
    built = build.record(ledger, out)
    return _Made(built.version, built.commit, built.snapshot, built.artifacts)


def _merge(job: Job, out: Path) -> _Made:
    source = job.inputs.path("merge")
    tars = sorted(source.rglob("*.tar")) if source.is_dir() else []
    if not tars:
        raise tarball.ParcelMissing(
            f"there is no tar in {job.relative(source)}",
            state="Nothing was joined.",
            advice=["each job of the matrix needs  archive: true  and hands its tar on as an artifact"],
        )
    base = job.temp / "goferry"
    base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shards-", dir=base) as folder, job.stream() as stream:
        parts = [tarball.unpack(tar, Path(folder) / str(number)) for number, tar in enumerate(tars)]
        with stream.span("merge"):
            if job.inputs.boolean("dry-run"):
                names = merge.check(parts)
                job.say(*names)
                return _Made("", "", "")
            ledger = merge.merge(parts, out)
    return _made(ledger, out)
