"""`goferry logs`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from goferry.cli.output import Output, example, output_options, settings
from goferry.cli.since import Since
from goferry.cli.target_options import target_options
from goferry.kernel.errors import printable

if TYPE_CHECKING:
    from goferry.deploy.log_lines import HostLost, LogLine
    from goferry.deploy.options import Options
    from goferry.kernel.errors import GoferryError

LINES = 50


@click.command(
    epilog=example(
        "goferry logs --target local --root run",
        "goferry logs api -f --environment production --identity ~/.ssh/shop_deploy",
        "goferry logs --host web-1 --since 10m --json",
        "goferry logs --host web-1 --version v1.4.0 --lines 200",
    )
)
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@target_options(wait=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written next, until Ctrl-C.")
@click.option("--since", type=Since(), help="From when: 10m, 2h or 7d ago, a day, or a time as 2026-11-27T19:52:30Z.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(0, 100_000),
    help=f"The last so many lines of each host.  [default: {LINES}; all with --since]",
)
@click.option("--version", default="", help="What this version wrote, whenever it ran; else what is live.")
@click.option("--local-time", is_flag=True, help="Show times in this machine's time zone instead of UTC.")
@output_options
def command(
    output: Output,
    *,
    options: Options,
    services: tuple[str, ...],
    follow: bool,
    since: float | None,
    lines: int | None,
    version: str,
    local_time: bool,
) -> None:
    """Show what services wrote, on one host or all.

    It is what the live versions wrote, or any version that ran, in the order of time. Reading waits for no deploy and
    keeps none waiting. With -f it goes on, also with what a candidate writes while a deploy tries it. With --json each
    line is one object.
    """
    from goferry.deploy import destination, log_lines
    from goferry.deploy.log_lines import HostLost, LogQuery

    where = destination.resolve(options)
    wanted = LINES if lines is None and since is None else lines
    query = LogQuery(services, version, since or 0.0, wanted, follow)
    sources = where.target.sources(settings())
    head = _Head(several=len(sources) > 1, local_time=local_time)
    failures: dict[str, GoferryError] = {}
    try:
        for event in log_lines.read(sources, query):
            if isinstance(event, HostLost):
                _lost(output, event, alone=len(sources) == 1)
                failures.update({} if event.again else {event.host: event.error})
            else:
                _line(output, event, head)
    except KeyboardInterrupt:
        if not follow:
            raise
        # To stop following is how it ends, and no failure to report.
        raise click.exceptions.Exit(130) from None
    if failures:
        raise next(iter(failures.values()))


class _Head:
    """What stands before a line: its time, and what tells it apart once there are several: host, service, version."""

    def __init__(self, *, several: bool, local_time: bool) -> None:
        self._several, self._local = several, local_time
        self._services, self._versions = set[str](), set[tuple[str, str]]()

    def of(self, line: LogLine) -> str:
        """Return it, with a space behind it."""
        self._services.add(line.service)
        self._versions.add((line.service, line.version))
        parts = [
            line.local_time if self._local else line.time,
            line.host if self._several else "",
            line.service if len(self._services) > 1 else "",
            line.version if len(self._versions) > len(self._services) else "",
        ]
        return "".join(f"{part} " for part in parts if part)


def _line(output: Output, line: LogLine, head: _Head) -> None:
    output.each(line.as_json(), head.of(line) + line.text)


def _lost(output: Output, event: HostLost, *, alone: bool) -> None:
    """Say that a host can't be read, unless that is the error with which the command ends."""
    if output.quiet or (alone and not event.again):
        return
    then = "; it is asked again" if event.again else ""
    sys.stderr.write(printable(f"{event.host}: {event.error.name}: {event.error.what}{then}", 500) + "\n")
