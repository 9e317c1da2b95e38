"""`goferry build`."""

from __future__ import annotations

from pathlib import Path

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.cli.plan import project_options


@click.command(epilog=example("goferry build", "goferry build --targets linux/amd64,windows/amd64 --version v1.2.3"))
@project_options
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write.  [default: DIR/dist]")
@click.option("--shard", "part", metavar="I/N", default="", help="Build part I of N of the targets; see goferry merge.")
@dry_run_option
@output_options
def command(
    output: Output,
    *,
    directory: Path,
    project: str,
    targets: tuple[str, ...],
    version: str,
    out: Path | None,
    part: str,
    dry_run: bool,
) -> None:
    """Cross-compile every main package for every target into dist/, reproducibly.

    Static programs with -trimpath and -s -w; version, commit and date are filled in where package main has such
    variables. What is done and unchanged is not done again.
    """
    from goferry.pipeline import build

    with output.stream() as stream:
        job = build.prepare(
            directory,
            settings=settings(),
            stream=stream,
            project=project,
            targets=targets,
            version=version,
            out=out,
            shard=part,
        )
        ledger = None if dry_run else build.run(job, settings=settings(), stream=stream)
    if ledger is None:
        output.result({**job.plan.as_json(), "out": str(job.out)}, *build.lines(job))
        return
    rows = [f"  {artifact.name}  {artifact.size:,} bytes" for artifact in ledger.artifacts.values()]
    told = [f"{ledger.project} {ledger.version} in {job.out}", *rows, *(f"  {x}" for x in ledger.uncommitted_lines())]
    output.result(build.record(ledger, job.out), *told)
