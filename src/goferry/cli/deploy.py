"""`goferry deploy`."""

from __future__ import annotations

from pathlib import Path

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.cli.target import lines_of, target_options


@click.command(
    epilog=example(
        "goferry deploy dist --target local --root run --trust goferry.trust",
        "goferry deploy dist --target local --root run --trust goferry.trust --service api --dry-run",
    )
)
@click.argument("dist", type=click.Path(exists=True, file_okay=False, path_type=Path))
@target_options
@click.option("--trust", type=click.Path(path_type=Path), required=True, help="The trust file: whose signatures count.")
@click.option("--service", "services", multiple=True, help="Deploy this service alone; may be repeated.")
@click.option(
    "--on-silence",
    type=click.Choice(["rollback", "commit"]),
    default="rollback",
    show_default=True,
    help="What the host does when this command dies before it commits.",
)
@dry_run_option
@output_options
def command(
    output: Output,
    *,
    dist: Path,
    target: str,
    root: Path,
    wait: float,
    trust: Path,
    services: tuple[str, ...],
    on_silence: str,
    dry_run: bool,
) -> None:
    """Bring the sealed release in DIST into service, blue-green.

    The host verifies it, starts it beside the live version, proves that it is healthy and itself, switches, watches
    it, and only then ends the version before. Whatever goes wrong, the version before serves.
    """
    from goferry import deploy
    from goferry.deploy.client import check_target

    check_target(target)
    place = deploy.Target(root, trust, wait, on_silence)
    with output.stream() as stream:
        record = deploy.deploy(dist, place, services=services, settings=settings(), stream=stream, dry_run=dry_run)
    output.result(record, *lines_of(record))
