"""Our own sealed folder, judged before anything of it leaves this machine."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from goferry.artifacts import given
from goferry.artifacts.schemes import named
from goferry.config.context import Context
from goferry.kernel import checksums, manifest, trustfile
from goferry.kernel.checksums import LIST
from goferry.kernel.manifest import MANIFEST, Manifest
from goferry.kernel.outcomes import SnapshotRefused
from goferry.kernel.refusals import (
    FileAltered,
    FileMissing,
    FileUnlisted,
    FolderUnreadable,
    ListMissing,
    ListsDisagree,
    ManifestMissing,
)
from goferry.kernel.verify import hash_file, open_file, shown, verify
from goferry.release._inventory import ReleaseFile
from goferry.system import openpgp_verifiers

_PSEUDO = re.compile(r"[.-][0-9]{14}-[0-9a-f]{12}$")
"""How the version of a commit without a tag ends (https://go.dev/ref/mod#pseudo-versions)."""


def inspect(ctx: Context, folder: Path, *, trust: Path | None) -> tuple[Manifest, tuple[ReleaseFile, ...]]:
    """Verify a sealed folder; return its manifest and every file in it, list and signatures too, sorted by name.

    With `trust` the kernel judges it, signatures too. Without, list, manifest and files must at least agree: what the
    signatures are worth is then for whoever downloads them.

    Raises:
        Refusal: one of kernel.refusals.
        SnapshotRefused: for what was not built from a tagged, clean commit.
    """
    with ctx.stream.span("verify", target="own output") as span:
        release, files = _read(folder)
        if trust:
            tools = openpgp_verifiers.tools(ctx.settings.environ.get("PATH", ""))
            verify(folder, trustfile.load(trust), openpgp=tools, now=int(time.time()))
        else:
            span.note("the signatures were not checked: no trust file was given")
        span.numbers.update(files=len(files), digest=release.digest)
    _refuse_snapshot(release)
    return release, files


def _read(folder: Path) -> tuple[Manifest, tuple[ReleaseFile, ...]]:
    present = _hashed(folder)
    for name, error in ((LIST, ListMissing), (MANIFEST, ManifestMissing)):
        if name not in present:
            raise error(f"{folder} has no {name}", advice=[f"seal it first:  goferry sign {folder} --openpgp-key FILE"])
    listed = checksums.parse(_bytes(folder, present[LIST], checksums.MAX_BYTES))
    release = manifest.parse(_bytes(folder, present[MANIFEST], manifest.MAX_BYTES))
    described = {entry.name: entry.sha256 for entry in release.files}
    described[MANIFEST] = release.digest
    if described != listed:
        raise ListsDisagree(f"{LIST} and {MANIFEST} disagree")
    wanted = {*listed, LIST, *release.signatures}
    if missing := sorted(wanted - set(present)):
        raise FileMissing(f"listed, but not there: {', '.join(missing[:3])}")
    if added := sorted(set(present) - wanted):
        raise FileUnlisted(f"not listed, but there: {', '.join(shown(name) for name in added[:3])}")
    for name, digest in listed.items():
        if present[name].sha256 != digest:
            raise FileAltered(f"{name} has SHA-256 {present[name].sha256} instead of {digest}")
    return release, tuple(present[name] for name in sorted(wanted))


def _hashed(folder: Path) -> Mapping[str, ReleaseFile]:
    given.refuse_absent(folder)
    try:
        root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise FolderUnreadable(
            f"cannot open the folder {folder}: {error.strerror}",
            advice=["make it:  goferry build --out DIST", f"seal it:  goferry sign {folder} --openpgp-key FILE"],
        ) from None
    found = {}
    try:
        for name in os.listdir(root):  # noqa: PTH208  of the descriptor, not of a path
            descriptor = open_file(name, root)
            try:
                digest, size = hash_file(descriptor)
            finally:
                os.close(descriptor)
            found[name] = ReleaseFile(name, size, digest)
    finally:
        os.close(root)
    return found


def _bytes(folder: Path, file: ReleaseFile, limit: int) -> bytes:
    with (folder / file.name).open("rb") as opened:
        data = opened.read(limit + 1)
    if hashlib.sha256(data).hexdigest() != file.sha256 and len(data) <= limit:
        raise FileAltered(f"{file.name} changed while it was read")
    return data


def _refuse_snapshot(release: Manifest) -> None:
    why = release.why_no_release or ("" if release.commit else "of no commit")
    if not why:
        return
    raise SnapshotRefused(
        f"only releases are published; {release.project} {release.version} is {why}",
        state="Nothing was published.",
        advice=_advice(release),
        snapshot=release.snapshot,
        dirty=release.dirty,
    )


def _advice(release: Manifest) -> list[str]:
    """Return how what is not a release becomes one."""
    name = named(release.notes, release.version).tag
    tag = "tag the commit, push the tag, and build from a clean checkout of it"
    if release.dirty:
        return ["see what changed:  git status", tag]
    if not release.commit or _PSEUDO.search(release.version):
        return [tag]
    return [
        f"push the tag, and let its own run make the release:  git push origin {name}",
        f"or start the workflow on the tag:  gh workflow run WORKFLOW --ref {name}",
        "or build, on your own machine, a clean checkout of the tag",
    ]
