"""From what is there and what should be to the steps between: pure, so that a dry run shows what a run does.

    no release            create-draft, upload …, verify, publish
    a draft               delete-asset …, upload what is missing, verify, publish
    published and equal   nothing
    published by others   upload what is missing, verify, list and signatures last, verify, describe
    published otherwise   a refusal: what is published never changes

A draft is ours when its text carries our mark (release.notes); of another's draft only the text is kept, and a file in
it that is not this release's is a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from goferry.artifacts.schemes import Scheme
from goferry.kernel.checksums import LIST
from goferry.kernel.manifest import MANIFEST, SIGNATURES
from goferry.release import _notes as notes
from goferry.release._inventory import UPLOADED, Asset, GitHubRelease, LocalRelease, ReleaseFile, Remote
from goferry.release.errors import (
    AssetRenamed,
    DraftOfOthers,
    DraftsAmbiguous,
    ReleaseDiffers,
    ReleaseIncomplete,
    ReleaseTooLarge,
    TagMismatch,
    TagMissing,
    TagMoved,
)

_LAST = frozenset({LIST, *SIGNATURES.values()})
_SEALS = _LAST | {MANIFEST}
_NOTHING = "Nothing was published or changed."
_KEPT = re.compile(r"[0-9A-Za-z_+-](?:\.?[0-9A-Za-z_+-])*")
"""Names of assets that GitHub keeps; it replaces other characters (GitHub docs, "Upload a release asset")."""
MOST_FILES, MOST_BYTES = 1000, 2 << 30
"""What GitHub takes: files of a release, and bytes that each stays below (GitHub docs, "About releases")."""


@dataclass(frozen=True)
class ReleaseStep:
    """One step.

    Attributes:
        do: `create-draft`, `delete-draft`, `delete-asset`, `upload`, `verify`, `publish` or `describe`.
        name: the asset's name. id: GitHub's number of what is deleted. size: bytes. sha256: lower-case hex.
        why: for a person. latest: of `publish`: whether it becomes the repository's latest release.
        names: of `verify`: the files, where it is not every file.
    """

    do: str
    name: str = ""
    id: int = 0
    size: int = 0
    sha256: str = ""
    why: str = ""
    latest: bool = False
    names: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the fields that are set; JSON types."""
        return {
            key: list(value) if key == "names" else value for key, value in asdict(self).items() if value or key == "do"
        }

    def __str__(self) -> str:
        size = f" ({self.size} bytes)" if self.do == "upload" else ""
        why = f": {self.why}" if self.why else ""
        return f"{self.do}{' ' + self.name if self.name else ''}{size}{why}"


@dataclass(frozen=True)
class ReleasePlan:
    """The steps, the release or draft that they work on (None: to be created), and the assets that stay."""

    steps: tuple[ReleaseStep, ...]
    release: GitHubRelease | None = None
    kept: tuple[str, ...] = ()


def plan(local: LocalRelease, remote: Remote) -> ReleasePlan:
    """Return the steps from `remote` to a release that holds `local`.

    Raises:
        TagMismatch, TagMissing, TagMoved: the tag is not this release's.
        ReleaseTooLarge, AssetRenamed: GitHub would not take so much, or under other names.
        ReleaseDiffers, ReleaseIncomplete, DraftOfOthers, DraftsAmbiguous: GitHub has something else there.
    """
    check_tag(local, remote.commit)
    published = next((release for release in remote.releases if not release.draft), None)
    if published:
        left = _missing(local, published)
        if left:
            _check_size(local)
        return ReleasePlan(tuple(_filling(local, published, left)), published, _kept(local, left))
    _check_size(local)
    draft, surplus = _choose_draft(local, remote)
    removed = _removed(local, draft) if draft else []
    gone = {step.id for step in removed}
    kept = {asset.name for asset in draft.assets if asset.id not in gone} if draft else set()
    steps = [ReleaseStep("delete-draft", id=other.id, why="a second draft of ours") for other in surplus]
    if not draft:
        steps.append(ReleaseStep("create-draft", name=local.tag))
    steps += removed
    steps += [_upload(file) for file in local.files if file.name not in kept]
    steps.append(ReleaseStep("verify", why=f"download {len(local.files)} files again and compare every byte"))
    if not local.draft:
        steps.append(_publish(local, remote))
    return ReleasePlan(tuple(steps), draft, tuple(sorted(kept)))


def check_tag(local: LocalRelease, commit: str) -> None:
    """Demand that the tag spells the version, exists, and points to the commit that was built.

    Raises:
        TagMismatch: the tag does not name the version that was sealed.
        TagMissing: the repository on GitHub has no such tag.
        TagMoved: the tag on GitHub points to another commit than the one that was built.
    """
    names = local.tag in (local.sealed, local.version) or local.tag.endswith("/" + local.version)
    if not names:
        raise TagMismatch(
            f"the tag {local.tag} does not name the version {local.version}",
            state=_NOTHING,
            advice=[f"leave the tag out: {local.sealed or local.version} was sealed"],
        )
    if not commit:
        raise TagMissing(
            f"there is no tag {local.tag} on GitHub", state=_NOTHING, advice=[f"git push origin {local.tag}"]
        )
    if commit != local.commit:
        raise TagMoved(
            f"the tag {local.tag} points to {commit[:12]} on GitHub, but {local.commit[:12] or 'no commit'} was built",
            state=_NOTHING,
            advice=["build what the tag points to, or find out who moved it"],
            expected=local.commit,
            actual=commit,
        )


def _check_size(local: LocalRelease) -> None:
    """Demand that GitHub takes every file, before a draft with half of them is left behind."""
    if len(local.files) > MOST_FILES:
        raise ReleaseTooLarge(
            f"{local.tag} has {len(local.files)} files, and GitHub takes {MOST_FILES} of a release",
            state=_NOTHING,
            advice=["build fewer targets or archives:  goferry inspect --config"],
        )
    for file in local.files:
        if not _KEPT.fullmatch(file.name):
            raise AssetRenamed(
                f"GitHub would store {file.name} under another name",
                state=_NOTHING,
                advice=["choose a name of letters, digits, single dots, dashes and underscores"],
            )
        if file.size >= MOST_BYTES:
            raise ReleaseTooLarge(
                f"{file.name} has {file.size} bytes, and GitHub takes files below {MOST_BYTES}",
                state=_NOTHING,
                advice=["leave out what is embedded, or strip it:  goferry inspect --config"],
            )


def as_marked(local: LocalRelease, remote: Remote) -> LocalRelease:
    """Return the release as a pre-release where somebody ticked that on GitHub, and nobody said otherwise here."""
    ticked = any(release.prerelease for release in remote.releases)
    return local if local.explicit or not ticked else replace(local, prerelease=True)


def is_prerelease(version: str, scheme: Scheme) -> bool:
    """Whether the scheme ranks the version before a release of the same number; one that it can't read is none."""
    found = scheme.read(version)
    return found is None or found.pre


def _choose_draft(local: LocalRelease, remote: Remote) -> tuple[GitHubRelease | None, list[GitHubRelease]]:
    """Return the draft to fill, and drafts of ours beside it that a race left behind."""
    drafts = sorted(remote.releases, key=lambda release: release.id)
    others = [draft for draft in drafts if not notes.is_ours(draft.body)]
    if len(others) > 1:
        raise DraftsAmbiguous(
            f"{local.tag} has {len(others)} drafts on GitHub that others began",
            state=_NOTHING,
            advice=["delete all but one of them under Releases"],
        )
    chosen = next(iter(others or drafts), None)
    return chosen, [draft for draft in drafts if draft is not chosen]


def _removed(local: LocalRelease, draft: GitHubRelease) -> list[ReleaseStep]:
    wanted = {file.name: file for file in local.files}
    steps, foreign = [], []
    for asset in draft.assets:
        file = wanted.get(asset.name)
        if asset.state != UPLOADED:
            steps.append(ReleaseStep("delete-asset", asset.name, asset.id, why="its upload did not come to its end"))
        elif file is None or not _same(asset, file.size, file.sha256):
            foreign.append(asset.name)
            why = "is not of this release" if file is None else "has other bytes"
            steps.append(ReleaseStep("delete-asset", asset.name, asset.id, why=why))
    if foreign and not notes.is_ours(draft.body):
        raise DraftOfOthers(
            f"the draft of {local.tag} was begun by somebody else and holds {', '.join(sorted(foreign)[:3])}",
            state=_NOTHING,
            advice=["remove these files from the draft, or delete it, under Releases"],
            files=sorted(foreign)[:100],
        )
    return steps


def _missing(local: LocalRelease, release: GitHubRelease) -> tuple[str, ...]:
    """Return the names that a published release lacks, sorted; what it has must be this release's.

    What others published without our files may be filled, until it was whole once: before that nobody could verify it,
    so what sealing wrote may even be replaced by what a later run wrote.
    """
    there = {asset.name: asset for asset in release.assets if asset.state == UPLOADED}
    wanted = {file.name: file for file in local.files}
    whole = notes.is_described(release.body) or set(wanted) <= set(there)
    stale = {
        name
        for name, asset in there.items()
        if name not in wanted or not _same(asset, wanted[name].size, wanted[name].sha256)
    }
    other = sorted(stale if whole or release.immutable else stale - _SEALS)
    if other:
        raise ReleaseDiffers(
            f"{local.tag} is published already, and these files differ: {', '.join(other[:3])}",
            state=f"{release.url or local.tag} is as it was.",
            advice=[
                "publish the folder that was sealed for it first, or release the next version",
                *(
                    ["a file that is not of the release can be removed under Releases"]
                    if set(other) - set(wanted)
                    else []
                ),
            ],
            files=other[:100],
            immutable=release.immutable,
        )
    missing = tuple(sorted((set(wanted) - set(there)) | stale))
    if missing and (release.immutable or local.draft or notes.is_described(release.body)):
        raise incomplete(local.tag, release, missing)
    return missing


def incomplete(tag: str, release: GitHubRelease, missing: Sequence[str]) -> ReleaseIncomplete:
    """Return the error for a published release to which nothing may be added."""
    if release.immutable:
        advice = [
            "release the next version",
            'with release-please, let it make drafts:  "draft": true, "force-tag-creation": true',
        ]
    else:
        advice = ["delete that release under Releases (keep the tag), and run this again"]
    return ReleaseIncomplete(
        f"{tag} is published already{' and immutable' if release.immutable else ''}, without {', '.join(missing[:3])}",
        state=f"{release.url or tag} is as it was.",
        advice=advice,
        files=sorted(missing)[:100],
        immutable=release.immutable,
    )


def _filling(local: LocalRelease, release: GitHubRelease, left: Sequence[str]) -> list[ReleaseStep]:
    """Return the steps that add what is left to a release that others published: list and signatures last."""
    if not left:
        return []
    files = [file for file in local.files if file.name in left]
    first = [file for file in files if file.name not in _LAST]
    last = [file for file in files if file.name in _LAST]
    steps = [
        ReleaseStep("delete-asset", asset.name, asset.id, why="is not of a whole release")
        for asset in sorted(release.assets, key=lambda asset: (asset.name not in _LAST, asset.name))
        if asset.name in left
    ]
    proven = tuple(file.name for file in local.files if file.name not in _LAST)
    steps += [_upload(file) for file in first]
    steps.append(ReleaseStep("verify", names=proven, why=f"download {len(proven)} files again and compare every byte"))
    steps += [_upload(file) for file in last]
    steps.append(ReleaseStep("verify", names=tuple(file.name for file in last), why="the list and its signatures"))
    return [*steps, ReleaseStep("describe", local.tag, why="add what the files are, below its notes")]


def _kept(local: LocalRelease, left: Sequence[str]) -> tuple[str, ...]:
    return tuple(file.name for file in local.files if file.name not in left)


def _upload(file: ReleaseFile) -> ReleaseStep:
    return ReleaseStep("upload", file.name, size=file.size, sha256=file.sha256)


def _same(asset: Asset, size: int, sha256: str) -> bool:
    return asset.size == size and asset.sha256 == sha256


def _publish(local: LocalRelease, remote: Remote) -> ReleaseStep:
    latest = not local.prerelease and is_latest(local.tag, local.version, remote.published, local.scheme)
    return ReleaseStep("publish", local.tag, latest=latest, why="pre-release" if local.prerelease else "")


def is_latest(tag: str, version: str, published: tuple[str, ...], scheme: Scheme) -> bool:
    """Whether no published release of the same series (what stands before the version in its tag) ranks higher."""
    own, series = scheme.read(version), tag[: len(tag) - len(version)]
    if own is None or own.order is None:
        return False
    others = [scheme.read(name[len(series) :]) for name in published if name.startswith(series) and name != tag]
    return all(other is None or other.order is None or other.order <= own.order for other in others)
