"""`actions/setup-go`: the right Go, proven, for the steps that follow.

    on PATH        the Go that was chosen
    GOTOOLCHAIN    local, where a person chose it: go must not switch to another for a line of go.mod
    GOFERRY_GO     what it is and who chose it, for Goferry's own steps (golang.earlier)

A version that go.mod or go.work decides leaves switching as it was, and the output is what `go version` says there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from goferry import golang
from goferry.actions import shared
from goferry.artifacts import Toolchain
from goferry.config.context import Context
from goferry.config.load import load
from goferry.golang.earlier import VARIABLE, By, EarlierGo, read
from goferry.golang.toolversion import version_in
from goferry.golang.versions import GoVersion
from goferry.kernel.errors import printable
from goferry.runner.job import Job


def run(job: Job) -> Mapping[str, object]:
    """Install Go, put it on the PATH, and tell the job's later steps."""
    loaded = load(shared.directory(job))
    config, asked = loaded.project, job.inputs.text("go-version")
    unproven = not job.inputs.boolean("proven")
    request = golang.GoRequest(loaded.directory, asked, config, allow_unproven=unproven, afresh=True)
    with job.stream() as stream:
        if job.inputs.boolean("dry-run"):
            found = golang.resolve_version(Context(job.settings, stream), request)
            job.say(f"Go {found.version}  ({found.source})")
            return {"go-version": found.version, "goroot": "", "proof": ""}
        toolchain = golang.setup_go(Context(job.settings, stream), request)
    by = By.ASKED if asked else (By.CONFIGURED if config.go.version else By.FOUND)
    _tell(job, toolchain, EarlierGo(GoVersion(toolchain.version), by))
    runs = _runs(job, toolchain, loaded.directory)
    proof = toolchain.proof if runs == toolchain.version else "unproven"
    job.say(f"Go {runs}  {proof}")
    return {"go-version": runs, "goroot": str(toolchain.goroot), "proof": proof}


def _tell(job: Job, toolchain: Toolchain, chosen: EarlierGo) -> None:
    before = read(job.environ)
    job.add_path(toolchain.goroot / "bin")
    if chosen.pins:
        job.export("GOTOOLCHAIN", "local")
    elif before and before.pins and job.environ.get("GOTOOLCHAIN") == "local":
        job.export("GOTOOLCHAIN", "auto")  # an earlier setup-go of the job had switched it off
    if job.environ.get("GOROOT", "") not in ("", str(toolchain.goroot)):
        job.export("GOROOT", str(toolchain.goroot))
    job.export(VARIABLE, chosen.text)


def _runs(job: Job, toolchain: Toolchain, directory: Path) -> str:
    """Return the Go that later steps run in the folder; Go decides it anew each time, by more than Goferry counts."""
    runs, reason = version_in(directory, toolchain, job.settings.environ)
    if runs != toolchain.version:
        job.warning(
            f"Goferry set up Go {toolchain.version}, but the go command in this folder "
            + (f"switches to Go {runs}" if runs else f"fails: {printable(reason, 500)}")
            + ". A go.work above the repository or a variable such as GOWORK or GOTOOLCHAIN says so; Goferry's own "
            f"steps use Go {toolchain.version}. To have one Go, ask for it:  with: {{go-version: {toolchain.version}}}",
            "go-switches",
        )
    return runs or toolchain.version
