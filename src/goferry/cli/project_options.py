"""What commands take that open a project."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path

import click

directory_option = click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=".",
    help="The repository, or a folder in it.",
)
project_option = click.option("--project", default="", help="Which of several projects in goferry.yml.")
targets_option = click.option(
    "--targets", multiple=True, metavar="GOOS/GOARCH,…", help="Platforms, instead of builds.targets."
)


def project_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add what every command takes that opens a project; it gets `request`, with its --out where it has one."""
    options = (
        directory_option,
        project_option,
        targets_option,
        click.option(
            "--version", default="", help="The version, instead of the one that git says; a release outside of CI."
        ),
    )

    @wraps(function)
    def wrapped(
        *args: object,
        directory: Path,
        project: str,
        targets: tuple[str, ...],
        version: str,
        out: Path | None = None,
        **kwargs: object,
    ) -> None:
        from goferry.pipeline.project import ProjectRequest

        function(*args, request=ProjectRequest(directory, project, version, targets, out), **kwargs)

    decorated: Callable[..., None] = wrapped
    for option in reversed(options):
        decorated = option(decorated)
    return decorated
