"""`goferry fetch`: bring a release from GitHub."""

from __future__ import annotations

from pathlib import Path

import click

from goferry.cli.github import github, repository_option
from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.config.context import Context


@click.command(
    epilog=example(
        "goferry fetch v1.4.0@sha256:DIGEST --repository acme/shop --out dist",
        "goferry fetch acme/shop@v1.4.0@sha256:DIGEST --out dist --only api_linux_amd64",
    )
)
@click.argument("reference")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder to fill.")
@repository_option
@click.option("--only", multiple=True, metavar="NAME", help="Bring this file and what proves it; may be repeated.")
@dry_run_option
@output_options
def command(
    output: Output, *, reference: str, out: Path, repository: str, only: tuple[str, ...], dry_run: bool
) -> None:
    """Bring a GitHub release by its reference, byte for byte.

    Downloads the release that REFERENCE means; every byte is checked against it before a file gets its name.
    Signatures are checked by `goferry verify` or `goferry deploy`, with your trust file.
    """
    from goferry import release

    of = release.reference.parse(reference).repository
    with output.stream() as stream:
        record = release.download(
            Context(settings(), stream), reference, out, github=github(of or repository), only=only, dry_run=dry_run
        )
    if dry_run:
        output.result(record.as_json(), *[f"download {name}" for name in record.downloaded])
        return
    output.result(
        record.as_json(),
        f"{record.project} {record.version}: {len(record.downloaded)} files downloaded into {out}, "
        f"{len(record.kept)} there already",
        f"next:  goferry verify {out} --trust goferry.trust",
    )
