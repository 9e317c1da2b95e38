"""`goferry status`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from goferry.cli.output import Output, example, output_options, settings
from goferry.cli.target_options import known, target_options

if TYPE_CHECKING:
    from goferry.deploy.live import LiveService, ServiceFloor, Services
    from goferry.deploy.options import Options


@click.command(
    epilog=example(
        "goferry status --target local --root run",
        "goferry status --environment production --identity ~/.ssh/shop_deploy --json",
        "goferry status --host web-1 --logs 20",
    )
)
@target_options(wait=False)
@click.option("--logs", "lines", default=0, type=click.IntRange(0, 1000), help="Show so many lines of the logs too.")
@output_options
def command(output: Output, *, options: Options, lines: int) -> None:
    """Show what is live on a target.

    What an interrupted deploy left unfinished is brought to its end first, as by every command on a target.
    """
    from goferry import deploy
    from goferry.deploy import destination

    where = destination.resolve(options)
    status = deploy.status(where.target, settings=settings())
    logs = deploy.logs(where.target, lines=lines, settings=settings()).logs if lines else {}
    shown = [line for name, live in sorted(status.live.items()) for line in _lines(name, live)]
    for name, live in sorted(status.live.items()):
        if live.barred:
            shown.append(f"{name} is below the trust file's minimum: once it ends it is not started again")
        if live.held:
            held = ", ".join(live.held)
            back = f"{name} can go back: {held} ({live.previous} is next)"
            shown.append(back if live.previous else f"{name} keeps {held} too: goferry rollback --to VERSION")
    shown += [line for name, floor in sorted(status.floors.items()) for line in _floor(name, floor)]
    shown += [f"note: {note}" for note in status.notes]
    busy = ["a deploy is going on"] if status.busy else []
    tails = [line for name, log in sorted(logs.items()) for line in ("", f"{name}:", *log)]
    shown += _stopped(status.stopped, where.target.options)
    record = {**status.as_json(), **({"logs": dict(logs)} if lines else {})}
    output.result(record, *status.recovered, *(shown or ["nothing is deployed"]), *busy, *tails)


def _stopped(stopped: Services, options: str) -> list[str]:
    """Return what was taken down, and how each project is started again from what the target holds."""
    lines = [
        f"{name} {each.version} was stopped; its releases, data and logs are kept"
        for name, each in sorted(stopped.items())
    ]
    last = {each.project: each.version for _, each in sorted(stopped.items())}
    for project, version in last.items():
        which = f" --project {shlex.quote(project)}" if len(last) > 1 else ""
        lines.append(f"start it again:  goferry rollback --to {shlex.quote(version)}{which} {options}")
    return lines


def _floor(name: str, floor: ServiceFloor) -> list[str]:
    """Return when somebody lowered a project's floor, or why it can't be read."""
    wrong = [f"{name}: its floor can't be read: {floor.error}"] if floor.error else []
    return wrong + [
        f"{name}: its floor was lowered from {each.before} to {each.to} on {each.at}: {each.reason}"
        for each in floor.lowered
    ]


def _lines(name: str, live: LiveService) -> list[str]:
    first = f"{name} {live.version} {live.state} at {live.url} (pid {known(live.pid)}, {live.digest[:12]})"
    return [first, f"  nobody reaches it: {live.unreached}"] if live.unreached else [first]
