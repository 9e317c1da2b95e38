"""`goferry setup-go`."""

from __future__ import annotations

from pathlib import Path

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.cli.project_options import directory_option
from goferry.config.context import Context


@click.command(
    epilog=example(
        "goferry setup-go",
        "goferry setup-go --go-version 1.27",
        "goferry setup-go --go-version stable --resolve-only --json",
    )
)
@click.option(
    "--go-version", "version", default="", metavar="SPEC", help="1.27.3, 1.27, stable, …; default: as go.mod says."
)
@directory_option
@click.option("--resolve-only", is_flag=True, help="Say which version it would be and install nothing.")
@click.option("--prefer-machine", is_flag=True, help="Take a Go that is here already if it answers, unproven.")
@click.option("--proven", is_flag=True, help="Fail rather than use a Go that nothing proves.")
@dry_run_option
@output_options
def command(
    output: Output,
    *,
    version: str,
    directory: Path,
    resolve_only: bool,
    prefer_machine: bool,
    proven: bool,
    dry_run: bool,
) -> None:
    """Install the right Go, proven by the checksum database, and say where it is."""
    from goferry import golang
    from goferry.config.load import load

    loaded = load(directory)
    request = golang.GoRequest(
        loaded.directory,
        version,
        loaded.project,
        allow_unproven=not proven,
        prefer_machine=prefer_machine,
        afresh=True,
    )
    with output.stream() as stream:
        if resolve_only or dry_run:
            found = golang.resolve_version(Context(settings(), stream), request)
            output.result({"version": found.version, "source": found.source}, f"Go {found.version}  ({found.source})")
            return
        toolchain = golang.setup_go(Context(settings(), stream), request)
    record = {**toolchain.as_record(), "goroot": str(toolchain.goroot), "evidence": dict(toolchain.evidence)}
    output.result(record, f"Go {toolchain.version}  {toolchain.proof}", f"GOROOT={toolchain.goroot}")
