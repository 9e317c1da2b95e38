"""`goferry unprovision`."""

from __future__ import annotations

from pathlib import Path

import click

from goferry.cli import sudo_password
from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.cli.target_options import (
    directory_option,
    environment_option,
    identity_option,
    known_hosts_option,
    user_option,
)


@click.command(
    epilog=example(
        "goferry unprovision web-1 --dry-run",
        "goferry unprovision web-1 --project shop --user ubuntu",
        "goferry unprovision --environment production --packages --dry-run",
    )
)
@click.argument("hosts", nargs=-1)
@environment_option
@directory_option
@click.option("--project", default="", help="Which project.  [default: the repository's]")
@user_option
@identity_option
@known_hosts_option
@click.option("--packages", is_flag=True, help="Remove the packages too that provisioning installed, such as nginx.")
@dry_run_option
@output_options
def command(
    output: Output,
    *,
    hosts: tuple[str, ...],
    environment: str,
    directory: Path,
    project: str,
    user: str,
    identity: Path | None,
    known_hosts: Path | None,
    packages: bool,
    dry_run: bool,
) -> None:
    """Take a project off hosts: the opposite of `provision`.

    Its services are ended, and their units, sockets, proxy files and deploy keys removed. With the last project go the
    agent, the login and what else `provision` changed. Data, environment files and releases stay until `goferry purge`;
    other projects are not touched.
    """
    from goferry.deploy.provision import unprovision as work

    order = work.RootOptions(hosts, environment, directory, project, user, identity, known_hosts)
    with output.stream() as stream:
        record = work.run(
            order,
            packages=packages,
            settings=settings(),
            stream=stream,
            dry_run=dry_run,
            ask_password=sudo_password.asker(),
        )
    output.result(record.as_json(), *record.lines())
