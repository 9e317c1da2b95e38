"""`goferry deploy`."""

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
        "goferry deploy dist --target local --root run --trust goferry.trust",
        "goferry deploy dist --host web-1 --host web-2 --identity ~/.ssh/shop_deploy",
        "goferry deploy dist --environment production --identity ~/.ssh/shop_deploy --dry-run",
    )
)
@click.argument("dist", type=click.Path(file_okay=False, path_type=Path))
@target_options()
@click.option(
    "--trust",
    type=click.Path(path_type=Path),
    help="The trust file: whose signatures count. For the local target; a host has its own.",
)
@click.option("--service", "services", multiple=True, help="Deploy this service alone; may be repeated.")
@click.option(
    "--on-silence",
    type=click.Choice(["rollback", "commit"]),
    help="What a host does when this command dies before it commits.  [default: rollback]",
)
@dry_run_option
@output_options
def command(
    output: Output,
    *,
    dist: Path,
    options: Options,
    trust: Path | None,
    services: tuple[str, ...],
    on_silence: str | None,
    dry_run: bool,
) -> None:
    """Bring the sealed release in DIST into service, blue-green.

    The host verifies it, starts it beside the live version, proves that it is healthy and itself, switches, watches
    it, and only then ends the version before. Whatever goes wrong, the version before serves. Several hosts are all
    prepared before any is switched.
    """
    from goferry import deploy
    from goferry.deploy import destination

    where = destination.resolve(replace(options, trust=trust, on_silence=on_silence or ""), verifies=True)
    with output.stream() as stream:
        record = deploy.deploy(
            dist,
            where.target,
            services=services,
            settings=settings(),
            stream=stream,
            dry_run=dry_run,
            accepts=where.accepts,
            uncommitted=where.uncommitted,
        )
    output.result(record.as_json(), *lines_of(record))
