"""From what is there and what should be to the steps between: pure, so that a dry run shows what a run does.

    no release            create-draft, upload …, verify, publish
    a draft               delete-asset …, upload what is missing, verify, publish
    published and equal   nothing
    published otherwise   a refusal: what is published never changes

A draft is ours when its text carries our mark (release.notes); of another's draft only the text is kept, and a file in
it that is not this release's is a refusal.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from goferry.dist.schemes import Scheme
from goferry.release import notes
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
from goferry.release.facts import UPLOADED, Asset, Local, Release, Remote

_NOTHING = "Nothing was published or changed."
_KEPT = re.compile(r"[0-9A-Za-z_+-](?:\.?[0-9A-Za-z_+-])*")
"""Names of assets that GitHub keeps; it replaces other characters (GitHub docs, "Upload a release asset")."""
MOST_FILES, MOST_BYTES = 1000, 2 << 30
"""What GitHub takes: files of a release, and bytes that each stays below (GitHub docs, "About releases")."""


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        do: `create-draft`, `delete-draft`, `delete-asset`, `upload`, `verify` or `publish`.
        name: the asset's name. id: GitHub's number of what is deleted. size: bytes. sha256: lower-case hex.
        why: for a person. latest: of `publish`: whether it becomes the repository's latest release.
    """

    do: str
    name: str = ""
    id: int = 0
    size: int = 0
    sha256: str = ""
    why: str = ""
    latest: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the fields that are set."""
        return {key: value for key, value in asdict(self).items() if value or key == "do"}

    def __str__(self) -> str:
        size = f" ({self.size} bytes)" if self.do == "upload" else ""
        why = f": {self.why}" if self.why else ""
        return f"{self.do}{' ' + self.name if self.name else ''}{size}{why}"


@dataclass(frozen=True)
class Plan:
    """The steps, the release or draft that they work on (None: to be created), and the assets that stay."""

    steps: tuple[Step, ...]
    release: Release | None = None
    kept: tuple[str, ...] = ()


def plan(local: Local, remote: Remote) -> Plan:
    """Return the steps from `remote` to a release that holds `local`.

    Raises:
        TagMismatch, TagMissing, TagMoved: the tag is not this release's.
        ReleaseTooLarge, AssetRenamed: GitHub would not take so much, or under other names.
        ReleaseDiffers, ReleaseIncomplete, DraftOfOthers, DraftsAmbiguous: GitHub has something else there.
    """
    check_tag(local, remote.commit)
    published = next((release for release in remote.releases if not release.draft), None)
    if published:
        _check_published(local, published)
        return Plan((), published, tuple(file.name for file in local.files))
    _check_size(local)
    draft, surplus = _choose_draft(local, remote)
    removed = _removed(local, draft) if draft else []
    gone = {step.id for step in removed}
    kept = {asset.name for asset in draft.assets if asset.id not in gone} if draft else set()
    steps = [Step("delete-draft", id=other.id, why="a second draft of ours") for other in surplus]
    if not draft:
        steps.append(Step("create-draft", name=local.tag))
    steps += removed
    steps += [
        Step("upload", file.name, size=file.size, sha256=file.sha256) for file in local.files if file.name not in kept
    ]
    steps.append(Step("verify", why=f"download {len(local.files)} files again and compare every byte"))
    if not local.draft:
        steps.append(_publish(local, remote))
    return Plan(tuple(steps), draft, tuple(sorted(kept)))


def check_tag(local: Local, commit: str) -> None:
    """Demand that the tag spells the version, exists, and points to the commit that was built.

    Raises:
        TagMismatch, TagMissing, TagMoved: as their names say.
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


def _check_size(local: Local) -> None:
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


def is_prerelease(version: str, scheme: Scheme) -> bool:
    """Whether the scheme ranks the version before a release of the same number; what it cannot read is no release."""
    found = scheme.read(version)
    return found is None or found.pre


def _choose_draft(local: Local, remote: Remote) -> tuple[Release | None, list[Release]]:
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


def _removed(local: Local, draft: Release) -> list[Step]:
    wanted = {file.name: file for file in local.files}
    steps, foreign = [], []
    for asset in draft.assets:
        file = wanted.get(asset.name)
        if asset.state != UPLOADED:
            steps.append(Step("delete-asset", asset.name, asset.id, why="its upload did not come to its end"))
        elif file is None or not _same(asset, file.size, file.sha256):
            foreign.append(asset.name)
            why = "is not of this release" if file is None else "has other bytes"
            steps.append(Step("delete-asset", asset.name, asset.id, why=why))
    if foreign and not notes.is_ours(draft.body):
        raise DraftOfOthers(
            f"the draft of {local.tag} was begun by somebody else and holds {', '.join(sorted(foreign)[:3])}",
            state=_NOTHING,
            advice=["remove these files from the draft, or delete it, under Releases"],
            files=sorted(foreign)[:100],
        )
    return steps


def _check_published(local: Local, release: Release) -> None:
    there: dict[str, Asset] = {asset.name: asset for asset in release.assets if asset.state == UPLOADED}
    wanted = {file.name: file for file in local.files}
    other = sorted(
        name
        for name, asset in there.items()
        if name not in wanted or not _same(asset, wanted[name].size, wanted[name].sha256)
    )
    if other:
        raise ReleaseDiffers(
            f"{local.tag} is published already, and these files differ: {', '.join(other[:3])}",
            state=f"{release.url or local.tag} is as it was.",
            advice=["publish the folder that was sealed for it first, or release the next version"],
            files=other[:100],
            immutable=release.immutable,
        )
    missing = sorted(set(wanted) - set(there))
    if missing:
        raise ReleaseIncomplete(
            f"{local.tag} is published already, without {', '.join(missing[:3])}",
            state=f"{release.url or local.tag} is as it was.",
            advice=["release the next version"]
            if release.immutable
            else ["delete that release under Releases (keep the tag), and run this again"],
            files=missing[:100],
            immutable=release.immutable,
        )


def _same(asset: Asset, size: int, sha256: str) -> bool:
    return asset.size == size and asset.sha256 == sha256


def _publish(local: Local, remote: Remote) -> Step:
    latest = not local.prerelease and is_latest(local.tag, local.version, remote.published, local.scheme)
    return Step("publish", local.tag, latest=latest, why="pre-release" if local.prerelease else "")


def is_latest(tag: str, version: str, published: tuple[str, ...], scheme: Scheme) -> bool:
    """Whether no published release of the same series (what stands before the version in its tag) ranks higher."""
    own, series = scheme.read(version), tag[: len(tag) - len(version)]
    if own is None or own.order is None:
        return False
    others = [scheme.read(name[len(series) :]) for name in published if name.startswith(series) and name != tag]
    return all(other is None or other.order is None or other.order <= own.order for other in others)
