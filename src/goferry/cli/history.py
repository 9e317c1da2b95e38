"""`goferry history`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import click

from goferry.cli.output import Output, example, output_options, settings
from goferry.cli.since import Since
from goferry.cli.target_options import target_options

if TYPE_CHECKING:
    from goferry.deploy.options import Options
    from goferry.deploy.past_deploys import PastDeploy

_PLAIN = re.compile(r"[A-Za-z0-9._@+\[\]-]+")


@click.command(
    epilog=example(
        "goferry history --target local --root run",
        "goferry history --environment production --since 7d",
        "goferry history --host web-1 --limit 5 --json",
    )
)
@target_options(wait=False)
@click.option("--since", type=Since(), help="From when: 10m, 2h or 7d ago, a day, or a time as 2026-11-27T19:52:30Z.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100_000), help="So many of each host.")
@click.option("--project", default="", help="Of this project alone, where several are deployed.")
@output_options
def command(output: Output, *, options: Options, since: float | None, limit: int, project: str) -> None:
    """Show what was deployed and rolled back, and what came of it.

    The newest comes first, with who, when and how long. Each host is asked for its own record, which outlives what else
    it keeps of a deploy.
    """
    from goferry.deploy import destination, past_deploys

    where = destination.resolve(options)
    sources = where.target.sources(settings())
    found = past_deploys.read(sources, project=project, since=since or 0.0, limit=limit)
    several = len(sources) > 1
    lines = [line for each in found.deploys for line in _lines(each, several=several)]
    if output.json or not lines:
        found.raise_failure()
    output.result(found.as_json(), *(lines or ["nothing was deployed"]))
    found.raise_failure()


def _lines(each: PastDeploy, *, several: bool) -> list[str]:
    """Return what a person reads of one: a line, and why it was undone."""
    from goferry.deploy.past_deploys import shown_time
    from goferry.observe import humanize

    took = "" if each.seconds is None else f" in {humanize.seconds(each.seconds)}"
    # The name is whatever the client says of itself, so one that may look like a key, which the host says, is quoted.
    who = f" by {each.by if _PLAIN.fullmatch(each.by) else json.dumps(each.by)}" if each.by else ""
    who += f" (key {each.key})" if each.key else ""
    what = ", ".join(map(str, each.changes)) or "nothing"
    parts = [shown_time(each.ended), each.host if several else "", f"{each.kind} {each.project}: {what}"]
    first = " ".join(part for part in parts if part) + f"  {each.outcome}{took}{who}"
    more = [f"  {each.error}: {each.what}"] if each.error else []
    return [first, *more, *([f"  {each.run}"] if each.run else [])]
