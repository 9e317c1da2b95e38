"""What a push means: from the event, the ref, and what is built of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from goferry.build import version as versions
from goferry.build.trigger import WRITERS, Trigger
from goferry.kernel.errors import Misuse, printable

if TYPE_CHECKING:
    from goferry.build.facts import Facts

PULL_REQUEST, SNAPSHOT, RELEASE = "pull-request", "snapshot", "release"
_VERSION = re.compile(r"refs/tags/(?:.*/)?v?[0-9]+\.[0-9].*")


class TagUnreleased(Misuse):
    """A tag that looks like a version was pushed, and its commit does not build as that version.

    It usually is a major version that the module's path lacks (`/v2`), a tag of another folder's module, or a checkout
    without tags (`fetch-depth: 0` brings them).
    """

    name = "tag-unreleased"


def of_project(event: str, ref: str, facts: Facts, *, from_fork: bool) -> str:
    """Return what a push means for a project, as `meaning`; another module's version tag releases nothing of it."""
    prefix = versions.tag_prefix(facts.folder, facts.module)
    folder, slash, _ = ref.removeprefix("refs/tags/").rpartition("/")
    if _VERSION.fullmatch(ref) and folder + slash != prefix and slash and (facts.root / folder / "go.mod").is_file():
        return meaning(event, "", from_fork=from_fork)
    return meaning(event, ref, from_fork=from_fork, bears=facts.bears, tag=prefix + facts.version)


def release_tag(ref: str) -> str:
    """Return the pushed tag of a module in a folder, `api/v1.2.3`; empty: the version itself is the tag."""
    tag = ref.removeprefix("refs/tags/")
    return tag if ref != tag and "/" in tag else ""


def meaning(event: str, ref: str, *, from_fork: bool = False, bears: bool = False, tag: str = "") -> str:
    """Return what a push means.

    Args:
        event: the event's name, `push`, `pull_request`, …; anything that strangers can start is a pull request, and so
            is what is not known here.
        ref: the full ref.
        from_fork: whether another repository's code is built.
        bears: whether what is built bears a release's version (a tag on the commit, and no change since).
        tag: the tag of what is built; one of another name, `nightly` on the same commit, does not release it again.

    Returns:
        `pull-request`: build, test and plan, without a secret. `snapshot`: sealed, for development alone.
        `release`: a tag whose commit bears that version.

    Raises:
        TagUnreleased: the tag looks like a version and the commit does not bear it: nobody should wait for a release.
    """
    if from_fork or event not in WRITERS:
        return PULL_REQUEST
    if not bears and event == "push" and _VERSION.fullmatch(ref):
        pushed = printable(ref.removeprefix("refs/tags/"), 200)
        raise TagUnreleased(
            f"the tag {pushed} was pushed, and this commit builds as a snapshot",
            state="Nothing was built.",
            advice=[
                "what git and go.mod say:  goferry inspect",
                "a module from v2 on has the major version in its path:  module example.com/shop/v2",
                "the checkout needs all tags:  with: {fetch-depth: 0}",
            ],
        )
    named = Trigger(event, ref).names(tag) if tag else ref.startswith("refs/tags/")
    return RELEASE if named and bears else SNAPSHOT


def shards(targets: int, wanted: str = "") -> list[str]:
    """Return the parts of a build matrix, `["1/2", "2/2"]`: as many as wanted, else one a target and at most four.

    Raises:
        ValueError: `wanted` is no number from 1 to 64.
    """
    count = min(int(wanted), max(targets, 1)) if wanted else min(max(targets, 1), 4)
    if not 1 <= count <= 64:
        raise ValueError(wanted)
    return [f"{number}/{count}" for number in range(1, count + 1)]
