"""The options that every command on a target shares."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from goferry.deploy import Deployment, Foreseen
    from goferry.deploy.live import Services

_DAY = 86_400
_FILE = click.Path(dir_okay=False, path_type=Path)


def _seconds(_context: click.Context, _option: click.Parameter, value: float) -> float:
    if not 0 <= value <= _DAY:  # neither is NaN
        raise click.BadParameter(f"{value} is not from 0 to {_DAY} seconds")
    return value


target_option = click.option("--target", default="", help="Where to: `local`, or `ssh` for hosts.")
root_option = click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    help="The local target's folder; everything that is deployed lives in it.",
)
wait_option = click.option(
    "--wait",
    default=60.0,
    show_default=True,
    callback=_seconds,
    help="Seconds to wait for another deploy on the target to end.",
)
host_option = click.option(
    "--host", "hosts", multiple=True, help="A host as NAME, NAME:PORT or USER@NAME; may be repeated."
)
user_option = click.option(
    "--user", default="root", show_default=True, help="The login on the hosts: root, or one that may use sudo."
)
identity_option = click.option("--identity", type=_FILE, help="The private key for the hosts; else your own keys.")
known_hosts_option = click.option(
    "--known-hosts",
    type=_FILE,
    help="The hosts' keys; else .goferry/known_hosts of the repository, else your own.",
)
environment_option = click.option(
    "--environment", default="", help="Take hosts and rules from this environment of goferry.yml."
)
directory_option = click.option(
    "--dir",
    "directory",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The repository, for its goferry.yml.  [default: .]",
)
_OPTIONS = (
    target_option,
    root_option,
    host_option,
    identity_option,
    known_hosts_option,
    environment_option,
    directory_option,
)


def target_options(*, wait: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options that say where a command goes; the command gets them as one `options: deploy.options.Options`."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def wrapped(
            *args: object,
            target: str,
            root: Path | None,
            hosts: tuple[str, ...],
            identity: Path | None,
            known_hosts: Path | None,
            environment: str,
            directory: Path,
            wait: float = 60.0,
            **kwargs: object,
        ) -> None:
            from goferry.deploy.options import Options

            options = Options(
                target=target,
                hosts=hosts,
                root=root,
                identity=identity,
                known_hosts=known_hosts,
                wait=wait,
                environment=environment,
                directory=directory,
            )
            function(*args, options=options, **kwargs)

        decorated: Callable[..., None] = wrapped
        for option in reversed((*_OPTIONS, *((wait_option,) if wait else ()))):
            decorated = option(decorated)
        return decorated

    return add


def lines_of(record: Deployment | Foreseen) -> list[str]:
    """Return what a person reads after a deploy or a rollback."""
    from goferry.deploy.deployment import Foreseen

    if isinstance(record, Foreseen):
        return _planned(record)
    if record.unchanged:
        return [f"{record.project} {record.version} is live already; nothing was changed."]
    lines = _served(record.services, "") if record.alone else []
    for host, each in {} if record.alone else record.hosts.items():
        unchanged = each.outcome == "unchanged"
        lines += [f"{host}: it is live there already"] if unchanged else _served(each.services, f"{host}: ")
    switched = "" if record.switch_ms is None else f"switched in {record.switch_ms} ms, "
    return [*lines, f"{switched}committed after {record.seconds:.1f} s"]


def _served(services: Services, host: str) -> list[str]:
    lines = []
    for name, service in sorted(services.items()):
        before = f" (before: {service.previous})" if service.previous else ""
        before = " (started again)" if service.previous == service.version else before
        where = f" at {service.url}" if service.url else ""
        lines.append(f"{host}{name} {service.version} is live{where}{before}")
        if service.gap_ms:
            lines.append(f"  this service does not take its socket from Goferry: {service.gap_ms} ms gap")
    return lines


def _planned(record: Foreseen) -> list[str]:
    lines = []
    for host, plan in record.hosts.items():
        head = "" if record.alone else f"{host}: "
        lines += [
            f"{head}{change.service}: {change.before or 'nothing'} → {change.to} "
            f"(slot {known(change.slot)}, port {known(change.port)})"
            for change in plan.changes
        ]
    acts = [f"  {act.act} {', '.join(act.services)}" for act in record.acts]
    return [*lines, *acts] or ["nothing to do: it is live already"]


def known(figure: int | None) -> str:
    """Return a figure of a host, or that it gave none."""
    return "unknown" if figure is None else str(figure)
