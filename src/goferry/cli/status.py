"""`goferry status`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from goferry.cli.output import Output, example, output_options, settings
from goferry.cli.target_options import known, target_options

if TYPE_CHECKING:
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
    record = deploy.status(where.target, settings=settings())
    if lines:
        record = {**record, "logs": deploy.logs(where.target, lines=lines, settings=settings())["logs"]}
    shown = [line for name, live in sorted(record["live"].items()) for line in _lines(name, live)]
    for name, live in sorted(record["live"].items()):
        if live.get("barred"):
            shown.append(f"{name} is below the trust file's minimum: once it ends it is not started again")
        if live.get("held"):
            held, previous = ", ".join(live["held"]), live.get("previous")
            back = f"{name} can go back: {held} ({previous} is next)"
            shown.append(back if previous else f"{name} keeps {held} too: goferry rollback --to VERSION")
    shown += [line for name, floor in sorted(record["floors"].items()) for line in _floor(name, floor)]
    shown += [f"note: {note}" for note in record.get("notes", [])]
    busy = ["a deploy is going on"] if record["busy"] else []
    told = [line for name, log in sorted(record.get("logs", {}).items()) for line in ("", f"{name}:", *log)]
    shown += _stopped(record.get("stopped", {}), where.target.options)
    output.result(record, *record["recovered"], *(shown or ["nothing is deployed"]), *busy, *told)


def _stopped(stopped: Mapping[str, Any], options: str) -> list[str]:
    """Return what was taken down, and how each project is started again from what the target holds."""
    told = [
        f"{name} {each['version']} was stopped; its releases, data and logs are kept"
        for name, each in sorted(stopped.items())
    ]
    last = {each["project"]: each["version"] for _, each in sorted(stopped.items())}
    for project, version in last.items():
        which = f" --project {shlex.quote(project)}" if len(last) > 1 else ""
        told.append(f"start it again:  goferry rollback --to {shlex.quote(version)}{which} {options}")
    return told


def _floor(name: str, floor: Mapping[str, Any]) -> list[str]:
    """Return when somebody lowered a project's floor, or why it can't be read."""
    wrong = [f"{name}: its floor can't be read: {floor['error']}"] if floor.get("error") else []
    return wrong + [
        f"{name}: its floor was lowered from {each['from']} to {each['to']} on {each['at']}: {each['reason']}"
        for each in floor.get("lowered") or []
    ]


def _lines(name: str, live: Mapping[str, Any]) -> list[str]:
    first = (
        f"{name} {live['version']} {live['state']} at {live['url']} (pid {known(live['pid'])}, {live['digest'][:12]})"
    )
    return [first, f"  nobody reaches it: {live['unreached']}"] if live.get("unreached") else [first]
