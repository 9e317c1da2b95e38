"""`goferry plan`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from goferry.cli.output import Output, example, output_options, settings


def project_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what every command takes that opens a project: --dir, --project, --targets, --version."""
    options = (
        click.option(
            "--dir",
            "directory",
            type=click.Path(path_type=Path, exists=True, file_okay=False),
            default=".",
            help="The repository, or a folder in it.",
        ),
        click.option("--project", default="", help="Which of several projects in goferry.yml."),
        click.option("--targets", multiple=True, metavar="GOOS/GOARCH,…", help="Platforms, instead of builds.targets."),
        click.option(
            "--version", default="", help="The version, instead of the one that git says; a release outside of CI."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command(epilog=example("goferry plan", "goferry plan --targets linux/amd64 --json"))
@project_options
@click.option("--out", type=click.Path(path_type=Path), help="Folder that a build would write.  [default: DIR/dist]")
@click.option("--shard", "part", metavar="I/N", default="", help="Part I of N of the targets.")
@output_options
def command(
    output: Output,
    *,
    directory: Path,
    project: str,
    targets: tuple[str, ...],
    version: str,
    out: Path | None,
    part: str,
) -> None:
    """Show the steps that a build would take, with their commands."""
    from goferry.pipeline import build

    with output.stream() as stream:
        job = build.prepare(
            directory,
            settings=settings(),
            stream=stream,
            project=project,
            targets=targets,
            version=version,
            out=out,
            shard=part,
        )
    output.result({**job.plan.as_json(), "out": str(job.out)}, *build.lines(job))
