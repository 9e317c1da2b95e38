"""What an environment accepts, judged before anything is connected to; the host judges signatures and floors."""

from __future__ import annotations

from pathlib import Path

from goferry.deploy.upload import read_release
from goferry.kernel.errors import printable
from goferry.kernel.outcomes import SnapshotRefused


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
                "tag the commit, push the tag, and deploy what the tag's run builds:  git push origin v1.2.3",
                "or try it in development:  --environment development",
            ],
        )
