"""`goferry keygen`: throw-away signing keys and their trust file."""

from __future__ import annotations

from pathlib import Path

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings


@click.command(epilog=example("goferry keygen --out KEYS"))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder for the keys.")
@dry_run_option
@output_options
def command(output: Output, out: Path, *, dry_run: bool) -> None:
    """Make throw-away signing keys and their trust file.

    An OpenPGP and a minisign key without passphrase, meant for trying. The files have mode 0600, are never overwritten,
    and git ignores their folder.
    """
    from goferry.trust import keys

    keys.refuse_exposed(out, settings())
    if dry_run:
        keys.refuse_occupied(out)
        output.result({"folder": str(out), "files": list(keys.FILES)}, f"would write to {out}: {', '.join(keys.FILES)}")
        return
    trust = keys.generate(out)
    record = {
        "folder": str(out),
        "trust": str(out / "goferry.trust"),
        "keys": [{"id": key.id, "format": key.format} for key in trust.keys],
    }
    lines = [f"{key.format:9} {key.id}" for key in trust.keys]
    output.result(
        record,
        *lines,
        f"written to {out}: {', '.join(keys.FILES)}",
        f"next:  goferry sign DIST --openpgp-key {out / 'openpgp.asc'} --minisign-key {out / 'minisign.key'}",
        f"whose signatures count, for the repository:  cp {out / 'goferry.trust'} . && git add goferry.trust",
    )
