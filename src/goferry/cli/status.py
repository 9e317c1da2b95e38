"""`goferry status`."""

from __future__ import annotations

from pathlib import Path

import click

from goferry.cli.output import Output, example, output_options, settings
from goferry.cli.target import root_option, target_option


@click.command(epilog=example("goferry status --target local --root run", "goferry status --root run --json"))
@target_option
@root_option
@output_options
def command(output: Output, *, target: str, root: Path) -> None:
    """Show what is live on a target.

    What an interrupted deploy left unfinished is brought to its end first, as by every command on a target.
    """
    from goferry import deploy
    from goferry.deploy.client import check_target

    check_target(target)
    record = deploy.status(deploy.Target(root), settings=settings())
    lines = [
        f"{name} {live['version']} {live['state']} at {live['url']} (pid {live['pid']}, {live['digest'][:12]})"
        for name, live in sorted(record["live"].items())
    ]
    busy = ["a deploy is going on"] if record["busy"] else []
    output.result(record, *record["recovered"], *(lines or ["nothing is deployed"]), *busy)
