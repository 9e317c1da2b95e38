"""`goferry keygen`: throw-away signing keys and their trust file."""

from __future__ import annotations

from pathlib import Path

import click

from goferry.cli.output import Output, dry_run_option, example, output_options, settings


@click.command(epilog=example("goferry keygen --out KEYS", "goferry keygen --cache --out KEYS"))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder for the keys.")
@click.option("--cache", is_flag=True, help="A key for packs of caches instead, to be kept as GOFERRY_CACHE_KEY.")
@dry_run_option
@output_options
def command(output: Output, out: Path, *, cache: bool, dry_run: bool) -> None:
    """Make throw-away signing keys and their trust file.

    An OpenPGP and a minisign key without passphrase, meant for trying. The files have mode 0600, are never overwritten,
    and git ignores their folder.
    """
    from goferry.trust import keys

    files = keys.CACHE_FILES if cache else keys.FILES
    keys.refuse_exposed(out, settings(), files)
    if dry_run:
        keys.refuse_occupied(out, files)
        output.result({"folder": str(out), "files": list(files)}, f"would write to {out}: {', '.join(files)}")
        return
    trust = keys.generate_cache(out) if cache else keys.generate(out)
    file = files[-1]
    record = {
        "folder": str(out),
        "trust": str(out / file),
        "keys": [{"id": key.id, "format": key.format} for key in trust.keys],
    }
    lines = [f"{key.format:9} {key.id}" for key in trust.keys]
    following = (
        f"gh secret set GOFERRY_CACHE_KEY < {out / 'cache.key'}"
        if cache
        else f"goferry sign DIST --openpgp-key {out / 'openpgp.asc'} --minisign-key {out / 'minisign.key'}"
    )
    output.result(
        record,
        *lines,
        f"written to {out}: {', '.join(files)}",
        f"next:  {following}",
        f"whose signatures count, for the repository:  cp {out / file} . && git add {file}",
    )
