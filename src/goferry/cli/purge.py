"""`goferry purge`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from goferry.cli import sudo_password
from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.cli.target_options import (
    directory_option,
    environment_option,
    host_option,
    identity_option,
    known_hosts_option,
    root_option,
    target_option,
    user_option,
    wait_option,
)
from goferry.kernel.errors import Misuse
from goferry.observe.humanize import size

if TYPE_CHECKING:
    from goferry.deploy.answers import Purged


@click.command(
    epilog=example(
        "goferry purge shop --target local --root run --dry-run",
        "goferry purge shop --service api --target local --root run --yes",
        "goferry purge shop --host web-1 --user ubuntu --dry-run",
    )
)
@click.argument("project")
@target_option
@root_option
@host_option
@environment_option
@directory_option
@user_option
@identity_option
@known_hosts_option
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
    hosts: tuple[str, ...],
    environment: str,
    directory: Path,
    user: str,
    identity: Path | None,
    known_hosts: Path | None,
    service: str,
    yes: bool,
    wait: float,
    dry_run: bool,
) -> None:
    """Remove what a target keeps: data, logs, releases, history.

    All that it keeps of PROJECT: each service's data, environment file and logs, its releases, history and floor. What
    runs of it is ended first. Nothing else removes these: no deploy, no rollback, no failure, not `down`, and not
    `unprovision`. On hosts it is done as root, as `provision` is, and no deploy key can; the logs there are systemd's.
    """
    keeps = dry_run or not yes
    record: Mapping[str, object]
    if target == "ssh" or hosts or environment:
        from goferry.deploy.provision import purge, unprovision

        order = unprovision.RootOptions(hosts, environment, directory, project, user, identity, known_hosts)
        with output.stream() as stream:
            ask = sudo_password.asker()
            done = purge.run(
                order, service, wait=wait, settings=settings(), stream=stream, dry_run=keeps, ask_password=ask
            )
        record = done.as_json()
        lines = [f"{name}: {line}" for name, purged in done.hosts.items() for line in _lines(purged)]
    else:
        from goferry import deploy
        from goferry.deploy.destination import local_target
        from goferry.deploy.options import Options

        where = local_target(Options(target=target, root=root, wait=wait))
        with output.stream() as stream:
            purged = deploy.purge(where, project, service, settings=settings(), stream=stream, dry_run=keeps)
        record, lines = purged.as_json(), _lines(purged)
    _refuse_without_yes(lines, yes=yes or dry_run)
    output.result(record, *lines)


def _refuse_without_yes(lines: Sequence[str], *, yes: bool) -> None:
    if not yes:
        raise Misuse(
            "a purge can't be undone, so it wants --yes",
            state="\n".join(["Nothing was removed. It would have been:", *lines]),
            advice=["remove it:  add --yes"],
        )


def _lines(purged: Purged) -> list[str]:
    verbs = ("would end", "would remove") if purged.dry_run else ("ended", "removed")
    ended = [f"{verbs[0]} {name}, which serves" for name in purged.stopped]
    return ended + [f"{verbs[1]} {each.path}: {each.files} files, {size(each.bytes)}" for each in purged.removed]
