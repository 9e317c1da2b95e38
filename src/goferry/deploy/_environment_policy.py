"""What an environment accepts, judged before anything is connected to; the host judges signatures and floors."""

from __future__ import annotations

from pathlib import Path

from goferry.deploy._upload import read_release
from goferry.kernel.errors import Refused, printable
from goferry.kernel.outcomes import SnapshotRefused

_SHOWN = 10


class UncommittedRefused(Refused):
    """The environment does not accept releases with uncommitted files, and this one has some, or does not say.

    Usual causes: generated sources or an embedded front end that git ignores, or a release that was sealed by a Goferry
    without such a list.
    """

    name = "uncommitted-refused"


def judge_uncommitted(dist: Path, rule: str, environment: str = "") -> None:
    """Refuse a release that lists uncommitted files, or that does not list them, where the rule is `refused`.

    Raises:
        UncommittedRefused: as it says. ManifestMissing, ManifestMalformed: when the folder does not say what it is.
    """
    if rule != "refused":
        return
    release = read_release(dist)
    listed, where = release.uncommitted, printable(environment, 80) or "the environment"
    # None is not an empty list: a release that keeps no such list may have any number of these files.
    if listed is None or listed:
        shown = [printable(path, 200) for path in (listed or [])[:_SHOWN]]
        more = f", and {len(listed) - _SHOWN} more" if listed and len(listed) > _SHOWN else ""
        what = f"has {', '.join(shown)}{more}" if listed else "does not say whether it has any"
        raise UncommittedRefused(
            f"{where} takes nothing that the commit lacks; {release.project} {release.version} {what}",
            state="Nothing was changed.",
            advice=[
                "commit those files, and tag a commit that has them" if listed else "build and seal the release again",
                "or allow them:  environments: {NAME: {uncommitted: allowed}}",
            ],
            files=listed or [],
        )


def judge_accepts(dist: Path, accepts: str, environment: str = "") -> None:
    """Refuse a snapshot where only releases are accepted; an empty rule accepts everything.

    Raises:
        SnapshotRefused: as it says. ManifestMissing, ManifestMalformed: when the folder does not say what it is.
    """
    if accepts != "releases":
        return
    release = read_release(dist)
    if release.why_no_release:
        where = printable(environment, 80) or "the environment"
        raise SnapshotRefused(
            f"{where} accepts releases; {release.project} {release.version} is {release.why_no_release}",
            state="Nothing was changed.",
            advice=[
                "tag the commit, push the tag, and deploy what the tag's run builds:  git push origin TAG",
                "or try it in development:  --environment development",
            ],
        )
