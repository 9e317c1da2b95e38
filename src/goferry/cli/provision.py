"""`goferry provision`."""

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
        "goferry provision web-1 --deploy-key ~/.ssh/shop_deploy.pub --trust goferry.trust",
        "goferry provision --environment production --identity ~/.ssh/id_ed25519 --dry-run",
        "goferry provision web-1 --user ubuntu --check",
    )
)
@click.argument("hosts", nargs=-1)
@environment_option
@directory_option
@click.option("--project", default="", help="Which project, where goferry.yml has several.")
@click.option(
    "--deploy-key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A public key that may deploy this project, and nothing else; may be repeated.",
)
@click.option(
    "--remove-deploy-key",
    "removed",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A public key that may not deploy this project any more; may be repeated.",
)
@click.option(
    "--accepts",
    default="",
    type=click.Choice(["", "releases", "snapshots"]),
    show_choices=True,
    help="What the host takes of this project.  [default: as --environment says; on a new host, releases]",
)
@click.option(
    "--keep",
    default=0,
    type=click.IntRange(0, 100),
    help="How many releases of each service the host keeps.  [default: what it keeps; on a new host, 5]",
)
@click.option(
    "--trust", type=click.Path(path_type=Path), help="The trust file.  [default: goferry.trust, if it is there]"
)
@user_option
@identity_option
@known_hosts_option
@click.option("--host-key", default="", help="The host's key fingerprint (SHA256:…), compared on the host's console.")
@click.option("--bind", default="", help="The address on which services are served.  [default: every one]")
@click.option("--no-install", is_flag=True, help="Don't install nginx where it is missing.")
@click.option("--prune", is_flag=True, help="Remove services that goferry.yml no longer declares; their data stays.")
@click.option("--check", is_flag=True, help="Change nothing: say what differs and what is not reached; exit 1 then.")
@dry_run_option
@output_options
def command(
    output: Output,
    *,
    hosts: tuple[str, ...],
    environment: str,
    directory: Path,
    project: str,
    keys: tuple[Path, ...],
    removed: tuple[Path, ...],
    accepts: str,
    keep: int,
    trust: Path | None,
    user: str,
    identity: Path | None,
    known_hosts: Path | None,
    host_key: str,
    bind: str,
    no_install: bool,
    prune: bool,
    check: bool,
    dry_run: bool,
) -> None:
    """Make hosts ready for deploys over ssh.

    Debian, Ubuntu and RHEL-like hosts with sshd and python3 get the agent, its login, hardened units and a proxy. What
    is right already stays as it is, so a second run changes nothing. A deploy then needs the deploy key alone, which
    opens no shell.
    """
    from goferry.deploy.provision import command as work

    order = work.ProvisionOptions(
        hosts=hosts,
        environment=environment,
        directory=directory,
        project=project,
        keys=keys,
        removed=removed,
        accepts=accepts,
        keep=keep,
        trust=trust,
        user=user,
        identity=identity,
        known_hosts=known_hosts,
        host_key=host_key,
        bind=bind,
        install=not no_install,
        prune=prune,
        check=check,
    )
    with output.stream() as stream:
        record = work.run(
            order, settings=settings(), stream=stream, dry_run=dry_run, ask_password=sudo_password.asker()
        )
    output.result(record.as_json(), *work.lines(record))
