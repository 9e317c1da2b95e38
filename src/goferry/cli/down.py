"""`goferry down`."""

from __future__ import annotations

from pathlib import Path

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.cli.target_options import root_option, target_option, wait_option


@click.command(epilog=example("goferry down --target local --root run"))
@target_option
@root_option
@wait_option
@dry_run_option
@output_options
def command(output: Output, *, target: str, root: Path | None, wait: float, dry_run: bool) -> None:
    """Stop what was deployed to a local target: every service and their supervisor.

    Releases, and the floors that refuse older ones, stay; a deploy starts the services again.
    """
    from goferry import deploy
    from goferry.deploy.destination import local_target
    from goferry.deploy.options import Options

    where = local_target(Options(target=target, root=root, wait=wait))
    with output.stream() as stream:
        record = deploy.down(where, settings=settings(), stream=stream, dry_run=dry_run)
    verb = "would stop" if dry_run else "stopped"
    if not record.stopped:
        output.result(record.as_json(), "nothing was running")
        return
    more = f"what is kept, and how to go on:  goferry status {where.options}"
    output.result(record.as_json(), f"{verb} {', '.join(record.stopped)}", *([] if dry_run else [more]))
