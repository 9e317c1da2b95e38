"""From GitHub's refusals to errors that say which permission is missing and where it goes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from goferry.kernel.errors import Advice, GoferryError, printable
from goferry.release import _retry as retry
from goferry.release._repository import GitHub
from goferry.release.errors import (
    GitHubFailing,
    GitHubUnexpected,
    NotFound,
    PermissionMissing,
    RateLimited,
    ThingMissing,
    TokenInvalid,
    TokenMissing,
)
from goferry.system.runner_variables import RunnerVariables

_LARGEST_EVENT = 25 << 20
_NEVER = 10**11


def refusal(
    status: int, headers: Mapping[str, str], message: str, *, what: str, permission: str, github: GitHub, fork: bool
) -> GoferryError:
    """Return the error for an answer of HTTP `status`.

    Args:
        status: 0: there was no answer, and `message` says why.
        headers: with names in lower case.
        message: GitHub's words; untrusted.
        what: was being done, "list the releases".
        permission: that it needs, "contents: write".
        github: the repository.
        fork: whether a pull request from a fork runs this.
    """
    shown = printable(message, 300)
    if retry.is_limit(status, headers, message):
        return _limited(headers, shown, what)
    if status == 401:
        return TokenInvalid(
            f"GitHub did not accept the token (could not {what}): {shown}",
            advice=[_GIVE_TOKEN],
        )
    if status == 404 and not permission.endswith("write"):
        return not_found(github, fork=fork)
    if status in (403, 404):
        return permission_missing(status, shown, what=what, permission=permission, github=github, fork=fork)
    if status == 0 or status >= 500:
        happened = f"answered HTTP {status}" if status else "did not answer"
        return GitHubFailing(
            f"GitHub {happened}, {retry.ATTEMPTS} times (could not {what}): {shown}",
            state="What was uploaded stays in the draft.",
            advice=["run the same command again; it goes on from there"],
            status=status,
        )
    return GitHubUnexpected(f"GitHub would not {what} (HTTP {status}): {shown}", status=status)


_GIVE_TOKEN = Advice(
    "set one:  export GH_TOKEN=$(gh auth token)",
    step="give the step  with: {token: '${{ github.token }}'}",
    caller="give the calling job  permissions: {contents: write}",
)


def permission_missing(
    status: int, shown: str, *, what: str, permission: str, github: GitHub, fork: bool
) -> GoferryError:
    """Return the error for a token that may not do something."""
    if fork:
        return PermissionMissing(
            f"a pull request from a fork may not {what} in {github.repository} (HTTP {status}: {shown})",
            advice=[
                "its token only reads, whatever the workflow's permissions say",
                "release from a tag in the repository itself:  on: {push: {tags: ['v*']}}",
            ],
            permission=permission,
            fork=True,
        )
    return PermissionMissing(
        f"the token may not {what} in {github.repository} (HTTP {status}: {shown})",
        advice=[
            Advice(
                f"give the token that permission:  {permission}",
                step=f"give the job, and the job that calls its workflow:  permissions: {{{permission}}}",
                caller=f"give the calling job:  permissions: {{{permission}}}",
            ),
            "if it has that: is the repository's name right, and its default for workflows not read-only?",
        ],
        permission=permission,
        fork=False,
    )


def not_found(github: GitHub, *, fork: bool) -> GoferryError:
    """Return the error for a repository that is not there for this token."""
    who = "this token" if github.token else "readers without a token"
    advice = ["look at the name, OWNER/NAME"]
    if not github.token:
        advice += ["a private repository needs a token", _GIVE_TOKEN]
    elif fork:
        advice.append("the token of a pull request from a fork reads that repository alone")
    else:
        advice.append("a job's own token reads its own repository alone:  permissions: {contents: read}")
    return NotFound(f"there is no repository {github.repository} for {who} (HTTP 404)", advice=advice)


def thing_missing(what: str, shown: str, *, permission: str, github: GitHub) -> ThingMissing:
    """Return the error for what is not there in a repository that is."""
    return ThingMissing(
        f"GitHub could not {what}: it is not there in {github.repository} (HTTP 404): {printable(shown, 300)}",
        advice=[
            f"look whether somebody removed it:  gh release list --repo {github.repository}",
            Advice(
                f"or give the token the permission that it needs:  {permission}",
                step=f"or give the job, and the job that calls its workflow:  permissions: {{{permission}}}",
                caller=f"or give the calling job:  permissions: {{{permission}}}",
            ),
        ],
    )


def token_missing(what: str) -> TokenMissing:
    """Return the error for a run without a token."""
    return TokenMissing(
        f"there is no token to {what} with",
        advice=[_GIVE_TOKEN],
    )


class _Repository(Struct, frozen=True):
    full_name: str


class _Branch(Struct, frozen=True):
    repo: _Repository


class _PullRequest(Struct, frozen=True):
    head: _Branch


class _Event(Struct, frozen=True):
    """What is asked of the event that started a run (GitHub docs, "Webhook events and payloads")."""

    pull_request: _PullRequest


def from_fork(environ: Mapping[str, str]) -> bool:
    """Whether a pull request from another repository runs this, by the event that the runner describes."""
    given = RunnerVariables.of(environ)
    path = given.github_event_path
    if not path or not given.github_event_name.startswith("pull_request"):
        return False
    try:
        with Path(path).open("rb") as file:
            event = msgspec.json.decode(file.read(_LARGEST_EVENT), type=_Event)
    except msgspec.ValidationError:
        return True  # the fork's repository is null once it was deleted
    except (OSError, ValueError, RecursionError):
        return False
    return event.pull_request.head.repo.full_name != given.github_repository


def _limited(headers: Mapping[str, str], shown: str, what: str) -> RateLimited:
    reset = retry.Limit.of(headers).reset
    when = "" if reset is None or reset >= _NEVER else time.strftime("%H:%M:%S UTC", time.gmtime(reset))
    return RateLimited(
        f"GitHub limits this token's requests (could not {what}): {shown}",
        state="What was uploaded stays in the draft.",
        advice=[f"run the same command again{' after ' + when if when else ' later'}; it goes on from there"],
    )
