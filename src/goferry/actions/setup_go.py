"""`actions/setup-go`: the right Go, proven, on the PATH of the steps that follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goferry import golang
from goferry.actions import shared
from goferry.config.load import load
from goferry.runner.job import Job


def run(job: Job) -> Mapping[str, Any]:
    """Install Go and put it on the PATH; nothing else of the job changes."""
    directory = shared.directory(job)
    configured = load(directory).project.go
    version = job.inputs.text("go-version") or configured.version
    proven, dry_run = job.inputs.boolean("proven"), job.inputs.boolean("dry-run")
    with job.stream() as stream:
        if dry_run:
            found = golang.resolve_version(directory=directory, settings=job.settings, stream=stream, version=version)
            job.say(f"Go {found.version}  ({found.source})")
            return {"go-version": found.version, "goroot": "", "proof": ""}
        toolchain = golang.setup_go(
            directory=directory,
            settings=job.settings,
            stream=stream,
            version=version,
            allow_unproven=configured.unproven and not proven,
        )
    job.add_path(toolchain.goroot / "bin")
    job.say(f"Go {toolchain.version}  {toolchain.proof}")
    return {"go-version": toolchain.version, "goroot": str(toolchain.goroot), "proof": toolchain.proof}
