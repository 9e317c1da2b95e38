"""`goferry build`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click
from msgspec import to_builtins

from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.cli.plan import build_options, show
from goferry.config.context import Context

if TYPE_CHECKING:
    from goferry.observe.events import Stream
    from goferry.pipeline.build import BuildJob


@click.command(epilog=example("goferry build", "goferry build --targets linux/amd64,windows/amd64 --version v1.2.3"))
@build_options
@dry_run_option
@output_options
def command(output: Output, *, prepare: Callable[[Stream], BuildJob], dry_run: bool) -> None:
    """Cross-compile every main package for every target into dist/, reproducibly.

    Static programs with -trimpath and -s -w; version, commit and date are filled in where package main has such
    variables. What is done and unchanged is not done again.
    """
    from goferry.artifacts.given import typed
    from goferry.pipeline import build

    with output.stream() as stream:
        job = prepare(stream)
        ledger = None if dry_run else build.run(Context(settings(), stream), job)
    if ledger is None:
        show(output, job)
        return
    rows = [f"  {artifact.name}  {artifact.size:,} bytes" for artifact in ledger.artifacts.values()]
    folder = typed(job.out)
    lines = [f"{ledger.project} {ledger.version} in {folder}", *rows, *(f"  {x}" for x in ledger.uncommitted_lines())]
    output.result(
        to_builtins(build.record(ledger, job.out)), *lines, f"next:  goferry sign {folder} --openpgp-key FILE"
    )
