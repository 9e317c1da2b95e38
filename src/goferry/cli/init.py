"""`goferry init`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from goferry.cli.output import Output, dry_run_option, example, output_options

NEXT = ("goferry test", "goferry build", "goferry up")
DEPLOYED = (*NEXT[:-1], "goferry up --target local --root ~/services")


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
    overwritten. In git, /dist/ is added to .gitignore where no line names it. Needs no Go.
    """
    from goferry.config import start
    from goferry.config.survey import survey

    seen = survey(directory)
    text = start.proposal(seen)
    written = "" if dry_run or not text else str(start.write(directory, text))
    place = directory / start.home(seen)
    ignored = start.ignore(place, dry_run=dry_run)
    if seen.configured:
        verdict = "goferry.yml is there and stays as it is"
    elif not text:
        verdict = "no goferry.yml is needed to build, image, sign and publish"
    else:
        verdict = f"wrote {written}:" if written else "would write goferry.yml:"
    where = "" if place == Path() else f" --dir {shlex.quote(str(place))}"
    following = [f"{line}{where}" for line in (DEPLOYED if text or seen.configured else NEXT)]
    example_of, file = start.example(seen), place / "goferry.yml"
    record = {**start.as_json(seen, text), "written": written, "ignored": ignored, "next": following}
    output.result(
        record,
        *start.found(seen),
        verdict,
        *(f"  {line}" for line in text.splitlines()),
        *([f"to deploy a program that takes its address from ADDR, write into {file}:"] if example_of else []),
        *(f"  {line}" for line in example_of),
        *([f"{'would add' if dry_run else 'added'} /dist/ to {place / '.gitignore'}"] if ignored else []),
        "next:",
        *(f"  {line}" for line in following),
    )
