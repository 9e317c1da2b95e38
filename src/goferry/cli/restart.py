"""`goferry restart`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.cli.target_options import lines_of, target_options

if TYPE_CHECKING:
    from goferry.deploy.options import Options


@click.command(
    epilog=example(
        "goferry restart --target local --root run",
        "goferry restart api --environment production --identity ~/.ssh/shop_deploy",
        "goferry restart --host web-1 --host web-2 --identity ~/.ssh/shop_deploy --dry-run",
    )
)
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
@target_options()
@click.option("--project", default="", help="The project, when several are deployed there; else the environment's.")
@dry_run_option
@output_options
def command(output: Output, *, services: tuple[str, ...], options: Options, project: str, dry_run: bool) -> None:
    """Start what serves again, with its environment as it is now.

    The same release is started beside itself, proven and watched as in a deploy, and takes the traffic over; without
    SERVICE all that serves of the project. When it fails, what served before serves on, with the values that it had.
    """
    from goferry import deploy
    from goferry.deploy import destination

    where = destination.resolve(replace(options, project=project if options.environment else ""))
    with output.stream() as stream:
        record = deploy.restart(
            where.target,
            services=services,
            project=project or where.project,
            settings=settings(),
            stream=stream,
            dry_run=dry_run,
        )
    output.result(record.as_json(), *lines_of(record))
