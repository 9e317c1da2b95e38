"""What a push means: from the event, the ref, and what is built of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from goferry.gobuild.tags import TagKind
from goferry.gobuild.trigger import WRITERS, Trigger
from goferry.kernel.errors import Advice, Misuse, printable

if TYPE_CHECKING:
    from goferry.gobuild.facts import Facts

PULL_REQUEST, SNAPSHOT, RELEASE = "pull-request", "snapshot", "release"
_MOST_SHOWN = 5


class TagUnreleased(Misuse):
    """A tag that looks like a version was pushed or requested, but the checkout does not build as that version.

    Usual causes: an earlier step changed a file, the module's path lacks the major version (`/v2`), no scheme of
    goferry.yml matches the tag, the checkout has no tags (`fetch-depth: 0` fetches them), or the container has no git,
    in which case actions/checkout downloads only the files.
    """

    name = "tag-unreleased"


class TagForbidden(Misuse):
    """A release of a tag was requested in a run that anybody can start, such as that of a pull request.

    Only people who may write to the repository can seal a release: in a run of a push, of a release, of
    `workflow_dispatch`, `repository_dispatch`, `schedule` or `deployment`.
    """

    name = "tag-forbidden"


@dataclass(frozen=True)
class Push:
    """What a push means for a project (see `meaning`), and what a person should know of its tag, or nothing."""

    means: str
    notice: str = ""


def of_project(trigger: Trigger, facts: Facts, *, from_fork: bool) -> Push:
    """Return what a push means for a project.

    A version tag of the project is a release or an error. Tags of other modules, tags that move along and words are
    pushes like that of a branch, with a notice.

    Raises:
        TagUnreleased: the tag looks like a version and the commit does not bear it: nobody should wait for a release.
        TagForbidden: a tag was asked for where strangers start runs.
    """
    if trigger.asked and (from_fork or not trigger.writes):
        raise TagForbidden(
            f"the tag {printable(trigger.asked, 200)} is to be released in a run of {printable(trigger.event, 40)}",
            state="Nothing was built.",
            advice=["ask for it where only maintainers start runs:  on: workflow_dispatch"],
        )
    ref = f"refs/tags/{trigger.tag}" if trigger.tag else trigger.ref
    means = meaning(trigger.event, ref, from_fork=from_fork, bears=facts.bears, tag=facts.tag)
    if means != SNAPSHOT or not trigger.tag:
        return Push(means)
    kind, tag = facts.tags.kind(trigger.tag), printable(trigger.tag, 100)
    if kind is TagKind.VERSION and facts.bears and trigger.tag in facts.here:
        return Push(means, f"the version {facts.version} was asked for, and the tag is {tag}: nothing is released")
    if kind in (TagKind.VERSION, TagKind.FORBIDDEN) or trigger.asked:
        raise _unreleased(trigger.tag, kind, facts)
    like = f"a version of {facts.project} is tagged like {facts.tags.example}"
    return Push(means, f"the tag {tag} is {kind.value}, so nothing is released ({like})")


def _unreleased(tag: str, kind: TagKind, facts: Facts) -> TagUnreleased:
    shown = printable(tag, 200)
    if kind is TagKind.VERSION and facts.dirty:
        names = [printable(change[3:], 100) for change in facts.changes]
        more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
        what = f"changed since the commit of {shown}: {', '.join(names[:_MOST_SHOWN])}{more}"
        return TagUnreleased(
            what,
            state="Nothing was built.",
            advice=["see the changes:  git status", "build in a checkout that no step before has changed"],
            files=names[:100],
        )
    if facts.lack:
        return TagUnreleased(
            f"{facts.lack.why}, so nothing says that this is {shown}",
            state="Nothing was built.",
            advice=[facts.lack.job],
        )
    if kind is TagKind.VERSION:
        return TagUnreleased(
            f"the commit that is checked out does not have the tag {shown}",
            state="Nothing was built.",
            advice=[
                Advice(
                    f"check the tag out:  git fetch --tags && git checkout {shown}",
                    step="check the tag out, with all tags:  - uses: actions/checkout@REF  with: {fetch-depth: 0}",
                    caller="start the workflow on the tag itself:  on: {push: {tags: ['v*']}}",
                )
            ],
        )
    if kind is TagKind.FORBIDDEN:
        what, advice = facts.tags.why_not(tag), facts.tags.advice(tag)
    else:
        what, advice = f"tag {shown} is {kind.value}", [f"a release's tag is such as {facts.tags.example}"]
    return TagUnreleased(
        f"{what}; so the commit builds as a snapshot, {facts.version}",
        state="Nothing was built.",
        advice=[*advice, "what git and go.mod say:  goferry inspect"],
    )


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
    """
    if from_fork or event not in WRITERS:
        return PULL_REQUEST
    named = Trigger(event, ref).names(tag) if tag else ref.startswith("refs/tags/")
    return RELEASE if named and bears else SNAPSHOT


def shards(targets: int, wanted: str = "") -> list[str]:
    """Return the parts of a build matrix, `["1/2", "2/2"]`: as many as wanted, else one a target and at most four.

    Raises:
        ValueError: `wanted` is not a number from 1 to 64.
    """
    count = min(int(wanted), max(targets, 1)) if wanted else min(max(targets, 1), 4)
    if not 1 <= count <= 64:
        raise ValueError(wanted)
    return [f"{number}/{count}" for number in range(1, count + 1)]
