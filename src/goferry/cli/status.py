"""`goferry status`."""

from __future__ import annotations

import shlex
import sys
import time
from typing import TYPE_CHECKING

import click

from goferry.cli.output import Output, example, output_options, settings
from goferry.cli.target_options import known, target_options
from goferry.kernel.errors import Unreachable, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from goferry.deploy.contract import ShownStatus
    from goferry.deploy.held import Held, HeldService
    from goferry.deploy.live import LiveService, ServiceFloor, Services
    from goferry.deploy.options import Options

EACH = 2.0
"""Seconds between two looks with --watch alone."""


@click.command(
    epilog=example(
        "goferry status --target local --root run",
        "goferry status --environment production --identity ~/.ssh/shop_deploy --json",
        "goferry status --host web-1 --details",
        "goferry status --environment production --watch",
    )
)
@target_options(wait=False)
@click.option("--logs", "lines", default=0, type=click.IntRange(0, 1000), help="Show so many lines of the logs too.")
@click.option("--details", is_flag=True, help="Measure what is held: versions, store, data, logs, free space.")
@click.option(
    "--watch",
    type=click.FloatRange(0.5, 3600),
    is_flag=False,
    flag_value=EACH,
    metavar="[SECONDS]",
    help=f"Ask again every so many seconds ({EACH:g}), until Ctrl-C; elsewhere than on a terminal, print what changes.",
)
@output_options
def command(output: Output, *, options: Options, lines: int, details: bool, watch: float | None) -> None:
    """Show what is live on a target.

    What an interrupted deploy left unfinished is brought to its end first, as by every command on a target.
    """
    from functools import partial

    from goferry import deploy
    from goferry.deploy import destination

    if watch is not None and lines:
        raise click.UsageError("--watch shows no logs; follow them with:  goferry logs -f")
    target = destination.resolve(options).target
    if watch is not None:
        ask = partial(deploy.status, target, settings=settings(), details=details)
        _watch(output, watch, lambda: _text(ask(), target.options, details=details))
        return
    status = deploy.status(target, settings=settings(), details=details)
    logs = deploy.logs(target, lines=lines, settings=settings()).logs if lines else {}
    tails = [line for name, log in sorted(logs.items()) for line in ("", f"{name}:", *log)]
    record = {**status.as_json(), **({"logs": dict(logs)} if lines else {})}
    output.result(record, *_text(status, target.options, details=details), *tails)


def _text(status: ShownStatus, options: str, *, details: bool) -> list[str]:
    """Return what a person reads; `options` are those of commands on the target."""
    shown = [line for name, live in sorted(status.live.items()) for line in _lines(name, live)]
    for name, live in sorted(status.live.items()):
        if live.barred:
            shown.append(f"{name} is below the trust file's minimum: once it ends it is not started again")
        if live.newer_values:
            what = f"{name} was started before its environment was changed; it gets the newer values by:"
            shown.append(f"{what}  goferry restart {shlex.quote(live.service or name)} {options}")
        if live.held:
            held = ", ".join(live.held)
            back = f"{name} can go back: {held} ({live.previous} is next)"
            shown.append(back if live.previous else f"{name} keeps {held} too: goferry rollback --to VERSION")
    shown += [line for name, floor in sorted(status.floors.items()) for line in _floor(name, floor)]
    if details:
        shown += _holds(status.holds)
    shown += [f"note: {note}" for note in status.notes]
    busy = ["a deploy is going on"] if status.busy else []
    shown += _stopped(status.stopped, options)
    return [*status.recovered, *(shown or ["nothing is deployed"]), *busy]


def _holds(holds: Mapping[str, Held]) -> list[str]:
    """Return what targets hold."""
    from goferry.observe import humanize

    if not holds:
        return ["what is held is not known: the host's agent is older; goferry provision HOST"]
    lines = []
    for host, held in sorted(holds.items()):
        head = f"{host} " if host and len(holds) > 1 else ""
        lines += [line for name, each in sorted(held.services.items()) for line in _held(head + name, each)]
        disk = [] if held.free is None or held.size is None else [(held.free, "free of"), (held.size, "")]
        parts = [f"{humanize.size(size)} {what}".strip() for size, what in disk]
        journal = [] if held.journal is None else [f"systemd's journal {humanize.size(held.journal)}"]
        lines += [f"{host or 'disk'}: " + ", ".join([" ".join(parts), *journal])] if parts else []
    return lines


def _held(name: str, held: HeldService) -> list[str]:
    from goferry.observe import humanize

    sizes = {"store": held.store, "data": held.data, "log": held.log}
    shown = [
        f"{what} {'more than ' if what in held.part else ''}{humanize.size(size)}"
        for what, size in sizes.items()
        if size is not None
    ]
    count = len(held.versions)
    lines = [f"{name} holds {count} version{'' if count == 1 else 's'}: " + ", ".join(shown)]
    going = [each.version for each in held.versions if each.goes_next]
    if going:
        lines.append(f"  the next deploy removes {', '.join(going)}")
    if held.restarts:
        lines.append(f"  started again {held.restarts} time{'' if held.restarts == 1 else 's'} since its deploy")
    return lines


def _watch(output: Output, seconds: float, ask: Callable[[], list[str]]) -> None:
    """Show what is live again and again: drawn anew on a terminal, elsewhere what changes, each behind the time."""
    terminal, before = sys.stdout.isatty(), list[str]()
    try:
        while True:
            try:
                now = ask()
            except Unreachable as error:
                # A host that is down for a while is what one watches for.
                now = [f"{error.name}: {error.what.splitlines()[0] if error.what else ''}"]
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            if terminal:
                _draw(at, now)
            else:
                _changes(output, at, before, now)
            before = now
            time.sleep(seconds)
    except KeyboardInterrupt:
        # To stop watching is how it ends, and no failure to report.
        raise click.exceptions.Exit(130) from None


def _draw(at: str, lines: list[str]) -> None:
    # Home, and each line cleared as it is written: a screen that is cleared first flickers.
    text = "".join(f"{printable(line, 10_000)}\x1b[K\n" for line in (at, *lines))
    sys.stdout.write(f"\x1b[H{text}\x1b[J")
    sys.stdout.flush()


def _changes(output: Output, at: str, before: list[str], now: list[str]) -> None:
    for line in [each for each in before if each not in now]:
        output.each({"time": at, "change": "gone", "line": line}, f"{at} gone: {line}")
    for line in [each for each in now if each not in before]:
        output.each({"time": at, "change": "now", "line": line}, f"{at} {line}")


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
