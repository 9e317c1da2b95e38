"""`goferry plan`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click

from goferry.cli.output import Output, example, output_options, settings
from goferry.cli.project_options import project_options
from goferry.config.context import Context

if TYPE_CHECKING:
    from goferry.observe.events import Stream
    from goferry.pipeline.build import BuildJob
    from goferry.pipeline.project import ProjectRequest


def build_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add what a command takes that plans a build; the command gets `prepare`, which plans it, telling a stream."""

    @project_options
    @click.option(
        "--out",
        type=click.Path(path_type=Path),
        help="Folder that a build writes.  [default: dist in the project's folder]",
    )
    @click.option("--shard", metavar="I/N", default="", help="Part I of N of the targets; see goferry merge.")
    @wraps(function)
    def wrapped(*args: object, request: ProjectRequest, shard: str, **kwargs: object) -> None:
        def prepare(stream: Stream) -> BuildJob:
            from goferry.pipeline import build

            return build.prepare(Context(settings(), stream), request, shard=shard)

        function(*args, prepare=prepare, **kwargs)

    return wrapped


@click.command(epilog=example("goferry plan", "goferry plan --targets linux/amd64 --json"))
@build_options
@output_options
def command(output: Output, *, prepare: Callable[[Stream], BuildJob]) -> None:
    """Show the steps that a build would take, with their commands."""
    with output.stream() as stream:
        job = prepare(stream)
    show(output, job)


def show(output: Output, job: BuildJob) -> None:
    """Print what a build would do."""
    from goferry.pipeline import build

    output.result({**job.plan.as_json(), "out": str(job.out)}, *build.lines(job))
