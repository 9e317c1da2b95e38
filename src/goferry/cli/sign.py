"""`goferry sign`: seal a folder."""

from __future__ import annotations

import time
from pathlib import Path

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings
from goferry.config.context import Context

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(
    epilog=example(
        "goferry sign dist --openpgp-key KEYS/openpgp.asc",
        "goferry sign dist --openpgp-key KEYS/openpgp.asc --minisign-key KEYS/minisign.key",
    )
)
@click.argument("dist", type=click.Path(path_type=Path, file_okay=False))
@click.option("--openpgp-key", type=_FILE, help="Armored OpenPGP secret key.")
@click.option("--minisign-key", type=_FILE, help="minisign secret key.")
@click.option("--passphrase-file", type=_FILE, help="First line opens the keys; else GOFERRY_SIGNING_PASSPHRASE.")
@click.option(
    "--sequence", type=click.IntRange(1, 2**53 - 1), help="Orders releases; the second of sealing unless given."
)
@click.option(
    "--dir", "directory", type=click.Path(path_type=Path), help="The repository whose sign.formats must be met."
)
@dry_run_option
@output_options
def command(
    output: Output,
    *,
    dist: Path,
    openpgp_key: Path | None,
    minisign_key: Path | None,
    passphrase_file: Path | None,
    sequence: int | None,
    directory: Path | None,
    dry_run: bool,
) -> None:
    """Seal dist/: manifest, checksum list, signatures.

    Writes release.json and SHA256SUMS over everything in DIST, signs the list, and verifies the result. Nothing in
    DIST changes after that. A sealed DIST is signed again without touching list and manifest.
    """
    from goferry.trust import keys, seal

    surroundings, now = settings(), int(time.time())
    signers = keys.load_signers(
        openpgp_key=openpgp_key, minisign_key_file=minisign_key, passphrase_file=passphrase_file, settings=surroundings
    )
    if dry_run:
        steps = seal.plan(dist, signers, now=now, sequence=sequence or 0)
        output.result({"dry_run": True, "steps": steps}, *steps)
        return
    formats = _formats(directory) if directory else []
    with output.stream() as stream:
        sealed = seal.seal(
            Context(surroundings, stream), dist, signers, now=now, sequence=sequence or 0, formats=formats
        )
    release = sealed.manifest
    record = {
        "project": release.project,
        "version": release.version,
        "sequence": release.sequence,
        "digest": release.digest,
        "files": len(release.files),
        "signatures": list(sealed.signatures),
        "signers": [{"id": signer.id, "format": signer.format} for signer in signers],
        "again": sealed.again,
    }
    output.result(
        record,
        f"sealed {release.project} {release.version}: {len(release.files)} files, sequence {release.sequence}",
        f"digest {release.digest}",
        *[f"signed by {signer.format} {signer.id} in {signer.file}" for signer in signers],
    )


def _formats(directory: Path) -> list[str]:
    from goferry.config.load import load

    return list(load(directory).project.sign.formats)
