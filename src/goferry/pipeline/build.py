"""The build as one piece of work: open the project, plan, run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct

from goferry import golang
from goferry.artifacts import Compiled, Ledger, Uncommitted, given
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.gobuild import build_cache, build_plan, environment, executor, folder, resources, uncommitted
from goferry.gobuild.facts import own_folders
from goferry.gobuild.shard import Shard
from goferry.golang import modules
from goferry.observe.record import RunArtifact
from goferry.pipeline.project import OpenProject, ProjectRequest, default_out, open_project


class BuildJob(Struct, frozen=True):
    """A planned build: the project, the plan, and the folder that it writes."""

    project: OpenProject
    plan: build_plan.BuildPlan
    out: Path


class Built(Struct, frozen=True):
    """A finished build; its fields are the keys of what `--json` prints, and most are those of the ledger.

    Attributes:
        out: the folder that was written. services: their names.
    """

    out: str
    project: str
    module: str
    version: str
    commit: str
    date: str
    dirty: bool
    snapshot: bool
    uncommitted: tuple[Uncommitted, ...]
    shards: Sequence[str]
    toolchain: Mapping[str, object]
    compiled: tuple[Compiled, ...]
    services: Sequence[str]
    artifacts: tuple[RunArtifact, ...]


def prepare(ctx: Context, request: ProjectRequest, *, shard: str = "") -> BuildJob:
    """Open the project and plan its build; writes nothing."""
    part = Shard.parse(shard) if shard else None
    return planned(open_project(ctx, request), out=request.out, shard=part)


def planned(opened: OpenProject, *, out: Path | None = None, shard: Shard | None = None, warm: str = "") -> BuildJob:
    """Plan the build of an open project into `out`; `warm` as in `gobuild.build_plan.plan`.

    Raises:
        DistSealed, DistForeign: the folder is not ours to write.
    """
    where = (out or default_out(opened.directory)).absolute()
    folder.ours(where)
    steps = build_plan.plan(opened.facts, opened.config, resources.read(), shard=shard, warm=warm)
    return BuildJob(opened, steps, where)


def run(ctx: Context, job: BuildJob, *, earlier: Sequence[folder.EarlierBuild] = ()) -> Ledger:
    """Run a planned build and return its ledger; `earlier` as in `gobuild.executor.build`.

    Before a release in CI the modules and the toolchain are held to their hashes: Go trusts its module cache, and both
    may have been written to by earlier jobs of the machine.

    Raises:
        ModulesModified, ToolchainModified: they are not what was proven. And what `gobuild.executor.build` raises.
    """
    opened = job.project
    if held(opened, ctx.settings):
        modules.verify(ctx, opened.toolchain, opened.directory, opened.config.builds.env)
        golang.hold(ctx, opened.toolchain)
    beside = partial(_beside, job, ctx.settings)
    where = job.plan, job.project.toolchain, job.out
    return executor.build(ctx, *where, earlier=earlier, beside=beside, environ=job.project.facts.environ)


def held(opened: OpenProject, settings: Settings) -> bool:
    """Whether `run` holds modules and toolchain to their hashes: for a release, in CI."""
    return build_cache.strict(settings.environ, snapshot=opened.facts.snapshot)


def beside(
    opened: OpenProject, out: Path, settings: Settings, more: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Return path → SHA-256 of what a build into `out` reads and the commit lacks; `more`: variables for go.

    Raises:
        GitFailed, GoFailed, and those of artifacts.fetching: when one of them can't tell.
    """
    facts = opened.facts
    if facts.index is None:
        return {}
    environ = facts.environ or environment.clean(settings.environ, opened.toolchain, facts.directory)
    asked = facts.index, facts, opened.config.builds, opened.toolchain, {**environ, **more}
    compiled = uncommitted.compiled(*asked, without=own_folders(facts.directory, out))
    return {**compiled, **uncommitted.packed(facts.index, facts, opened.config.builds, opened.file)}


def _beside(job: BuildJob, settings: Settings, before: Ledger | None, more: Mapping[str, str]) -> dict[str, str]:
    """Return path → SHA-256 of what is built and not in the commit; Go is asked where it found something to do."""
    opened, facts = job.project, job.project.facts
    if facts.index is None:
        return {}
    now = uncommitted.packed(facts.index, facts, opened.config.builds, opened.file)
    if before and before.commit == facts.commit and not facts.dirty:
        kept = uncommitted.kept(facts.index, before, now)
        if kept is not None:
            return {**kept, **now}
    return beside(opened, job.out, settings, more)


def record(ledger: Ledger, out: Path) -> Built:
    """Return what a finished build came to."""
    return Built(
        out=str(out),
        project=ledger.project,
        module=ledger.module,
        version=ledger.version,
        commit=ledger.commit,
        date=ledger.date,
        dirty=ledger.dirty,
        snapshot=ledger.snapshot,
        uncommitted=ledger.uncommitted,
        shards=ledger.shards,
        toolchain=ledger.toolchain,
        compiled=ledger.compiled,
        services=sorted(ledger.services),
        artifacts=tuple(
            RunArtifact(name=one.name, kind=one.kind, target=one.target, size=one.size, sha256=one.sha256)
            for one in ledger.artifacts.values()
        ),
    )


def lines(job: BuildJob) -> list[str]:
    """Return a plan for a person: a line a step, with its command."""
    shown = [f"{job.plan.header['project']} {job.plan.header['version']} into {given.typed(job.out)}"]
    for step in job.plan.steps:
        shown.append(f"  {step.id}")
        if step.argv:
            words = [*(f"{key}={value}" for key, value in sorted(step.env.items())), *step.argv]
            shown.append(f"      {shlex.join(words)}")
        else:
            shown.append(f"      {step.writes[0]} from {', '.join(step.reads)}")
    return shown
