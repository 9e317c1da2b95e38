"""`goferry up`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.cli.project_options import project_options
from goferry.cli.target_options import lines_of
from goferry.config.context import Context

if TYPE_CHECKING:
    from goferry.pipeline.project import ProjectRequest

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(
    epilog=example(
        "goferry up",
        "goferry up --target local --root run --report report.html",
        "goferry up --keys KEYS --dry-run",
    )
)
@project_options
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the release.  [default: dist in the project's folder]"
)
@click.option("--keys", type=_FOLDER, help="A folder that `goferry keygen` made.")
@click.option("--openpgp-key", type=_FILE, help="Armored OpenPGP secret key.")
@click.option("--minisign-key", type=_FILE, help="minisign secret key.")
@click.option("--trust", type=_FILE, help="The trust file that must accept the release.")
@click.option("--target", type=click.Choice(["local"]), help="Deploy there; without it the release is only made.")
@click.option("--root", type=_FOLDER, help="The local target's folder.  [default: DIR/.goferry/root]")
@click.option("--no-test", is_flag=True, help="Leave out go vet and go test.")
@click.option("--report", type=_FILE, metavar="FILE.html", help="Write the run's report as one HTML page.")
@dry_run_option
@output_options
def command(
    output: Output,
    *,
    request: ProjectRequest,
    target: str | None,
    root: Path | None,
    report: Path | None,
    dry_run: bool,
    keys: Path | None,
    openpgp_key: Path | None,
    minisign_key: Path | None,
    trust: Path | None,
    no_test: bool,
) -> None:
    """The whole way: test, build, image, sign, verify, deploy.

    It goes as far as anything changed. Without keys it makes throw-away ones, once, in .goferry/keys. The release
    replaces the one before only when it is whole; a folder that holds anything else is never touched. Run it again to
    go on where it was stopped.
    """
    from goferry.caches import ci_job
    from goferry.pipeline import chain, signing_keys, up

    chosen = signing_keys.choose(
        folder=keys,
        openpgp=openpgp_key,
        minisign=minisign_key,
        trust=trust,
        repository=request.directory,
    )
    where = (root or request.directory / ".goferry" / "root") if target else None
    surroundings = settings()
    deploys = bool(target) and ci_job.running(surroundings.environ)
    order = up.UpOptions(chain.RunOptions(request, chosen, test=not no_test, fresh=deploys), where, report)
    if dry_run:
        with output.stream() as stream:
            choices = up.plan(Context(surroundings, stream), order)
        _foreseen(output, choices, where)
        return
    with output.stream() as stream:
        result = up.up(Context(surroundings, stream), order)
    shown = lines_of(result.deploy) if result.deploy else []
    output.result(result.as_json(), *up.lines(result), *shown)


def _foreseen(output: Output, choices: Any, where: Path | None) -> None:
    steps = [{"id": choice.step.id, "runs": choice.runs, "reason": choice.reason} for choice in choices]
    lines = [f"{c.step.id:8} {'run ' if c.runs else 'skip'}  {c.step.about}  ({c.reason})" for c in choices]
    if where:
        steps.append({"id": "deploy", "runs": True, "reason": "the host decides what changes"})
        lines.append(f"{'deploy':8} run   to {where}  (the host decides what changes)")
    output.result({"steps": steps}, *lines)
