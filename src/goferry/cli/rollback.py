"""`goferry rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.cli.target import lines_of, target_options

if TYPE_CHECKING:
    from goferry.deploy.place import Said


@click.command(
    epilog=example(
        "goferry rollback --target local --root run",
        "goferry rollback --environment production --identity deploy_key",
        "goferry rollback --host web-1 --service api --dry-run",
    )
)
@target_options()
@click.option("--service", "services", multiple=True, help="Roll this service back alone; may be repeated.")
@click.option("--project", default="", help="The project, when several are deployed there.")
@dry_run_option
@output_options
def command(output: Output, *, said: Said, services: tuple[str, ...], project: str, dry_run: bool) -> None:
    """Go back to the version before: one step, from what the host holds, without an upload."""
    from goferry import deploy
    from goferry.deploy import place

    where = place.resolve(said)
    with output.stream() as stream:
        record = deploy.rollback(
            where.target, services=services, project=project, settings=settings(), stream=stream, dry_run=dry_run
        )
    output.result(record, *lines_of(record))
