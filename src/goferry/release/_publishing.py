"""From a sealed folder to a published release: look, plan, upload, download again, publish once.

Every step may be cut off and the same call repeated: what is there already is found by its digest and stays.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from goferry.artifacts.schemes import named, valid_tag
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.kernel.manifest import MANIFEST, Manifest
from goferry.observe.events import Span, Stream
from goferry.release import _access as access, _notes as notes, _reference as reference, _resealed as resealed
from goferry.release._api import Api
from goferry.release._inventory import UPLOADED, Asset, GitHubRelease, LocalRelease, ReleaseFile, Remote
from goferry.release._release_plan import ReleasePlan, ReleaseStep, as_marked, check_tag, is_prerelease, plan
from goferry.release._repository import GitHub
from goferry.release._sealed import inspect
from goferry.release._transfer import Transfer
from goferry.release.errors import AssetDamaged, GitHubUnexpected, TagMismatch


class Publication(NamedTuple):
    """What a publication came to, or in a dry run would come to.

    Attributes:
        release: the reference. tag, id, url: GitHub's; 0 and empty where it has no release yet.
        digest: the SHA-256 of release.json. uploaded, kept: names of files. steps: lines for a person.
    """

    release: str
    tag: str
    id: int
    url: str
    digest: str
    prerelease: bool
    uploaded: tuple[str, ...]
    kept: tuple[str, ...]
    published: bool
    unchanged: bool
    steps: tuple[str, ...]
    dry_run: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the record that `--json` prints; `dry_run` is in that of a dry run alone."""
        return {
            "release": self.release,
            "tag": self.tag,
            "id": self.id,
            "url": self.url,
            "digest": self.digest,
            "prerelease": self.prerelease,
            "uploaded": list(self.uploaded),
            "kept": list(self.kept),
            "published": self.published,
            "unchanged": self.unchanged,
            "steps": list(self.steps),
            **({"dry_run": True} if self.dry_run else {}),
        }


def publish(
    ctx: Context,
    dist: Path,
    *,
    github: GitHub,
    tag: str = "",
    draft: bool = False,
    prerelease: bool | None = None,
    trust: Path | None,
    dry_run: bool = False,
) -> Publication:
    """Publish the sealed folder `dist` as the release of its tag.

    Args:
        ctx: proxies and certificates, and who hears the spans `release`, `upload` and `download`.
        dist: a sealed folder.
        github: where, with a token that has `contents: write`; for a dry run of a public repository without one.
        tag: empty: the one that was sealed, the version itself or `api/v1.4.0`.
        draft: upload and verify, but leave it a draft.
        prerelease: None: as its scheme reads the version, or as somebody marked the draft.
        trust: a trust file that the folder's signatures must satisfy first; None: they are not judged.
        dry_run: look, and return the steps.

    Raises:
        Refusal, SnapshotRefused: the folder is not good, or no release.
        TagMismatch, TagMissing, TagMoved, ReleaseDiffers, ReleaseIncomplete, ReleaseTooLarge, DraftOfOthers,
        DraftsAmbiguous.
        TokenMissing, TokenInvalid, PermissionMissing, NotFound, RateLimited, GitHubFailing, GitHubUnexpected.
        AssetRenamed, AssetDamaged.
    """
    manifest, files = inspect(ctx, dist, trust=trust)
    local = _local(manifest, files, tag=tag, draft=draft, prerelease=prerelease)
    if not github.token and not dry_run:
        raise access.token_missing("publish a release")
    api = Api(github, ctx.settings)
    transfer = Transfer(api, ctx.settings)
    with ctx.stream.span("release", target=local.tag) as span:
        if not github.token:
            span.note("without a token drafts are not seen, and only a public repository is")
        remote = read_remote(api, transfer, local)
        if before := _published_before(manifest, local, remote, transfer, trust=trust, settings=ctx.settings):
            span.note(f"{local.tag} was published with these files before, sealed another time: that release stands")
            local, remote = before, read_remote(api, transfer, before)
        local = as_marked(local, remote)
        planned = plan(local, remote)
        if dry_run:
            span.skip("a dry run")
            return _record(local, planned, planned.release)._replace(dry_run=True)
        if not planned.steps:
            span.skip("published already, with the same bytes")
            return _record(local, planned, planned.release, published=True)
        publisher = _Publisher(dist, manifest, local, transfer, ctx.stream)
        release, published = publisher.run(planned, span)
        span.numbers.update(bytes=local.size, files=len(local.files), digest=local.digest)
    return _record(local, planned, release, published=published)


def read_remote(api: Api, transfer: Transfer, local: LocalRelease) -> Remote:
    """Return what GitHub has for the tag; a digest that GitHub does not give is had by downloading."""
    every = api.releases()
    wanted = {file.name: file.size for file in local.files}
    found = []
    for release in every:
        if release.tag == local.tag:
            assets = [_with_digest(asset, wanted, transfer) for asset in api.assets(release.id)]
            found.append(replace(release, assets=tuple(assets)))
    published = tuple(release.tag for release in every if not release.draft and not release.prerelease)
    return Remote(api.tag_commit(local.tag), tuple(found), published)


def _published_before(
    manifest: Manifest,
    local: LocalRelease,
    remote: Remote,
    transfer: Transfer,
    *,
    trust: Path | None,
    settings: Settings,
) -> LocalRelease | None:
    """Return what is published, when it is this release and was sealed at another time."""
    published = next((release for release in remote.releases if not release.draft), None)
    if published is None:
        return None
    there = next((asset for asset in published.assets if asset.name == MANIFEST), None)
    if there is None or there.sha256 == local.digest:
        return None
    return resealed.published_before(manifest, local, published, transfer, trust=trust, settings=settings)


def _with_digest(asset: Asset, wanted: dict[str, int], transfer: Transfer) -> Asset:
    if asset.sha256 or asset.state != UPLOADED or wanted.get(asset.name) != asset.size:
        return asset
    return replace(asset, sha256=transfer.fingerprint(asset)[1])


def _local(
    manifest: Manifest, files: tuple[ReleaseFile, ...], *, tag: str, draft: bool, prerelease: bool | None
) -> LocalRelease:
    label = named(manifest.notes, manifest.version)
    tag = tag or label.tag
    if not valid_tag(tag):
        raise TagMismatch(f"{tag[:200]!a} cannot be a release's tag", advice=["name it like the version, v1.4.0"])
    pre = is_prerelease(manifest.version, label.scheme) if prerelease is None else prerelease
    explicit = prerelease is not None
    stated = tag, manifest.version, manifest.commit, manifest.digest, files, draft, pre
    return LocalRelease(*stated, scheme=label.scheme, sealed=label.tag, explicit=explicit)


class _Publisher:
    """Takes the steps."""

    def __init__(self, dist: Path, manifest: Manifest, local: LocalRelease, transfer: Transfer, stream: Stream) -> None:
        self._dist, self._manifest, self._local = dist, manifest, local
        self._api, self._transfer, self._stream = transfer.api, transfer, stream

    def run(self, planned: ReleasePlan, span: Span) -> tuple[GitHubRelease, bool]:
        """Take every step in order; return the release and whether it is published."""
        release, published = planned.release, False
        for step in planned.steps:
            if step.do == "delete-draft":
                self._api.delete_draft(step.id)
            elif step.do == "create-draft":
                release = self._create(span)
            elif step.do == "delete-asset":
                span.note(f"deleting {step.name} from the draft: {step.why}")
                self._api.delete_asset(step.id)
            elif release is None:
                raise AssertionError("the plan begins with neither a draft nor its creation")
            elif step.do == "upload":
                self._upload(step, release)
            elif step.do == "verify":
                self._verify(release, step.names)
            elif step.do == "publish":
                release, published = self._publish(step, release), True
            elif step.do == "describe":
                release, published = self._describe(release), True
        if release is None:
            raise AssertionError("a plan without a release")
        return release, published

    def _create(self, span: Span) -> GitHubRelease:
        made = self._api.create_draft(self._local.tag, notes.draft(), prerelease=self._local.prerelease)
        # Another run, or a repetition of a request whose answer was lost, may have made one too: the oldest counts.
        others = [one for one in self._api.releases() if one.tag == self._local.tag and one.id != made.id]
        if not all(one.draft and notes.is_ours(one.body) for one in others):
            self._api.delete_draft(made.id)
            raise GitHubUnexpected(
                f"somebody else made a release of {self._local.tag} at the same time", advice=["run this again"]
            )
        first, *surplus = sorted([made, *others], key=lambda one: one.id)
        for one in surplus:
            span.note(f"deleting a second draft of {self._local.tag}, made at the same time")
            self._api.delete_draft(one.id)
        return first

    def _upload(self, step: ReleaseStep, release: GitHubRelease) -> None:
        with self._stream.span("upload", target=step.name, bytes=step.size):
            self._transfer.upload(self._dist, ReleaseFile(step.name, step.size, step.sha256), release)

    def _verify(self, release: GitHubRelease, names: tuple[str, ...]) -> None:
        """Download again, everything or files of these names, and compare it with what was verified here."""
        assets = self._listed(release, names)
        for file in self._local.files:
            if names and file.name not in names:
                continue
            with self._stream.span("download", target=file.name, bytes=file.size) as span:
                got = self._transfer.fingerprint(assets[file.name], span)
                if got != (file.size, file.sha256):
                    raise _damaged(release, file.name, f"SHA-256 {got[1]} instead of {file.sha256}")

    def _listed(self, release: GitHubRelease, names: tuple[str, ...] = ()) -> dict[str, Asset]:
        """Return the release's assets by name: exactly the folder's files, or at least those of these names."""
        assets = {asset.name: asset for asset in self._api.assets(release.id) if asset.state == UPLOADED}
        wanted = {file.name: file for file in self._local.files}
        odd = sorted((set(names or wanted) - set(assets)) | (set(assets) - set(wanted)))
        if odd:
            raise _damaged(release, odd[0], "it is missing" if odd[0] in wanted else "it is not of this release")
        for name, asset in assets.items():
            if asset.size != wanted[name].size or asset.sha256 not in ("", wanted[name].sha256):
                raise _damaged(release, name, "it has other bytes")
        return assets

    def _describe(self, release: GitHubRelease) -> GitHubRelease:
        """Say, below the notes of whoever published the release, what was added."""
        check_tag(self._local, self._api.tag_commit(self._local.tag))
        self._listed(release)
        return self._api.describe(release, notes.whole(release.body, self._part()))

    def _part(self) -> str:
        return notes.describe(self._manifest, repository=self._api.github.repository, tag=self._local.tag)

    def _publish(self, step: ReleaseStep, release: GitHubRelease) -> GitHubRelease:
        # The last look: whatever changed since the plan was made is found now, while it is still a draft.
        check_tag(self._local, self._api.tag_commit(self._local.tag))
        self._listed(release)
        body = notes.whole(release.body, self._part())
        done = self._api.publish(release, body, prerelease=self._local.prerelease, latest=step.latest)
        if done.draft or done.tag != self._local.tag:
            raise GitHubUnexpected(f"GitHub left {self._local.tag} a draft", advice=["run this again"])
        return done


def _damaged(release: GitHubRelease, name: str, why: str) -> AssetDamaged:
    return AssetDamaged(
        f"what GitHub has of {name} is not what was uploaded: {why}",
        state="The release is still a draft." if release.draft else "The release lacks files of ours still.",
        advice=["run the same command again; it replaces what differs"]
        if release.draft
        else ["delete that file under Releases, and run the same command again"],
    )


def _record(
    local: LocalRelease, planned: ReleasePlan, release: GitHubRelease | None, *, published: bool = False
) -> Publication:
    return Publication(
        release=reference.format(local.tag, local.digest),
        tag=local.tag,
        id=release.id if release else 0,
        url=release.url if release else "",
        digest=local.digest,
        prerelease=local.prerelease,
        uploaded=tuple(step.name for step in planned.steps if step.do == "upload"),
        kept=tuple(planned.kept),
        published=published,
        unchanged=not planned.steps,
        steps=tuple(str(step) for step in planned.steps),
    )
