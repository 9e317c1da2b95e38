"""`goferry env`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
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
    user_option,
)

if TYPE_CHECKING:
    from goferry.deploy.provision.variables import EnvironmentOptions

_OPTIONS = (
    click.argument("service"),
    host_option,
    environment_option,
    directory_option,
    click.option("--project", default="", help="Which project, where goferry.yml has several."),
    user_option,
    identity_option,
    known_hosts_option,
)


def _hosts_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add what all of them take; the command gets `options: EnvironmentOptions`."""

    @wraps(function)
    def wrapped(
        *args: object,
        service: str,
        hosts: tuple[str, ...],
        environment: str,
        directory: Path,
        project: str,
        user: str,
        identity: Path | None,
        known_hosts: Path | None,
        **kwargs: object,
    ) -> None:
        from goferry.deploy.provision.variables import EnvironmentOptions

        options = EnvironmentOptions(
            service,
            hosts,
            environment,
            directory,
            project,
            user,
            identity,
            known_hosts,
            # Standard input may be the variables; a password is read from the terminal itself.
            sudo_password.asker(sys.stderr),
        )
        function(*args, options=options, **kwargs)

    decorated: Callable[..., None] = wrapped
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


@click.group(
    epilog=example(
        "goferry env set api --environment production < secrets",
        "goferry env unset api DATABASE_URL --host web-1",
        "goferry env list api --host web-1",
    )
)
def command() -> None:
    """Set, unset and list a service's secrets on hosts.

    Names are shown, values never. What is changed waits for the next start that is proven: `goferry restart`, a deploy
    or a rollback. It takes the login of `goferry provision`; a deploy key can't do it.
    """


@command.command("set", epilog=example("goferry env set api --environment production < secrets"))
@_hosts_options
@click.option("--allow-godebug", is_flag=True, help="Take GODEBUG too, which switches checks of Go's libraries off.")
@dry_run_option
@output_options
def set_(output: Output, *, options: EnvironmentOptions, allow_godebug: bool, dry_run: bool) -> None:
    """Set variables: lines of NAME=VALUE from standard input.

    Each value is what stands behind the first = of its line, as it is. All hosts can take it, or none is changed.
    """
    from goferry.deploy.provision import variables as work

    if sys.stdin.isatty():
        sys.stderr.write("Lines of NAME=VALUE, to be ended with Ctrl-D:\n")
    data = sys.stdin.buffer.read(work.MOST + 1)
    with output.stream() as stream:
        record = work.set_values(
            options, data, debug=allow_godebug, settings=settings(), stream=stream, dry_run=dry_run
        )
    output.result(record.as_json(), *record.lines())


@command.command(epilog=example("goferry env unset api DATABASE_URL --host web-1"))
@_hosts_options
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@dry_run_option
@output_options
def unset(output: Output, *, options: EnvironmentOptions, names: tuple[str, ...], dry_run: bool) -> None:
    """Unset variables by their names."""
    from goferry.deploy.provision import variables as work

    with output.stream() as stream:
        record = work.unset(options, names, settings=settings(), stream=stream, dry_run=dry_run)
    output.result(record.as_json(), *record.lines())


@command.command("list", epilog=example("goferry env list api --host web-1"))
@_hosts_options
@output_options
def list_(output: Output, *, options: EnvironmentOptions) -> None:
    """List the names of a service's variables."""
    from goferry.deploy.provision import variables as work

    with output.stream() as stream:
        record = work.listed(options, settings=settings(), stream=stream)
    output.result(record.as_json(), *record.lines())
