"""`goferry cache`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.cli.project_options import directory_option, project_option, targets_option
from goferry.config.context import Context

if TYPE_CHECKING:
    from goferry.pipeline.caching import JobRequest


_WORK = click.option(
    "--work",
    type=click.Choice(["all", "build", "test"]),
    default="all",
    show_default=True,
    help="What the job does: build for its targets, vet and test here, or both.",
)
_TRUST = click.option(
    "--trust",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Whose signatures count; goferry.cache.trust unless given.",
)


def _request(directory: Path, project: str, targets: tuple[str, ...], work: str = "all") -> JobRequest:
    from goferry.pipeline.caching import JobRequest

    asked = JobRequest(directory, project, targets)
    return asked if work == "all" else replace(asked, works=(work,))


@click.group(
    epilog=example("goferry cache restore --from /var/cache/ci", "goferry cache save --to s3://acme-ci/trusted")
)
def command() -> None:
    """Keep modules and compiled packages between jobs."""


@command.command(epilog=example("goferry cache restore --from /var/cache/ci"))
@click.option("--from", "place", required=True, metavar="PLACE", help="A folder, or s3://NAME/PREFIX.")
@click.option("--signed", is_flag=True, help="Only compiled packages that a signature covers, and none from before.")
@_TRUST
@click.option(
    "--deadline",
    type=click.FloatRange(0, 86_400),
    default=300,
    show_default=True,
    help="Seconds after which the job goes on without the rest.",
)
@_WORK
@directory_option
@project_option
@targets_option
@dry_run_option
@output_options
def restore(
    output: Output,
    *,
    place: str,
    signed: bool,
    trust: Path | None,
    work: str,
    directory: Path,
    project: str,
    targets: tuple[str, ...],
    deadline: float,
    dry_run: bool,
) -> None:
    """Bring what was kept; stages of this checkout use it from now on."""
    from goferry.pipeline import caching

    do = caching.status if dry_run else partial(caching.restore, deadline=deadline)
    with output.stream() as stream:
        rows = do(
            Context(settings(), stream), _request(directory, project, targets, work), place, signed=signed, trust=trust
        )
    output.result(caching.record(rows), *caching.lines(rows))


@command.command(epilog=example("goferry cache save --to /var/cache/ci"))
@click.option("--to", "place", required=True, metavar="PLACE", help="A folder, or s3://NAME/PREFIX.")
@click.option(
    "--list",
    "listing",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write there which packs goferry cache sign may sign.",
)
@_WORK
@directory_option
@project_option
@targets_option
@dry_run_option
@output_options
def save(
    output: Output,
    *,
    place: str,
    listing: Path | None,
    work: str,
    directory: Path,
    project: str,
    targets: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Take away what the work of this checkout used and the place lacks."""
    from goferry.pipeline import caching

    with output.stream() as stream:
        rows = caching.save(
            Context(settings(), stream),
            _request(directory, project, targets, work),
            place,
            dry_run=dry_run,
            listing=listing,
        )
    output.result(caching.record(rows), *caching.lines(rows))


@command.command(epilog=example("goferry cache sign packs.json --to /var/cache/ci"))
@click.argument("lists", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="LIST...")
@click.option("--to", "place", required=True, metavar="PLACE", help="A folder, or s3://NAME/PREFIX.")
@click.option(
    "--key", type=click.Path(path_type=Path, dir_okay=False), help="The cache's secret key; else GOFERRY_CACHE_KEY."
)
@_TRUST
@directory_option
@dry_run_option
@output_options
def sign(
    output: Output,
    *,
    lists: tuple[Path, ...],
    place: str,
    key: Path | None,
    trust: Path | None,
    directory: Path,
    dry_run: bool,
) -> None:
    """Sign what goferry cache save --list wrote.

    A list must be of this repository and commit, and the key in the trust file. Sign in a job that runs nothing else.
    """
    from goferry.kernel.trustfile import CACHE_NAME
    from goferry.pipeline import caching

    surroundings = settings()
    rows = caching.sign(
        lists,
        place,
        key=key or caching.signing_key(surroundings.environ),
        trust=trust or directory / CACHE_NAME,
        directory=directory,
        settings=surroundings,
        dry_run=dry_run,
    )
    output.result(caching.record(rows), *(caching.lines(rows) or ["there is nothing to sign"]))


@command.command(epilog=example("goferry cache status --from /var/cache/ci"))
@click.option("--from", "place", required=True, metavar="PLACE", help="A folder, or s3://NAME/PREFIX.")
@click.option("--signed", is_flag=True, help="What goferry cache restore --signed would bring.")
@_TRUST
@directory_option
@project_option
@targets_option
@output_options
def status(
    output: Output,
    *,
    place: str,
    signed: bool,
    trust: Path | None,
    directory: Path,
    project: str,
    targets: tuple[str, ...],
) -> None:
    """Say what would be brought, what of it is signed, and where nothing fits, which input has changed."""
    from goferry.pipeline import caching

    with output.stream() as stream:
        rows = caching.status(
            Context(settings(), stream), _request(directory, project, targets), place, signed=signed, trust=trust
        )
    output.result(caching.record(rows), *caching.lines(rows))


@command.command(epilog=example("goferry cache prune --from /var/cache/ci --dry-run"))
@click.option("--from", "place", required=True, metavar="PLACE", help="A folder, or s3://NAME/PREFIX.")
@click.option("--keep", type=click.IntRange(1), default=2, show_default=True, help="So many of each slot stay.")
@click.option(
    "--days", type=click.FloatRange(0), default=30, show_default=True, help="What nobody used for longer goes."
)
@dry_run_option
@output_options
def prune(output: Output, *, place: str, keep: int, days: float, dry_run: bool) -> None:
    """Remove packs that newer ones have replaced, and those that nobody uses any more."""
    from goferry.pipeline import caching

    rows = caching.prune(place, keep=keep, days=days, dry_run=dry_run)
    output.result(caching.record(rows), *caching.lines(rows))
