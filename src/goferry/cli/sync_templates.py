"""`goferry sync-templates`."""

from __future__ import annotations

from pathlib import Path

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings


@click.command(epilog=example("goferry sync-templates ../.github --owner OWNER --ref v1.0.0"))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--owner", required=True, help="Who holds the repository goferry that the workflows call.")
@click.option("--repository", default="goferry", show_default=True, help="Its name, where it is another.")
@click.option("--ref", required=True, metavar="TAG", help="The version to pin, such as v1.0.0.")
@click.option("--sha", default="", help="The version's commit, where this checkout does not have the tag.")
@dry_run_option
@output_options
def command(output: Output, folder: Path, owner: str, repository: str, ref: str, *, sha: str, dry_run: bool) -> None:
    """Give an organisation the starter workflows.

    They go into its .github repository, checked out at DIR, and are pinned to the version's commit. A second run
    changes nothing; files of others are never overwritten.
    """
    from goferry.pipeline import starter_workflows
    from goferry.pipeline.rendering import TemplateSource

    commit = starter_workflows.checked_commit(sha) if sha else starter_workflows.commit_of(ref, settings().environ)
    place = TemplateSource(f"{owner}/{repository}", commit, ref)
    changes = starter_workflows.plan(folder, place)
    if not dry_run:
        starter_workflows.write(changes)
    changed = [change for change in changes if change.action != "unchanged"]
    record = {
        "folder": str(folder / starter_workflows.FOLDER),
        "repository": place.repository,
        "ref": ref,
        "sha": commit,
        "changed": bool(changed),
        "files": [{"name": change.path.name, "action": change.action} for change in changes],
    }
    lines = [f"{change.action:9} {starter_workflows.FOLDER}/{change.path.name}" for change in changes]
    done = f"nothing was written (dry run): {len(changed)} files differ" if dry_run else f"{len(changed)} files written"
    following = (
        [f"next:  git -C {folder} add {starter_workflows.FOLDER} && git -C {folder} commit"]
        if changed and not dry_run
        else []
    )
    output.result(record, *lines, done, *following)
