"""`goferry merge`."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec import to_builtins

from goferry.cli.output import Output, dry_run_option, example, output_options


@click.command(epilog=example("goferry merge part-1 part-2 --out dist"))
@click.argument("parts", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path), default="dist", show_default=True, help="Folder to write.")
@dry_run_option
@output_options
def command(output: Output, parts: tuple[Path, ...], out: Path, *, dry_run: bool) -> None:
    """Join the partial dist/ folders of several runners.

    They are those of `goferry build --shard I/N`: all of them, of one commit.
    """
    from goferry.gobuild import merge
    from goferry.pipeline import build

    if dry_run:
        names = merge.check(parts)
        output.result(
            {"out": str(out), "files": names}, f"{len(names)} files into {out}", *(f"  {name}" for name in names)
        )
        return
    ledger = merge.merge(parts, out)
    count = len(ledger.artifacts)
    output.result(
        to_builtins(build.record(ledger, out)),
        f"{ledger.project} {ledger.version} in {out}: {count} files of {len(parts)} parts",
    )
