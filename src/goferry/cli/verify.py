"""`goferry verify`: check a sealed release."""

from __future__ import annotations

from pathlib import Path

import click

from goferry.cli.output import Output, example, output_options, settings
from goferry.config.context import Context


@click.command(
    epilog=example(
        "goferry verify dist --trust goferry.trust",
        "goferry verify downloads --trust goferry.trust --only shop_1.2.3_linux_amd64.tar.gz",
    )
)
@click.argument("dist", type=click.Path(path_type=Path))
@click.option("--trust", type=click.Path(path_type=Path), required=True, help="The trust file: whose signatures count.")
@click.option("--only", default="", metavar="NAME", help="Check one file; the others may be absent.")
@click.option("--project", default="", help="Refuse a release of another project.")
@output_options
def command(output: Output, dist: Path, trust: Path, only: str, project: str) -> None:
    """Check a sealed release against a trust file.

    Signatures, list, manifest and every file of DIST are checked; exit 3 and a named refusal when anything is wrong.
    Needs no network, executes nothing and writes nothing.
    """
    from goferry.kernel import trustfile
    from goferry.trust.verification import check_release

    keys = trustfile.load(trust)
    with output.stream() as stream:
        verified = check_release(Context(settings(), stream), dist, keys, project=project, only=only)
    release = verified.manifest
    signers = [
        {"id": signer.id, "format": signer.format, "file": signer.file, "created": signer.created}
        for signer in verified.signers
    ]
    record = {
        "project": release.project if release else "",
        "version": release.version if release else "",
        "commit": release.commit if release else "",
        "sequence": release.sequence if release else 0,
        "digest": verified.digest,
        "files": verified.files,
        "signers": signers,
        "unchecked": list(verified.unchecked),
    }
    what = f"{release.project} {release.version}" if release else only
    order = [f"sequence {release.sequence}, digest {verified.digest}"] if release else []
    output.result(
        record,
        f"good: {what}, {len(verified.files)} files checked",
        *order,
        *[f"signed by {signer.format} {signer.id} in {signer.file}" for signer in verified.signers],
        *[f"not checked: {name}" for name in verified.unchecked],
    )
