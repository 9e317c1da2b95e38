"""`goferry inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from msgspec import to_builtins

from goferry.cli.output import Output, example, output_options, settings
from goferry.cli.project_options import project_options
from goferry.config.context import Context

if TYPE_CHECKING:
    from goferry.pipeline.project import ProjectRequest


@click.command(epilog=example("goferry inspect", "goferry inspect --config", "goferry inspect --json"))
@project_options
@click.option("--config", "show_config", is_flag=True, help="Show the configuration with every default.")
@output_options
def command(output: Output, *, request: ProjectRequest, show_config: bool) -> None:
    """Show what Goferry sees: modules, main packages, version, and what a push means."""
    from goferry.pipeline import inspection
    from goferry.pipeline.project import open_project

    with output.stream() as stream:
        opened = open_project(Context(settings(), stream), request)
        found = inspection.Beside({}) if show_config else inspection.beside(opened, settings())
    if show_config:
        output.result({"config": inspection.config(opened)}, *inspection.config_lines(opened))
        return
    output.result(to_builtins(inspection.record(opened, found)), *inspection.lines(opened, found))
