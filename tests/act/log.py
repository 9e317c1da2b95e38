"""What act said, as jobs and steps: `read(lines, exit_code)` turns its JSON log into a Run.

`run["build"]` is the job of that id, in whichever workflow, and `run.legs("build")` are the legs of a matrix. A step is
known by its id, or by its place where it has none (`0`, `1`, …).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any


@dataclass
class Step:
    """One step of a job, the steps inside a composite action told apart in `inner`."""

    id: str
    name: str = ""
    result: str = ""  # success, failure, skipped or "" when it did not run
    ms: float = 0.0
    outputs: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    summary: str = ""
    commands: list[tuple[str, dict[str, str], str]] = field(default_factory=list)  # (error, {"title": …}, message)
    inner: dict[str, Step] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)  # what it exported
    paths: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its output, one line a line."""
        return "\n".join(self.lines)

    def annotations(self, kind: str) -> list[tuple[str, str]]:
        """(title, message) of each `error`, `warning` or `notice`."""
        return [(pairs.get("title", ""), text) for name, pairs, text in self.commands if name == kind]


@dataclass
class Job:
    """One job, or one leg of a matrix."""

    path: str
    id: str
    matrix: dict[str, Any] = field(default_factory=dict)
    result: str = ""
    steps: dict[str, Step] = field(default_factory=dict)

    def __getitem__(self, step: str) -> Step:
        return self.steps[step]

    @property
    def summary(self) -> str:
        return "".join(step.summary for step in self.steps.values())

    @property
    def text(self) -> str:
        return "\n".join(step.text for step in self.steps.values())


@dataclass
class Run:
    """One run of act."""

    code: int
    jobs: dict[str, Job] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)  # everything, as it was said
    folder: Path = Path()  # what the run left behind

    @property
    def ok(self) -> bool:
        return self.code == 0

    def legs(self, name: str) -> list[Job]:
        """The jobs of an id that ran: the legs of its matrix, in their order."""
        return sorted((job for job in self.jobs.values() if job.id == name and job.steps), key=lambda job: job.path)

    def __getitem__(self, name: str) -> Job:
        """The one job of an id that ran."""
        found = self.legs(name)
        if len(found) != 1:
            raise KeyError(f"{name}: {len(found)} of the jobs {sorted(self.jobs)}\n{self.told()}")
        return found[0]

    @property
    def results(self) -> dict[str, str]:
        """{id: result} of every job that ran; a matrix is as good as its worst leg."""
        ran = sorted(
            (job for job in self.jobs.values() if job.steps), key=lambda job: job.result != "failure", reverse=True
        )
        return {job.id: job.result for job in ran}

    @property
    def summary(self) -> str:
        return "".join(job.summary for job in self.jobs.values())

    @property
    def text(self) -> str:
        return "\n".join(self.messages)

    @property
    def steps(self) -> Iterator[Step]:
        return (step for job in self.jobs.values() for step in job.steps.values())

    def annotations(self, kind: str) -> list[tuple[str, str]]:
        return [each for step in self.steps for each in step.annotations(kind)]

    @property
    def artifacts(self) -> set[str]:
        """The names of the artifacts that were uploaded."""
        return {path.stem for path in self.folder.glob("artifacts/1/*/*.zip")}

    def artifact(self, name: str, file: str) -> BytesIO:
        """One file of one artifact."""
        with zipfile.ZipFile(self.folder / "artifacts" / "1" / name / f"{name}.zip") as bundle:
            return BytesIO(bundle.read(file))

    def told(self, last: int = 60) -> str:
        """What a person reads of a run that went wrong."""
        return f"act ended with {self.code}: {self.results}\n" + "\n".join(self.messages[-last:])


def _step(job: Job, ids: list[str], entry: dict[str, Any]) -> Step:
    step = job.steps.setdefault(ids[0], Step(ids[0]))
    step.name = step.name or str(entry.get("step", ""))
    return step


def _command(step: Step, entry: dict[str, Any]) -> None:
    name, arg = entry["command"], str(entry.get("arg", ""))
    if name == "set-output":
        step.outputs[entry["name"]] = arg
    elif name == "set-env":
        step.env[entry["name"]] = arg
    elif name == "add-path":
        step.paths.append(arg)
    elif name == "summary":
        step.summary = entry["content"]
    else:
        pairs = {str(key): str(value) for key, value in (entry.get("kvPairs") or {}).items()}
        step.commands.append((name, pairs, arg))


def read(lines: Iterable[str], code: int) -> Run:
    """Read act's log; lines that are not JSON are kept as messages."""
    run = Run(code)
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            run.messages.append(line.rstrip("\n"))
            continue
        message = str(entry.get("msg", "")).rstrip("\r\n")
        run.messages.append(message)
        if "job" not in entry:
            continue
        path = entry["job"].strip()
        job = run.jobs.setdefault(path, Job(path, entry.get("jobID", ""), entry.get("matrix") or {}))
        job.result = entry.get("jobResult", job.result)
        ids = entry.get("stepID")
        if not ids or entry.get("stage") not in (None, "Main"):
            continue
        step = _step(job, ids, entry)
        within = step if len(ids) == 1 else step.inner.setdefault("/".join(ids[1:]), Step(ids[-1]))
        if entry.get("raw_output"):
            step.lines.append(message)
        elif "command" in entry:
            _command(within, entry)
            # A composite's outputs are said again for the step that uses it; the rest is the step's as much as its own.
            if within is not step and entry["command"] != "set-output":
                _command(step, entry)
        elif "stepResult" in entry:
            within.result = entry["stepResult"]
            within.ms = entry.get("executionTime", 0) / 1e6
    return run
