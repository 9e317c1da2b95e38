"""The executor: runs a plan's steps and leaves a whole DIST, or the one that was there before."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goferry.build import archives, environment, folder, schedule
from goferry.build.compiler import Compiler
from goferry.build.plan import Plan, Step
from goferry.config.settings import Settings
from goferry.dist import Artifact, Ledger, Toolchain
from goferry.kernel.errors import Failed
from goferry.observe.events import Span, Stream


class OutputMissing(Failed):
    """A build ended well and a program that it should have made is not there.

    It usually is a file system that is full or that another program cleans.
    """

    name = "output-missing"


def build(plan: Plan, toolchain: Toolchain, out: Path, settings: Settings, stream: Stream) -> Ledger:
    """Run the plan and return the ledger that it wrote into `out`.

    A plan without steps changes nothing. On any failure or interruption `out` is as it was before.

    Raises:
        DistSealed, DistForeign, DistBusy: the folder is not ours to write.
        CompileFailed, OutOfMemory, ModulesIncomplete, ModulesUnreachable: a target could not be built.
    """
    out = out.absolute()
    old = folder.present(out)
    ledger = Ledger(**plan.header, trace=stream.trace, toolchain=toolchain.as_record())
    for name in plan.kept:
        if old is not None and name in old.artifacts:
            ledger.add(old.artifacts[name])
    if not plan.steps and old is not None and _same(old, ledger):
        return old
    with folder.work(out) as work, stream.span("build") as span:
        environ = environment.clean(settings.environ, toolchain, plan.directory)
        run = _Run(plan, out, work, Compiler(toolchain, environ, plan.directory))
        schedule.run(plan.steps, plan.machine, lambda step: run.step(step, stream, span), run.compiler.stop)
        for artifact in run.artifacts.values():
            ledger.add(artifact)
        folder.replace(out, ledger, {name: work / "files" / name for name in run.artifacts}, old)
        span.numbers.update(files=len(ledger.artifacts), bytes=sum(a.size for a in ledger.artifacts.values()))
    return ledger


@dataclass
class _Run:
    plan: Plan
    out: Path
    work: Path
    compiler: Compiler

    def __post_init__(self) -> None:
        self.artifacts: dict[str, Artifact] = {}
        (self.work / "files").mkdir()

    def step(self, step: Step, stream: Stream, parent: Span) -> None:
        """Do one step in its own span."""
        with stream.span(step.kind, target=step.target, parent=parent) as span:
            if step.kind == "build":
                self._build(step, span)
            else:
                self._archive(step, span)
            made = [self.artifacts[name] for name in step.outputs]
            span.numbers.update(bytes=sum(artifact.size for artifact in made), files=len(made))

    def _build(self, step: Step, span: Span) -> None:
        argv = [self._path(word) if word.startswith("DIST/") else word for word in step.argv]
        self.compiler.build(argv, step.env, span)
        for source, name in step.files.items():
            path = Path(self._path(source))
            if not path.is_file():
                raise OutputMissing(f"go build did not write {source}", state="DIST is as it was before.")
            path.chmod(0o755)
            os.link(path, self.work / "files" / name)
            self._note(name, step.outputs[name])

    def _archive(self, step: Step, span: Span) -> None:
        (name,) = step.writes
        span.progress(f"packing {len(step.members)} files")
        members = {member: Path(self._path(source)) for member, source in step.members.items()}
        facts = archives.pack(self.work / "files" / name, members, self.plan.epoch)
        fields = dict(step.outputs[name])
        self._note(name, {**fields, "meta": {**fields["meta"], **facts}})

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


def _same(old: Ledger, new: Ledger) -> bool:
    """Tell whether a ledger says the same but for the trace of the run that wrote it."""
    return {**vars(old), "trace": ""} == {**vars(new), "trace": ""}
