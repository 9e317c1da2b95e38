"""`goferry init`."""

from __future__ import annotations

import dataclasses
import os
import shlex
from pathlib import Path

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings

SIGNED_PACKS = (
    "goferry keygen --cache --out KEYS && cp KEYS/goferry.cache.trust .",
    "gh secret set GOFERRY_CACHE_KEY < KEYS/cache.key",
    "GOFERRY_CACHE_KEY: ${{ secrets.GOFERRY_CACHE_KEY }}",
)
"""What has releases begin from signed packs: two commands, and a line of the workflow."""
NEXT = ("goferry test", "goferry build")
DEPLOYED = (*NEXT, "goferry up --target local --root ~/services")


@click.command(epilog=example("goferry init", "goferry init --dir ../shop --dry-run"))
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="Repository to look at.",
)
@dry_run_option
@output_options
def command(output: Output, *, directory: Path, dry_run: bool) -> None:
    """Look at a repository, say what was found, write as little as possible.

    goferry.yml is written only where it is needed: most repositories need none, and a file that is there is never
    overwritten. What is a guess is written as a comment, with its reason. In git, the dist/ of each project is
    added to .gitignore where no line names it. Needs no Go.
    """
    from goferry.config import load, start
    from goferry.config.ignored import ignore
    from goferry.config.survey import survey
    from goferry.gobuild import revision, tag_rule
    from goferry.kernel.trustfile import CACHE_NAME

    above, outer = load.above(directory), load.module_above(directory)
    seen = survey(directory)
    seen = dataclasses.replace(seen, configured=True) if above and seen.modules else seen
    top = revision.work_tree(directory)
    newest = revision.newest_tags(directory, settings().environ) if top == directory.resolve() else ()
    programs = sorted({main.module for main in seen.mains if main.serves} or {main.module for main in seen.mains})
    text = start.proposal(
        seen, tag_rule.lines(newest, seen.modules, programs), os.path.relpath(outer, Path.cwd()) if outer else ""
    )
    place = directory / start.home(seen)
    written = "" if dry_run or not text else str(start.write(place, text))
    if above:
        verdict = f"{os.path.relpath(above, Path.cwd())} speaks of this folder and stays as it is"
    elif seen.configured:
        verdict = "goferry.yml is there and stays as it is"
    elif not text:
        verdict = "no goferry.yml is needed to build, image, sign and publish"
    else:
        verdict = f"wrote {written}:" if written else "would write goferry.yml:"
    where = "" if place == Path() else f" --dir {shlex.quote(str(place))}"
    standing = (directory / load.FILE).read_text("utf-8", "surrogateescape") if seen.configured and not above else text
    project = load.to_name(standing)
    missing = ignore(place, load.folders(standing), dry_run=dry_run)
    where += f" --project {project}" if project else ""
    following = [f"{line}{where}" for line in (DEPLOYED if seen.configured or start.names_services(seen) else NEXT)]
    example_of, file = start.example(seen), place / "goferry.yml"
    notes = start.notes(seen)
    repository = top or directory
    once = (repository / ".github" / "workflows").is_dir() and not (repository / CACHE_NAME).exists()
    packs = list(SIGNED_PACKS) if once else []
    done = {"notes": notes, "written": written, "ignored": bool(missing), "next": following, "signed_packs": packs}
    output.result(
        {**start.as_json(seen, text), **done},
        *start.found(seen),
        *(f"note: {note}" for note in notes),
        verdict,
        *(f"  {line}" for line in text.splitlines()),
        *([f"to deploy a program that takes its address from ADDR, write into {file}:"] if example_of else []),
        *(f"  {line}" for line in example_of),
        *([f"{'would add' if dry_run else 'added'} {' '.join(missing)} to {place / '.gitignore'}"] if missing else []),
        "next:",
        *(f"  {line}" for line in following),
        *(["to have releases on GitHub begin from signed packs, once, the last line under secrets:"] if once else []),
        *(f"  {line}" for line in packs),
    )
