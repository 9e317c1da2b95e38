"""`goferry rollback`."""

from __future__ import annotations

from pathlib import Path

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.cli.target import lines_of, target_options


@click.command(
    epilog=example(
        "goferry rollback --target local --root run",
        "goferry rollback --target local --root run --service api --dry-run",
    )
)
@target_options
@click.option("--service", "services", multiple=True, help="Roll this service back alone; may be repeated.")
@click.option("--project", default="", help="The project, when several are deployed there.")
@dry_run_option
@output_options
def command(
    output: Output, *, target: str, root: Path, wait: float, services: tuple[str, ...], project: str, dry_run: bool
) -> None:
    """Go back to the version before: one step, from what the host holds, without an upload."""
    from goferry import deploy
    from goferry.deploy.client import check_target

    check_target(target)
    with output.stream() as stream:
        record = deploy.rollback(
            deploy.Target(root, wait=wait),
            services=services,
            project=project,
            settings=settings(),
            stream=stream,
            dry_run=dry_run,
        )
    output.result(record, *lines_of(record))
