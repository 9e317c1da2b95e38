"""From a ledger to a release: check the folder against it, and write the manifest as data."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from goferry.artifacts.ledger import LEDGER, Ledger
from goferry.artifacts.schemes import SCHEMES, Named
from goferry.kernel import checksums, manifest, services
from goferry.kernel.manifest import File, Manifest, ReleasedImage
from goferry.kernel.times import format_time
from goferry.kernel.verify import hash_file, open_file, shown
from goferry.trust.errors import LedgerDisagrees

SEALED_NAMES = (manifest.MANIFEST, checksums.LIST, *manifest.SIGNATURES.values())
"""The files that sealing makes."""


def check_folder(folder: Path, ledger: Ledger) -> None:
    """Hash every file again and compare with the ledger.

    Raises:
        LedgerDisagrees: when a file is missing, changed or not in the ledger.
        FileNotRegular, FileLinked: when one is not a plain file of one name.
    """
    entries = {path.name for path in folder.iterdir()} - {LEDGER, *SEALED_NAMES}
    odd = sorted(entries ^ set(ledger.artifacts))
    if odd:
        which = "is not listed by the ledger" if odd[0] in entries else "is listed by the ledger, but not there"
        raise LedgerDisagrees(
            f"{shown(odd[0])} in {folder} {which}",
            state="Nothing was signed.",
            advice=[
                "remove what does not belong there, or build again into an empty folder:  goferry build --out DIST"
            ],
        )
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for artifact in ledger.artifacts.values():
            descriptor = open_file(artifact.name, root)
            try:
                actual = hash_file(descriptor)
            finally:
                os.close(descriptor)
            if actual != (artifact.sha256, artifact.size):
                raise LedgerDisagrees(
                    f"{folder / artifact.name} was changed since it was built",
                    state="Nothing was signed.",
                    advice=["build again into an empty folder:  goferry build --out DIST"],
                )
    finally:
        os.close(root)


def describe(ledger: Ledger, *, sequence: int, now: int, signatures: Iterable[str]) -> Manifest:
    """Return the manifest of what the ledger lists.

    Raises:
        ManifestMalformed, ListNameUnsafe, ListDuplicate: when a verifier would not accept it.
    """
    artifacts = [ledger.artifacts[name] for name in sorted(ledger.artifacts, key=str.encode)]
    files = tuple(
        File(one.name, one.size, one.sha256, one.kind, one.goos, one.goarch, one.variant, one.meta) for one in artifacts
    )
    images = tuple(
        ReleasedImage(
            str(one.meta.get("image", ledger.project)),
            str(one.meta.get("digest", "")),
            one.name,
            tuple(str(platform) for platform in one.meta.get("platforms", ())),
        )
        for one in artifacts
        if one.kind == "image"
    )
    release = Manifest(
        project=ledger.project,
        module=ledger.module,
        version=ledger.version,
        commit=ledger.commit,
        sequence=sequence,
        created=format_time(now),
        files=files,
        images=images,
        toolchain=ledger.toolchain,
        services=ledger.services,
        critical=services.critical(ledger.services),
        signatures=tuple(sorted(signatures)),
        notes=_notes(ledger),
        snapshot=ledger.snapshot,
        dirty=ledger.dirty,
    )
    return manifest.parse(release.to_bytes())


def _notes(ledger: Ledger) -> dict[str, Any]:
    """Return what whoever knows of it may read: what was built in beside the commit, its time, and the tag."""
    beside = {manifest.UNCOMMITTED: [asdict(each) for each in ledger.uncommitted]} if ledger.commit else {}
    when = {manifest.COMMIT_TIME: ledger.date} if ledger.commit and ledger.date else {}
    return {**beside, **when, **Named(SCHEMES.get(ledger.scheme, SCHEMES["any"]), ledger.tag).as_note(ledger.version)}


def list_of(release: Manifest) -> bytes:
    """Return the bytes of SHA256SUMS for a manifest."""
    digests = {entry.name: entry.sha256 for entry in release.files}
    return checksums.write({**digests, manifest.MANIFEST: release.digest})
