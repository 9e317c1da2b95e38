"""`goferry image`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import convert, to_builtins

from goferry.cli.output import Output, dry_run_option, example, output_options

if TYPE_CHECKING:
    from goferry.artifacts import Ledger
    from goferry.image import ImagePlan, ImageRecord
    from goferry.observe.events import Stream


@click.command(
    epilog=example(
        "goferry image dist",
        "goferry image dist --main ./cmd/api --out oci:layout",
        "goferry image dist --platform linux/arm64 --out shop-arm64.tar && docker load -i shop-arm64.tar",
    )
)
@click.argument("dist", type=click.Path(path_type=Path))
@click.option("--main", default="", metavar="PACKAGE", help="Package whose program is the entry point (./cmd/api).")
@click.option("--out", default="", metavar="oci:DIR|PATH.tar", help="Export there and leave DIST as it is.")
@click.option("--platform", "platforms", multiple=True, help="With --out: these platforms only.  [default: all]")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Repository whose goferry.yml counts.  [default: the current folder]",
)
@dry_run_option
@output_options
def command(
    output: Output, *, dist: Path, main: str, out: str, platforms: tuple[str, ...], directory: Path, dry_run: bool
) -> None:
    """Write an OCI image of every Linux platform, without Docker.

    It is one tar in DIST, listed there: an OCI layout that `docker load` accepts. No base image is needed either: the
    image holds the program, CA certificates, passwd and group, /tmp, and runs as user 65532.
    """
    from goferry import image
    from goferry.artifacts import Ledger
    from goferry.config.load import load_for
    from goferry.kernel.errors import Misuse

    if platforms and not out:
        raise Misuse("--platform needs --out: the image in DIST has all platforms", advice=["add --out PATH.tar"])
    ledger = Ledger.load(dist)
    plan = image.plan(ledger, load_for(directory, ledger.project).project, main=main, only=platforms)
    head = f"{plan.reference} runs {plan.entrypoint} as {plan.user}"
    if dry_run:
        rows = [f"  {platform}  {platform.binary}" for platform in plan.platforms]
        output.result({**plan.as_json(), "out": out or str(dist / plan.file)}, head, *rows)
        return
    with output.stream() as stream:
        made = _written(plan, dist, ledger, out, stream)
    where = out or str(dist / plan.file)
    rows = [
        f"  {name}  {each.digest}  {each.packed:,} bytes, {each.unpacked:,} unpacked"
        for name, each in made.manifests.items()
    ]
    output.result({**to_builtins(made), "out": where}, head, *rows, f"{where}  {made.digest}")


def _written(plan: ImagePlan, dist: Path, ledger: Ledger, out: str, stream: Stream) -> ImageRecord:
    from goferry import image

    if out:
        return image.export(plan, dist, out, stream)
    return convert(image.write(plan, dist, ledger, stream).meta, image.ImageRecord)
