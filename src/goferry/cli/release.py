"""`goferry release`: publish a sealed folder on GitHub."""

from __future__ import annotations

from pathlib import Path

import click

from goferry.cli.github import github, repository_option
from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.config.context import Context


@click.command(
    epilog=example(
        "goferry release dist --repository acme/shop --trust goferry.trust",
        "goferry release dist --repository acme/shop --dry-run",
    )
)
@click.argument("dist", type=click.Path(path_type=Path))
@repository_option
@click.option("--tag", default="", help="The release's tag; the sealed version unless given.")
@click.option("--trust", type=click.Path(path_type=Path), help="Verify DIST's signatures by this trust file first.")
@click.option("--draft", is_flag=True, help="Upload and check everything, but leave it a draft.")
@click.option(
    "--prerelease/--no-prerelease", default=None, help="Mark it so; as its version or draft says unless given."
)
@dry_run_option
@output_options
def command(
    output: Output,
    *,
    dist: Path,
    repository: str,
    tag: str,
    trust: Path | None,
    draft: bool,
    prerelease: bool | None,
    dry_run: bool,
) -> None:
    """Publish a sealed dist/ as a GitHub release.

    Uploads DIST to a draft, downloads it again, compares every byte, and publishes it once. Run it again after any
    interruption: it goes on from there, and says so when nothing is left to do. Reads the token from GITHUB_TOKEN or
    GH_TOKEN; the job needs `contents: write`.
    """
    from goferry import release

    with output.stream() as stream:
        record = release.publish(
            Context(settings(), stream),
            dist,
            github=github(repository),
            tag=tag,
            draft=draft,
            prerelease=prerelease,
            trust=trust,
            dry_run=dry_run,
        )
    if dry_run:
        output.result(record.as_json(), *(record.steps or ["nothing to do: published already, with the same bytes"]))
        return
    state = "unchanged" if record.unchanged else "published" if record.published else "draft"
    output.result(
        record.as_json(),
        f"{state}: {record.tag}, {len(record.uploaded)} files uploaded, {len(record.kept)} there already",
        record.url,
        f"release {record.release}",
    )
