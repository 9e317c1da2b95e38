"""`goferry rollback`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.cli.target_options import lines_of, target_options

if TYPE_CHECKING:
    from goferry.deploy.options import Options


@click.command(
    epilog=example(
        "goferry rollback --target local --root run",
        "goferry rollback --environment production --identity ~/.ssh/shop_deploy --to v1.4.0",
        "goferry rollback --host web-1 --service api --dry-run",
    )
)
@target_options()
@click.option("--to", default="", help="The version to go back to, one that `goferry status` shows as held.")
@click.option("--service", "services", multiple=True, help="Roll this service back alone; may be repeated.")
@click.option("--project", default="", help="The project, when several are deployed there; else the environment's.")
@click.option(
    "--trust",
    type=click.Path(path_type=Path),
    help="The trust file. For the local target, else that of the last deploy there; a host has its own.",
)
@dry_run_option
@output_options
def command(
    output: Output,
    *,
    options: Options,
    to: str,
    services: tuple[str, ...],
    project: str,
    trust: Path | None,
    dry_run: bool,
) -> None:
    """Go back to a version that was live before, without an upload.

    The host takes it from what it holds. Without --to it is the version before; several rollbacks in a row walk back.
    With --to all services of that release go, or none.
    """
    from goferry import deploy
    from goferry.deploy import destination

    where = destination.resolve(replace(options, project=project if options.environment else "", trust=trust))
    with output.stream() as stream:
        record = deploy.rollback(
            where.target,
            to=to,
            services=services,
            project=project or where.project,
            settings=settings(),
            stream=stream,
            dry_run=dry_run,
        )
    output.result(record.as_json(), *lines_of(record))
