"""`goferry test`."""

from __future__ import annotations

from pathlib import Path

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.cli.project_options import directory_option, project_option
from goferry.config.context import Context


@click.command(epilog=example("goferry test", "goferry test --dir services/api --json"))
@directory_option
@project_option
@click.option("--fresh", is_flag=True, help="Run every test, also where an earlier run has its result.")
@dry_run_option
@output_options
def command(output: Output, directory: Path, project: str, *, fresh: bool, dry_run: bool) -> None:
    """Run go vet and go test over every package: the gate before every build."""
    from goferry.gobuild import gate
    from goferry.pipeline.project import ProjectRequest, open_project

    surroundings = settings()
    with output.stream() as stream:
        ctx = Context(surroundings, stream)
        opened = open_project(ctx, ProjectRequest(directory, project))
        if dry_run:
            fresh = fresh or gate.must_run(opened.facts, surroundings.environ)
            steps = gate.commands(opened.facts, opened.config, answers=gate.RUN if fresh else ())
            output.result({"steps": steps}, *(" ".join(step) for step in steps))
            return
        report = gate.test(ctx, opened.facts, opened.config, opened.toolchain, fresh=fresh)
    output.result({"project": opened.name, **report.as_json()}, *gate.lines(report))
