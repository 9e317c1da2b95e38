"""`goferry purge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.cli.target_options import root_option, target_option, wait_option
from goferry.kernel.errors import Misuse
from goferry.observe.humanize import size

if TYPE_CHECKING:
    from goferry.deploy.answers import Purged


@click.command(
    epilog=example(
        "goferry purge shop --target local --root run --dry-run",
        "goferry purge shop --service api --target local --root run --yes",
    )
)
@click.argument("project")
@target_option
@root_option
@click.option("--service", default="", help="Of this service alone.")
@click.option("--yes", is_flag=True, help="Remove it. Without this, only what would be removed is shown.")
@wait_option
@dry_run_option
@output_options
def command(
    output: Output,
    *,
    project: str,
    target: str,
    root: Path | None,
    service: str,
    yes: bool,
    wait: float,
    dry_run: bool,
) -> None:
    """Remove what a local target keeps: data, logs, releases, history.

    All that it keeps of PROJECT: each service's data and logs, its releases, history and floor. What runs of it is
    ended first. Nothing else removes these: no deploy, no rollback, no failure, not `down`. On a host, its root runs
    `goferry-host purge PROJECT`.
    """
    from goferry import deploy
    from goferry.deploy.destination import local_target
    from goferry.deploy.options import Options

    where = local_target(Options(target=target, root=root, wait=wait))
    with output.stream() as stream:
        record = deploy.purge(where, project, service, settings=settings(), stream=stream, dry_run=dry_run or not yes)
    if not (yes or dry_run):
        raise Misuse(
            "a purge can't be undone, so it wants --yes",
            state="\n".join(["Nothing was removed. It would have been:", *_lines(record)]),
            advice=["remove it:  add --yes"],
        )
    output.result(record.as_json(), *_lines(record))


def _lines(purged: Purged) -> list[str]:
    verbs = ("would end", "would remove") if purged.dry_run else ("ended", "removed")
    ended = [f"{verbs[0]} {name}, which serves" for name in purged.stopped]
    return ended + [f"{verbs[1]} {each.path}: {each.files} files, {size(each.bytes)}" for each in purged.removed]
