"""The executor: runs a plan's steps and leaves a whole DIST, or the one that was there before.

What is unchanged is Go's to say, which knows everything that it reads: every build asks `go build` for every target,
with the programs of the build before at the place where it writes. It leaves a program alone whose inputs are the same
(cmd/go's action ID, which the program carries), and what comes after it is left out where its own inputs are the same.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from goferry.artifacts import Artifact, Ledger, Toolchain, Uncommitted
from goferry.caches.warm import Warm, Working
from goferry.config.context import Context
from goferry.gobuild import _archives as archives, _schedule as schedule, environment, folder, stamp
from goferry.gobuild._compiler import Compiler
from goferry.gobuild.build_cache import BuildCache
from goferry.gobuild.build_plan import BuildPlan, BuildStep
from goferry.gobuild.folder import EarlierBuild
from goferry.kernel.errors import Failed
from goferry.observe.events import Span, Stream

KIND = "build"
"""What the build caches call this work."""


class OutputMissing(Failed):
    """A build succeeded, but a program that it should have made does not exist.

    Usual causes: a full file system, or another program that cleans it up.
    """

    name = "output-missing"


UNCHANGED = "unchanged"
Beside = Callable[[Ledger | None, Mapping[str, str]], Mapping[str, str]]


def build(
    ctx: Context,
    plan: BuildPlan,
    toolchain: Toolchain,
    out: Path,
    *,
    earlier: Sequence[EarlierBuild] = (),
    beside: Beside | None = None,
    environ: Mapping[str, str] | None = None,
) -> Ledger:
    """Run the plan and return the ledger of `out`, which is written when it says anything new.

    On any failure or interruption `out` is as it was before.

    Args:
        ctx: the surroundings, and who hears of every step.
        plan: what to do.
        toolchain: the go command.
        out: the folder of the result. What lies there of an earlier build is kept where it is unchanged.
        earlier: builds in other folders, whose programs and archives are taken over where they are unchanged. A release
            in CI takes over nothing, not even from `out` (gobuild.build_cache).
        beside: asked after the programs are made for path → SHA-256 of what went into them and is not in the commit; it
            hears the ledger of the earlier build when Go found all of its programs unchanged, and the variables with
            which go commands see what was compiled.
        environ: the clean environment (gobuild.environment), where the go command was asked for it already.

    Raises:
        DistSealed, DistForeign, DistBusy: the folder is not ours to write.
        CompileFailed, OutOfMemory, and those of artifacts.fetching: a target could not be built.
    """
    out = out.absolute()
    old = folder.present(out)
    ledger = Ledger(**plan.header, trace=ctx.stream.trace, toolchain=toolchain.as_record())
    with folder.work(out) as work, ctx.stream.span("build") as span:
        ground = BuildCache.choose(
            Warm(ctx.settings.cache, plan.directory), ctx.settings.environ, work, snapshot=ledger.snapshot
        )
        earlier_builds = [] if ground.strict else [*([EarlierBuild(out, old)] if old else []), *earlier]
        slots = list(plan.slots.values())
        ledger.compiled = ground.compiled(slots)
        environ = environ or environment.clean(ctx.settings.environ, toolchain, plan.directory)
        compiler = _seeing(plan, Compiler(toolchain, environ, plan.directory), work / "git", span)
        run = _Run(plan, out, work, compiler, earlier_builds, ground)
        schedule.run(plan.steps, plan.machine, lambda step: run.step(step, ctx.stream, span), run.compiler.stop)
        ground.keep(KIND, run.works)
        for artifact in run.artifacts.values():
            ledger.add(artifact)
        if beside is not None:
            listed = beside(run.unchanged_since(), ground.environ(slots))
            ledger.uncommitted = tuple(Uncommitted(path, digest) for path, digest in sorted(listed.items()))
            for line in ledger.uncommitted_lines():
                span.note(line)
        made = {path.name: path for path in (work / "files").iterdir()}
        if old is not None and not made and _same(old, ledger):
            span.skip(UNCHANGED)
            return old
        folder.replace(out, ledger, made, old)
        span.numbers.update(files=len(ledger.artifacts), bytes=sum(a.size for a in ledger.artifacts.values()))
    return ledger


def _seeing(plan: BuildPlan, compiler: Compiler, place: Path, span: Span) -> Compiler:
    """Return a compiler that sees the plan's stamp, or one that stamps nothing, with a note why."""
    if plan.stamp is None:
        return compiler
    try:
        seen = stamp.prepare(plan.stamp, place, compiler.environ)
    except stamp.StampImpossible as error:
        span.note(f"programs carry no commit and version: {error}", "warning")
        return replace(compiler, stamping=False)
    moved = seen.root / plan.directory.relative_to(plan.stamp.root)
    env = {**seen.env, "PWD": str(moved)}
    work = compiler.environ.get("GOWORK", "")
    if Path(work).is_relative_to(plan.stamp.root):
        env["GOWORK"] = str(seen.root / Path(work).relative_to(plan.stamp.root))
    return replace(compiler, environ={**compiler.environ, **env}, directory=moved)


class _Run(Struct):
    plan: BuildPlan
    out: Path
    work: Path
    compiler: Compiler
    earlier_builds: Sequence[EarlierBuild]
    ground: BuildCache
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    sources: list[EarlierBuild | None] = field(default_factory=list)
    works: list[Working] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ground.warm.forget(KIND)
        (self.work / "files").mkdir()

    def unchanged_since(self) -> Ledger | None:
        """Return the ledger of the earlier build that all programs come from, if there is one."""
        first = self.sources[0] if self.sources else None
        return first.ledger if first and all(each is first for each in self.sources) else None

    def step(self, step: BuildStep, stream: Stream, parent: Span) -> None:
        """Do one step in its own span."""
        with stream.span(step.kind, target=step.target, parent=parent) as span:
            if step.kind == "build":
                self._build(step, span)
            else:
                self._archive(step, span)
            made = [self.artifacts[name] for name in step.outputs]
            span.numbers.update(bytes=sum(artifact.size for artifact in made), files=len(made))

    def _build(self, step: BuildStep, span: Span) -> None:
        argv = [self._path(word) if word.startswith("DIST/") else word for word in step.argv]
        seeds = {source: self._seed(Path(self._path(source)), name) for source, name in step.files.items()}
        with self.ground.working(self.plan.slots[step.target], step.id) as working:
            self.compiler.build(argv, {**step.env, **working.environ}, span)
        self.works.append(working)
        fresh = 0
        for source, name in step.files.items():
            path, seed = Path(self._path(source)), seeds[source]
            if not path.is_file():
                raise OutputMissing(f"go build did not write {source}", state="DIST is as it was before.")
            path.chmod(0o755)
            kept = seed is not None and path.stat().st_ino == seed.inode
            self.sources.append(seed.earlier if seed and kept else None)
            if seed and kept:
                self._keep(seed.earlier, path, name, step.outputs[name])
                continue
            fresh += 1
            os.link(path, self.work / "files" / name)
            self._note(name, step.outputs[name])
        working.whole = fresh == len(step.files)
        if not fresh:
            span.skip(UNCHANGED)

    def _seed(self, path: Path, name: str) -> _Seed | None:
        """Put the program of an earlier build where go writes: go leaves it alone when nothing that decides it changed.

        A copy and not a link: what stands is not touched, not even its times.
        """
        earlier = next((each for each in self.earlier_builds if name in each.ledger.artifacts), None)
        if earlier is None:
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(earlier.folder / name, path)
        return _Seed(earlier, path.stat().st_ino)

    def _keep(self, earlier: EarlierBuild, path: Path, name: str, fields: Mapping[str, Any]) -> None:
        """Take over a file of an earlier build, whose bytes are known; `path` holds them."""
        self.artifacts[name] = replace(earlier.ledger.artifacts[name], **fields)
        if earlier.folder != self.out:
            os.link(path, self.work / "files" / name)

    def _archive(self, step: BuildStep, span: Span) -> None:
        (name,) = step.writes
        members = {member: Path(self._path(source)) for member, source in step.members.items()}
        inputs = archives.inputs(members, self.plan.epoch, self._known(step))
        fields = {**step.outputs[name], "meta": {**step.outputs[name]["meta"], "inputs": inputs}}
        for earlier in self.earlier_builds:
            before = earlier.ledger.artifacts.get(name)
            if before and before.meta.get("inputs") == inputs:
                copy = self.work / f"{name}.kept"
                if earlier.folder != self.out:
                    shutil.copyfile(earlier.folder / name, copy)
                    copy.chmod(0o644)
                self._keep(earlier, copy, name, {**fields, "meta": {**before.meta, **fields["meta"]}})
                span.skip(UNCHANGED)
                return
        span.progress(f"packing {len(step.members)} files")
        facts = archives.pack(self.work / "files" / name, members, self.plan.epoch)
        self._note(name, {**fields, "meta": {**fields["meta"], **facts}})

    def _known(self, step: BuildStep) -> dict[str, str]:
        """Return member → SHA-256 of those members that this run made or kept."""
        made = {member: source.removeprefix("DIST/") for member, source in step.members.items()}
        return {member: self.artifacts[name].sha256 for member, name in made.items() if name in self.artifacts}

    def _note(self, name: str, fields: Mapping[str, Any]) -> None:
        project = self.plan.header["project"]
        self.artifacts[name] = Artifact.of_file(self.work / "files" / name, project=project, **fields)

    def _path(self, word: str) -> str:
        """Return where a plan's file name lies on this machine."""
        if word.startswith("DIST/.building/"):
            return str(self.work / word.removeprefix("DIST/.building/")) + ("/" if word.endswith("/") else "")
        if word.startswith("DIST/"):
            fresh = self.work / "files" / word.removeprefix("DIST/")
            return str(fresh if fresh.exists() else self.out / word.removeprefix("DIST/"))
        return str(self.plan.directory / word)


class _Seed(Struct, frozen=True):
    """A program of an earlier build where go writes, and the number by which its file is known again."""

    earlier: EarlierBuild
    inode: int


def _same(old: Ledger, new: Ledger) -> bool:
    """Tell whether a ledger says the same but for the run that wrote it: its trace, and what it compiled from."""
    return replace(old, trace="", compiled=()) == replace(new, trace="", compiled=())
