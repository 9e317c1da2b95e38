"""`goferry schema`."""

from __future__ import annotations

import json

import click

from goferry.cli.output import Output, example, output_options


@click.command(epilog=example("goferry schema > goferry.schema.json"))
@output_options
def command(output: Output) -> None:
    """Print the JSON Schema of goferry.yml, for editors and linters."""
    from goferry.config.describe import schema

    text = json.dumps(schema(), indent=None if output.json else 2)
    click.echo(text)
