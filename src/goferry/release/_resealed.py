"""A tag that was built and sealed twice: the same files, another second and other signatures.

A workflow that is run again as a whole builds the same bytes, and seals them anew. What is published never changes, so
the release that stands is the answer, when it says what ours says and its own signatures are good.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from goferry.config.settings import Settings
from goferry.kernel import checksums, manifest as manifests, trustfile
from goferry.kernel.checksums import LIST
from goferry.kernel.errors import Refused
from goferry.kernel.manifest import MANIFEST, Manifest
from goferry.kernel.openpgp import MAX_BYTES as MAX_SIGNATURE
from goferry.kernel.verify import verify
from goferry.release._inventory import UPLOADED, GitHubRelease, LocalRelease, ReleaseFile
from goferry.release._transfer import Transfer
from goferry.system import openpgp_verifiers


def published_before(
    mine: Manifest,
    local: LocalRelease,
    published: GitHubRelease,
    transfer: Transfer,
    *,
    trust: Path | None,
    settings: Settings,
) -> LocalRelease | None:
    """Return `local` as it was published, when that says the same as `mine`; None when it says anything else.

    Only release.json, the list and the signatures are downloaded; GitHub's digests of the files are the planner's to
    compare. Without `trust` the signatures are not judged, as everywhere.

    Raises:
        What `Transfer.download` raises.
    """
    limits = {MANIFEST: manifests.MAX_BYTES, LIST: checksums.MAX_BYTES}
    limits |= dict.fromkeys(mine.signatures, MAX_SIGNATURE)
    assets = {asset.name: asset for asset in published.assets if asset.state == UPLOADED and asset.name in limits}
    if set(assets) != set(limits) or any(asset.size > limits[name] for name, asset in assets.items()):
        return None
    with tempfile.TemporaryDirectory() as holding:
        folder = Path(holding)
        for name, asset in assets.items():
            with (folder / name).open("w+b") as file:
                transfer.download(asset, file, size=asset.size)
        try:
            theirs = _read(folder, trust, settings)
        except Refused:
            return None
        if replace(theirs, sequence=mine.sequence, created=mine.created) != mine:
            return None
        sealed = [_file(folder / name) for name in limits]
    files = [ReleaseFile(entry.name, entry.size, entry.sha256) for entry in theirs.files]
    together = tuple(sorted([*files, *sealed], key=lambda file: file.name))
    return replace(local, digest=theirs.digest, files=together)


def _read(folder: Path, trust: Path | None, settings: Settings) -> Manifest:
    if trust:
        tools = openpgp_verifiers.tools(settings.environ.get("PATH", ""))
        verify(folder, trustfile.load(trust), openpgp=tools, now=int(time.time()), only=())
    return manifests.parse((folder / MANIFEST).read_bytes())


def _file(path: Path) -> ReleaseFile:
    data = path.read_bytes()
    return ReleaseFile(path.name, len(data), hashlib.sha256(data).hexdigest())
