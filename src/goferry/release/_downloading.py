"""From a reference to a folder: every file is checked before it gets its name.

    reference → release.json (its SHA-256 is in the reference) → SHA256SUMS and files (theirs are in release.json)

So nothing that GitHub says is believed but for which bytes to try. The signatures are what `goferry verify` judges.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, NamedTuple

from goferry.config.context import Context
from goferry.kernel import checksums, manifest as manifests
from goferry.kernel.checksums import LIST
from goferry.kernel.files import sha256_file, sync_folder
from goferry.kernel.manifest import MANIFEST, Manifest
from goferry.kernel.openpgp import MAX_BYTES as MAX_SIGNATURE
from goferry.kernel.refusals import FileUnlisted
from goferry.kernel.verify import shown
from goferry.observe.events import Stream
from goferry.release import _reference as references
from goferry.release._api import Api
from goferry.release._inventory import UPLOADED, Asset, GitHubRelease
from goferry.release._reference import Reference
from goferry.release._repository import GitHub
from goferry.release._transfer import Transfer
from goferry.release.errors import AssetAltered, AssetMissing, FolderOccupied, ReleaseMissing


class Downloaded(NamedTuple):
    """What a download brought, or in a dry run would bring; the files by their names, `kept` were there before."""

    release: str
    repository: str
    project: str
    version: str
    tag: str
    digest: str
    folder: str
    files: tuple[str, ...]
    downloaded: tuple[str, ...]
    kept: tuple[str, ...]
    dry_run: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the record that `--json` prints; `dry_run` is in that of a dry run alone."""
        return {
            "release": self.release,
            "repository": self.repository,
            "project": self.project,
            "version": self.version,
            "tag": self.tag,
            "digest": self.digest,
            "folder": self.folder,
            "files": list(self.files),
            "downloaded": list(self.downloaded),
            "kept": list(self.kept),
            **({"dry_run": True} if self.dry_run else {}),
        }


def download(
    ctx: Context,
    reference: str,
    folder: Path,
    *,
    github: GitHub,
    only: Sequence[str] = (),
    dry_run: bool = False,
) -> Downloaded:
    """Bring a release's files into `folder`.

    Args:
        ctx: proxies and certificates, and who hears the spans `fetch` and `download`.
        reference: `TAG@sha256:DIGEST`, or that behind `OWNER/NAME@`, which then replaces `github`'s repository.
        folder: made where it is missing; files that are there with the right bytes stay.
        github: where; a token is needed for private repositories alone.
        only: names of files; empty: all. release.json, SHA256SUMS and the signatures always come along.
        dry_run: say what would be downloaded; release.json is read, nothing is written.

    Raises:
        ReferenceInvalid: it is not one.
        ReleaseMissing, AssetMissing, AssetAltered: GitHub does not have what it means.
        FileUnlisted: a name in `only` is not of the release.
        FolderOccupied: the folder holds a file of that name with other bytes.
        TokenInvalid, PermissionMissing, NotFound, RateLimited, GitHubFailing, GitHubUnexpected: see `Api`.
    """
    wanted = references.parse(reference)
    github = replace(github, repository=wanted.repository) if wanted.repository else github
    api = Api(github, ctx.settings)
    with ctx.stream.span("fetch", target=wanted.tag) as span:
        fetcher = _Fetcher(wanted, folder, api, Transfer(api, ctx.settings), ctx.stream)
        names = fetcher.names(only)
        kept = [name for name in names if fetcher.is_there(name)]
        missing = [name for name in names if name not in kept]
        if dry_run:
            span.skip("a dry run")
        else:
            fetcher.fetch(missing)
        span.numbers.update(files=len(names), digest=wanted.digest)
    return Downloaded(
        release=str(replace(wanted, repository="")),
        repository=github.repository,
        project=fetcher.manifest.project,
        version=fetcher.manifest.version,
        tag=wanted.tag,
        digest=wanted.digest,
        folder=str(folder),
        files=tuple(names),
        downloaded=tuple(missing),
        kept=tuple(kept),
        dry_run=dry_run,
    )


class _Fetcher:
    """One release's files: what they must be, and the way to get them.

    Attributes:
        manifest: read from GitHub and proven by the reference.
    """

    def __init__(self, wanted: Reference, folder: Path, api: Api, transfer: Transfer, stream: Stream) -> None:
        self._wanted, self._folder = wanted, folder.resolve()
        self._transfer, self._stream = transfer, stream
        release = _published(api, wanted.tag)
        self._assets = {asset.name: asset for asset in api.assets(release.id) if asset.state == UPLOADED}
        self._manifest_bytes = self._small(MANIFEST, manifests.MAX_BYTES)
        if hashlib.sha256(self._manifest_bytes).hexdigest() != wanted.digest:
            raise AssetAltered(
                f"release.json of {wanted.tag} is not the one that the reference means: its SHA-256 is "
                f"{hashlib.sha256(self._manifest_bytes).hexdigest()}",
                state="Nothing was written.",
                advice=["was the tag released again? ask whoever gave you the reference"],
            )
        self.manifest: Manifest = manifests.parse(self._manifest_bytes)
        self._sizes = {entry.name: entry.size for entry in self.manifest.files}
        self._digests = {entry.name: entry.sha256 for entry in self.manifest.files}
        self._digests[MANIFEST] = wanted.digest
        self._list = checksums.write(self._digests)

    def names(self, only: Sequence[str]) -> list[str]:
        """Return the names to bring, sorted: everything, or `only` with what proves it.

        Raises:
            FileUnlisted: for a name that the release does not have.
        """
        for name in only:
            if name not in self._sizes and name not in (MANIFEST, LIST, *self.manifest.signatures):
                raise FileUnlisted(
                    f"{self._wanted.tag} has no file {shown(name)}",
                    advice=["its files: " + ", ".join(sorted(self._sizes)[:8])],
                )
        return sorted({MANIFEST, LIST, *self.manifest.signatures, *(only or self._sizes)})

    def is_there(self, name: str) -> bool:
        """Whether the folder holds the file already.

        Raises:
            FolderOccupied: when it holds another one of that name.
        """
        path = self._folder / name
        if not path.is_symlink() and not path.exists():
            return False
        if name in self.manifest.signatures:
            return False  # signing again replaces them, so GitHub's are the newest
        expected = hashlib.sha256(self._list).hexdigest() if name == LIST else self._digests[name]
        if path.is_symlink() or not path.is_file() or sha256_file(path) != expected:
            raise FolderOccupied(
                f"{path} is there already and is not the file of {self._wanted.tag}",
                state="It was left as it is.",
                advice=["name an empty folder:  goferry fetch REFERENCE --out DIR"],
            )
        return True

    def fetch(self, names: Sequence[str]) -> None:
        """Bring the files, signatures last, so that a folder that was cut off does not verify."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in sorted(names, key=lambda name: (name in (LIST, *self.manifest.signatures), name)):
            self._fetch(name)
        sync_folder(self._folder)
        with contextlib.suppress(OSError):
            _beside(self._folder).rmdir()

    def _fetch(self, name: str) -> None:
        if name == MANIFEST:
            return self._keep(name, self._manifest_bytes)
        if name == LIST:
            if self._small(LIST, checksums.MAX_BYTES) != self._list:
                raise self._altered(LIST, "it does not list what release.json does")
            return self._keep(LIST, self._list)
        if name in self.manifest.signatures:
            return self._keep(name, self._small(name, MAX_SIGNATURE))
        asset, size = self._asset(name), self._sizes[name]
        if asset.size != size:
            raise self._altered(name, f"it has {asset.size} bytes instead of {size}")
        with (
            self._stream.span("download", target=name, bytes=size) as span,
            _named_when_whole(self._folder / name, self._mode(name)) as file,
        ):
            answer = self._transfer.download(asset, file, size=size, span=span)
            if (answer.size, answer.sha256) != (size, self._digests[name]):
                raise self._altered(name, f"it has SHA-256 {answer.sha256} instead of {self._digests[name]}")
        return None

    def _keep(self, name: str, data: bytes) -> None:
        with _named_when_whole(self._folder / name, 0o444) as file:
            file.write(data)

    def _small(self, name: str, limit: int) -> bytes:
        asset = self._asset(name)
        if asset.size > limit:
            raise self._altered(name, f"it has {asset.size} bytes; at most {limit} are read")
        with tempfile.TemporaryFile() as file:
            self._transfer.download(asset, file, size=asset.size)
            file.seek(0)
            return file.read()

    def _asset(self, name: str) -> Asset:
        if name not in self._assets:
            raise AssetMissing(
                f"the release {self._wanted.tag} has no file {name} on GitHub",
                state="What was downloaded before it is whole.",
                advice=["look at the release; publish it again from its sealed folder"],
            )
        return self._assets[name]

    def _mode(self, name: str) -> int:
        return 0o555 if self.manifest.file(name).kind == "binary" else 0o444

    def _altered(self, name: str, why: str) -> AssetAltered:
        return AssetAltered(
            f"{name} of {self._wanted.tag} is not the file that was released: {why}",
            state=f"{name} was not kept.",
            advice=["treat the release as hostile until you know who changed it"],
        )


def _published(api: Api, tag: str) -> GitHubRelease:
    release = api.published(tag)
    if release is None:
        api.demand_repository()
        raise ReleaseMissing(
            f"{api.github.repository} has no published release {tag}",
            state="Nothing was written.",
            advice=[
                f"is it still a draft? publish it:  goferry release DIST --repository {api.github.repository}",
                "of another repository: OWNER/NAME@TAG@…",
            ],
        )
    return release


def _beside(folder: Path) -> Path:
    """Where files wait for their names: not in the folder, so that what is cut off leaves nothing unlisted there."""
    return folder.parent / ".goferry"


@contextlib.contextmanager
def _named_when_whole(path: Path, mode: int) -> Iterator[IO[bytes]]:
    """Yield a file without a visible name that becomes `path` at the block's end, or vanishes when it fails."""
    beside = _beside(path.parent)
    beside.mkdir(exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=beside, prefix="fetch-")
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
