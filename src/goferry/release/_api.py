"""GitHub's REST interface as far as releases need it, through PyGithub; the assets' bytes go through `transfer`.

PyGithub's own repetitions are off: which requests are worth one, and what must be looked at before, is decided here
and in `retry`.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct

import goferry
from goferry.config.settings import Settings
from goferry.release import _access as access, _retry as retry
from goferry.release._inventory import UPLOADED, Asset, GitHubRelease
from goferry.release._repository import GitHub
from goferry.release.errors import GitHubUnexpected
from goferry.system.certificates import CertificateUntrusted

if TYPE_CHECKING:
    from github.GitRelease import GitRelease
    from github.GitReleaseAsset import GitReleaseAsset

T = TypeVar("T")
READ, WRITE = "contents: read", "contents: write"
_NESTED_TAGS = 5
_MOST_DETAILS = 5


class Api:
    """One repository's releases.

    Every method raises TokenInvalid, PermissionMissing, NotFound, ThingMissing, RateLimited, GitHubFailing or
    GitHubUnexpected.
    """

    def __init__(self, github: GitHub, settings: Settings) -> None:
        import github as pygithub

        from goferry.release import _github_connections as github_connections  # as late as PyGithub, which it fits

        github_connections.use()
        self.github = github
        self.fork = access.from_fork(settings.environ)
        self._connection = pygithub.Github(
            auth=pygithub.Auth.Token(github.token) if github.token else None,
            base_url=github.api_url.rstrip("/"),
            timeout=github_connections.TIMEOUT,
            user_agent=f"goferry/{goferry.__version__}",
            per_page=100,
            verify=_certificates(settings.environ),
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
            lazy=True,
        )
        self._repository = self._connection.get_repo(github.repository)

    def tag_commit(self, tag: str) -> str:
        """Return the commit that a tag points to, through annotated tags; empty when there is no such tag."""
        git = f"/repos/{self.github.repository}/git"
        kind, sha = self._absent_as_none(
            f"look up the tag {tag}", lambda: self._pointed(f"{git}/ref/{quote('tags/' + tag, safe='')}")
        ) or ("", "")
        for _ in range(_NESTED_TAGS):
            if kind != "tag":
                break
            ask = partial(self._pointed, f"{git}/tags/{quote(sha, safe='')}")
            kind, sha = self.call("look up an annotated tag", READ, ask)
        return sha

    def _pointed(self, path: str) -> tuple[str, str]:
        """Return the type and name of the object that a ref or a tag points to."""
        try:
            pointed = msgspec.convert(self._get(path), _Reference).object
        except msgspec.ValidationError as error:
            raise GitHubUnexpected(f"GitHub answered something else than its API does: {error}") from None
        return pointed.type, pointed.sha

    def published(self, tag: str) -> GitHubRelease | None:
        """Return the published release of a tag, without its assets; drafts are never found so."""
        return self._absent_as_none(f"look up the release {tag}", lambda: _release(self._repository.get_release(tag)))

    def demand_repository(self) -> None:
        """Raise NotFound when the token sees no such repository."""
        self.call("look up the repository", READ, lambda: self._get(f"/repos/{self.github.repository}"))

    def releases(self) -> list[GitHubRelease]:
        """Return every release without its assets, and every draft that the token may see."""
        return self.call("list the releases", READ, lambda: [_release(one) for one in self._repository.get_releases()])

    def assets(self, release_id: int) -> tuple[Asset, ...]:
        """Return the assets of a release."""
        return self.call(
            "list the assets",
            READ,
            lambda: tuple(_asset(one) for one in self._repository.get_release(release_id).get_assets()),
        )

    def create_draft(self, tag: str, body: str, *, prerelease: bool) -> GitHubRelease:
        """Make a draft of a tag that exists."""
        # A second attempt after an answer was lost may leave two drafts: the caller looks again.
        return self.call(
            "make a draft",
            WRITE,
            lambda: _release(
                self._repository.create_git_release(
                    tag, name=tag, message=body, draft=True, prerelease=prerelease, make_latest="false"
                )
            ),
        )

    def delete_draft(self, release_id: int) -> None:
        """Delete a draft."""
        self.call("delete a draft", WRITE, self._repository.get_release(release_id).delete_release)

    def delete_asset(self, asset_id: int) -> None:
        """Delete an asset; one that is gone already is fine."""
        self._absent_as_none("delete an asset", self._repository.get_release_asset(asset_id).delete_asset, WRITE)

    def publish(self, draft: GitHubRelease, body: str, *, prerelease: bool, latest: bool) -> GitHubRelease:
        """Turn a draft into a published release."""
        return self.call(
            "publish the release",
            WRITE,
            lambda: _release(
                self._repository.get_release(draft.id).update_release(
                    draft.name or draft.tag,
                    body,
                    draft=False,
                    prerelease=prerelease,
                    tag_name=draft.tag,
                    make_latest="true" if latest else "false",
                )
            ),
        )

    def describe(self, release: GitHubRelease, body: str) -> GitHubRelease:
        """Give a published release another text; its title, and what it counts as, stay."""
        return self.call(
            "describe the release",
            WRITE,
            lambda: _release(
                self._repository.get_release(release.id).update_release(
                    release.name or release.tag, body, prerelease=release.prerelease, tag_name=release.tag
                )
            ),
        )

    def call(self, what: str, permission: str, request: Callable[[], T]) -> T:
        """Do one request, again while that helps; `what` and `permission` are for the error."""
        attempt = 0
        while True:
            status, headers, message, result = _outcome(request)
            if status == -1:
                return result  # type: ignore[return-value]  # without a problem there is a result
            self.pause_or_raise(status, headers, message, attempt=attempt, what=what, permission=permission)
            attempt += 1

    def pause_or_raise(
        self, status: int, headers: Mapping[str, str], message: str, *, attempt: int, what: str, permission: str
    ) -> None:
        """Wait before the next attempt, or raise the error when another would not help."""
        seconds = retry.wait_for(status, headers, message, attempt=attempt, now=time.time())
        if seconds is None or seconds > retry.LONGEST_WAIT or attempt + 1 >= retry.ATTEMPTS:
            if status == 404 and not permission.endswith("write") and self._there():
                raise access.thing_missing(what, message, permission=permission, github=self.github)
            raise access.refusal(
                status, headers, message, what=what, permission=permission, github=self.github, fork=self.fork
            )
        retry.sleep(seconds)

    def _there(self) -> bool:
        """Whether this token sees the repository."""
        return _outcome(lambda: self._get(f"/repos/{self.github.repository}"))[0] == -1

    def _get(self, path: str) -> dict[str, Any]:
        _, data = self._connection.requester.requestJsonAndCheck("GET", path)
        return dict(data)

    def _absent_as_none(self, what: str, request: Callable[[], T], permission: str = READ) -> T | None:
        def ask() -> T | None:
            from github import GithubException

            try:
                return request()
            except GithubException as error:
                if error.status == 404:
                    return None
                raise

        return self.call(what, permission, ask)


def _outcome(request: Callable[[], T]) -> tuple[int, Mapping[str, str], str, T | None]:
    """Return (-1, {}, "", result), or the problem's status (0: no answer), headers and message."""
    import requests
    from github import BadAttributeException, GithubException

    from goferry.release import _github_connections as github_connections

    try:
        with github_connections.within(github_connections.WHOLE):
            return -1, {}, "", request()
    except GithubException as error:
        headers = {name.lower(): str(value) for name, value in (error.headers or {}).items()}
        return error.status, headers, message_of(error.data), None
    except requests.exceptions.SSLError as error:
        raise CertificateUntrusted(
            f"GitHub's certificate is not trusted here: {_short(error)}",
            advice=["name your certificate authority's file in SSL_CERT_FILE"],
        ) from None
    except requests.exceptions.RequestException as error:
        return 0, {}, _short(error), None
    except (
        AssertionError,
        AttributeError,
        BadAttributeException,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        # PyGithub asserts what an answer holds, and stumbles over others; a proxy's login page, for one, is none.
        raise GitHubUnexpected(f"GitHub answered something else than its API does: {type(error).__name__}") from None


class _Object(Struct, frozen=True):
    type: str
    sha: str


class _Reference(Struct, frozen=True):
    """What a ref or an annotated tag points to (GitHub docs, "REST API endpoints for Git references")."""

    object: _Object


class _Refusal(Struct, frozen=True):
    """The body of an error; proxies and older servers put anything in these places."""

    message: object = None
    errors: object = None


class _Error(Struct, frozen=True):
    """One of the errors of a refusal; of any type, as there."""

    resource: object = None
    field: object = None
    code: object = None
    message: object = None


def message_of(data: object) -> str:
    """Return the words of an error's body, with each of the errors that HTTP 422 carries (GitHub docs, "REST API").

    {"message": "Validation Failed", "errors": [{"resource", "field", "code", "message"} or text, …]}
    """
    if not isinstance(data, dict):
        return str(data or "no explanation")
    refusal = msgspec.convert(data, _Refusal)
    found = refusal.errors or []
    details = [_detail(each) for each in (found if isinstance(found, list) else [found])[:_MOST_DETAILS]]
    return ": ".join([str(refusal.message or "no explanation"), *filter(None, ["; ".join(filter(None, details))])])


def _detail(found: object) -> str:
    """Return one error of an answer: its own words, and the field and code that it has them for."""
    if not isinstance(found, dict):
        return str(found or "")
    error = msgspec.convert(found, _Error)
    place = ".".join(str(each) for each in (error.resource, error.field) if each)
    named = " ".join(part for part in (place, str(error.code or "")) if part)
    words = str(error.message or "")
    return f"{words} ({named})" if words and named else words or named


def _short(error: Exception) -> str:
    """Return the cause of a failed connection without the wrappers' words."""
    cause: object = error
    for _ in range(4):
        inner = getattr(cause, "reason", None) or next(iter(getattr(cause, "args", ())), None)
        if not isinstance(inner, Exception):
            break
        cause = inner
    return str(cause).rsplit(">: ", 1)[-1].rsplit("): ", 1)[-1] or type(cause).__name__


def _release(found: GitRelease) -> GitHubRelease:
    return GitHubRelease(
        id=found.id,
        tag=found.tag_name,
        name=found.name or "",
        draft=found.draft,
        prerelease=found.prerelease,
        immutable=bool(found.immutable),
        body=found.body or "",
        url=found.html_url,
        upload_url=found.upload_url.partition("{")[0],
    )


def _asset(found: GitReleaseAsset) -> Asset:
    algorithm, _, digest = (found.digest or "").partition(":")
    state = found.state or UPLOADED
    return Asset(found.id, found.name, found.size, digest if algorithm == "sha256" else "", state)


def _certificates(environ: Mapping[str, str]) -> bool | str:
    """Return what `requests` trusts: SSL_CERT_FILE, else the system's store where it is one file, else certifi's."""
    system = ssl.get_default_verify_paths().cafile or ""
    return environ.get("SSL_CERT_FILE") or (system if system and Path(system).is_file() else True)
