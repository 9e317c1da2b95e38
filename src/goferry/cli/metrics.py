"""`goferry metrics`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from goferry.cli.output import Output, example, output_options, settings
from goferry.cli.since import Since
from goferry.cli.target_options import target_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from goferry.deploy.options import Options
    from goferry.observe.delivery import Delivery


@click.command(
    epilog=example(
        "goferry metrics --target local --root run",
        "goferry metrics --environment production --since 90d --json",
        "goferry metrics --environment production --format html --output metrics.html",
        "goferry metrics --host web-1 --format prometheus --output /var/lib/prometheus/node-exporter/goferry.prom",
    )
)
@target_options(wait=False)
@click.option("--since", type=Since(), default="30d", show_default=True, help="The window: 30d, 12w, a day, or a time.")
@click.option("--project", default="", help="Of this project alone, where several are deployed.")
@click.option(
    "--format",
    "form",
    default="table",
    show_default=True,
    type=click.Choice(["table", "prometheus", "html"]),
    help="For a person, for node_exporter's textfile collector, or a page of its own.",
)
@click.option(
    "--output",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file, whole or not at all, instead of standard output.",
)
@output_options
def command(output: Output, *, options: Options, since: float, project: str, form: str, path: Path | None) -> None:
    """Show how deploys do: how often, how fast, how many fail, and how soon that is mended.

    The figures are computed from what the hosts recorded; a fleet's deploy counts once.
    """
    from goferry.deploy import destination, past_deploys
    from goferry.pipeline import delivery_figures

    if output.json and form != "table":
        raise click.UsageError(f"--json and --format {form} are two forms; choose one")
    now = time.time()
    where = destination.resolve(options)
    found = past_deploys.read(where.target.sources(settings()), project=project)
    # Figures of a part of the hosts would be wrong ones.
    found.raise_failure()
    projects = delivery_figures.figures(found.deploys, now=now, seconds=max(1.0, now - since))
    text = _text(projects, form, options.environment, now)
    if path is not None:
        from goferry.kernel.files import write_atomically

        write_atomically(path, text.encode())
    record = {"projects": {each.project: each.as_json() for each in projects}}
    if output.json:
        output.result(record)
    elif path is None and form == "table":
        output.result(record, *text.splitlines())
    elif path is None:
        sys.stdout.write(text)


def _text(projects: Sequence[Delivery], form: str, environment: str, now: float) -> str:
    from goferry.observe import delivery

    if form == "prometheus":
        return delivery.prometheus(projects, environment)
    if form == "html":
        from goferry.observe import delivery_page

        shown = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        return delivery_page.render(projects, environment=environment, now=shown)
    return "\n".join(delivery.table(projects) or ["nothing was deployed"]) + "\n"
