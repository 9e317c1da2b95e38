"""What a push means, from the event and the ref alone."""

from __future__ import annotations

PULL_REQUEST, SNAPSHOT, RELEASE = "pull-request", "snapshot", "release"
_FOREIGN = frozenset({"pull_request", "pull_request_target", "pull_request_review", "merge_group", "issue_comment"})


def meaning(event: str, ref: str, *, from_fork: bool = False, snapshot: bool = True) -> str:
    """Return what a push means.

    Args:
        event: the event's name, `push`, `pull_request`, …; anything that strangers can start is a pull request.
        ref: the full ref.
        from_fork: whether another repository's code is built.
        snapshot: whether the version is no release (commits since the tag, or a changed work tree).

    Returns:
        `pull-request`: build, test and plan, without a secret. `snapshot`: sealed, for development alone.
        `release`: a tag whose commit bears that version.
    """
    if from_fork or event in _FOREIGN:
        return PULL_REQUEST
    return RELEASE if ref.startswith("refs/tags/") and not snapshot else SNAPSHOT


def shards(targets: int, wanted: str = "") -> list[str]:
    """Return the parts of a build matrix, `["1/2", "2/2"]`: as many as wanted, else one a target and at most four.

    Raises:
        ValueError: `wanted` is no number from 1 to 64.
    """
    count = min(int(wanted), max(targets, 1)) if wanted else min(max(targets, 1), 4)
    if not 1 <= count <= 64:
        raise ValueError(wanted)
    return [f"{number}/{count}" for number in range(1, count + 1)]
