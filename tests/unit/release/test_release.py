import contextlib
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.artifacts.schemes import SCHEMES
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.kernel.errors import GoferryError
from goferry.kernel.manifest import File, Manifest
from goferry.release import (
    GitHub,
    _access as access,
    _inventory as kinds,
    _notes as notes,
    _reference as reference,
    _retry as retry,
)
from goferry.release._api import Api, message_of
from goferry.release._release_plan import is_latest, is_prerelease, plan
from goferry.release.errors import ReleaseTooLarge

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize("text", [f"v1.4.0@sha256:{DIGEST}", f"acme/shop@services/api/v1.4.0+b@sha256:{DIGEST}"])
def test_references_come_back(text):
    assert str(reference.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "v1.4.0", f"@sha256:{DIGEST}", f"v1@sha256:{DIGEST.upper()}", f"v1@sha256:{DIGEST}0", f"v1@sha512:{DIGEST}",
        f"v1@sha256:{DIGEST}\n", f" v1@sha256:{DIGEST}", f"a@b@sha256:{DIGEST}", f"@v1@sha256:{DIGEST}",
        f"a/b@c@v1@sha256:{DIGEST}", f"../..@v1@sha256:{DIGEST}", f"a/..@v1@sha256:{DIGEST}", f"-x@sha256:{DIGEST}",
        f"a..b@sha256:{DIGEST}", f"a/@sha256:{DIGEST}", f"a.lock@sha256:{DIGEST}", f"$(id)@sha256:{DIGEST}",
        f"a b@sha256:{DIGEST}", f"v1\u202e@sha256:{DIGEST}", "v" * 600 + f"@sha256:{DIGEST}",
    ],
)  # fmt: skip
def test_what_is_no_reference(text):
    with pytest.raises(GoferryError) as caught:
        reference.parse(text)
    assert caught.value.name == "reference-invalid"


@settings(deadline=None, max_examples=examples(200))
@given(st.text(max_size=60), st.text(max_size=40))
def test_whatever_parses_comes_back(head, tail):
    text = f"{head}@sha256:{tail if len(tail) > 30 else DIGEST}"
    try:
        found = reference.parse(text)
    except GoferryError:
        return
    assert str(found) == text
    assert found.tag.isascii()


@pytest.mark.parametrize(
    ("status", "headers", "message", "expected"),
    [
        (0, {}, "", 2.0),
        (502, {}, "", 2.0),
        (503, {"retry-after": "9"}, "", 9.0),
        (429, {"retry-after": "9"}, "", 9.0),
        (429, {}, "", 2.0),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1030"}, "", 31.0),
        (403, {}, "You have exceeded a secondary rate limit", 60.0),
        (403, {}, "You have triggered an abuse detection mechanism. Please wait a few minutes", 60.0),
        (403, {"retry-after": "30"}, "You have triggered an abuse detection mechanism", 30.0),
        (403, {}, "Resource not accessible by integration", None),
        (401, {}, "", None),
        (404, {}, "", None),
        (422, {}, "", None),
        (503, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, "", 2.0),
    ],
)
def test_when_a_request_is_repeated(status, headers, message, expected):
    assert retry.wait_for(status, headers, message, attempt=2, now=1000) == expected


@pytest.mark.parametrize(
    ("status", "headers", "permission", "name", "code"),
    [
        (401, {}, "contents: read", "github-token-invalid", 2),
        (403, {}, "contents: write", "github-permission-missing", 2),
        (403, {}, "contents: read", "github-permission-missing", 2),
        (404, {}, "contents: write", "github-permission-missing", 2),
        (404, {}, "contents: read", "github-not-found", 2),
        (403, {"retry-after": "900"}, "contents: write", "github-rate-limited", 5),
        (429, {"x-ratelimit-reset": "9" * 30}, "contents: write", "github-rate-limited", 5),
        (500, {}, "contents: write", "github-failing", 5),
        (0, {}, "contents: write", "github-failing", 5),
        (422, {}, "contents: write", "github-unexpected", 1),
    ],
)
def test_refusals_have_names_and_printable_words(status, headers, permission, name, code):
    error = access.refusal(
        status,
        headers,
        "no\x1b[31m\n::error::x",
        what="x",
        permission=permission,
        github=GitHub("a/b", "t"),
        fork=False,
    )
    assert (error.name, error.exit_code) == (name, code)
    assert "\x1b" not in error.what


@pytest.mark.parametrize(
    ("event", "name", "expected"),
    [
        ({"pull_request": {"head": {"repo": {"full_name": "x/b"}}}}, "pull_request", True),
        ({"pull_request": {"head": {"repo": {"full_name": "a/b"}}}}, "pull_request", False),
        ({"pull_request": {"head": {"repo": None}}}, "pull_request_target", True),
        ({"pull_request": {"head": {"repo": {"full_name": "x/b"}}}}, "push", False),
        ("not json", "pull_request", False),
    ],
)
def test_forks_are_recognised(event, name, expected, tmp_path):
    path = tmp_path / "event.json"
    path.write_text(json.dumps(event) if isinstance(event, dict) else event)
    environ = {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path), "GITHUB_REPOSITORY": "a/b"}
    assert access.from_fork(environ) is expected
    assert access.from_fork({}) is False


def test_the_token_is_never_shown():
    assert "secret" not in repr(GitHub("a/b", "secret"))
    with pytest.raises(GoferryError) as caught:
        GitHub("a/b", "secret\nsecret")
    assert caught.value.name == "github-token-invalid"
    assert "secret\n" not in str(caught.value.as_json())


@pytest.mark.parametrize("name", ["", "a", "a/b/c", "../x", "a/..", "a/b\n", "a b/c"])
def test_repositories_are_owner_and_name(name):
    with pytest.raises(GoferryError) as caught:
        GitHub(name)
    assert caught.value.name == "repository-invalid"


@pytest.mark.parametrize(
    ("api", "address", "expected"),
    [
        ("https://api.github.com", "https://uploads.github.com/x", True),
        ("https://api.github.com", "http://uploads.github.com/x", False),
        ("https://api.github.com", "https://uploads.github.com.evil.example/x", False),
        ("https://api.github.com", "https://evil.github.com/x", False),
        ("https://api.github.com", "https://x@uploads.github.com/x", False),
        ("https://api.acme.ghe.com", "https://uploads.acme.ghe.com/x", True),
        ("https://ghe.example.com/api/v3", "https://ghe.example.com/api/uploads/x", True),
        ("https://ghe.example.com/api/v3", "https://uploads.ghe.example.com/x", False),
        ("http://127.0.0.1:1", "http://127.0.0.1:2/x", True),
        ("http://127.0.0.1:1", "http://localhost:2/x", False),
        ("https://api.github.com", "https://[::1", False),
        ("https://api.github.com", "https://uploads.github.com:x/", False),
    ],
)
def test_where_the_token_may_go(api, address, expected):
    assert GitHub("a/b", "t", api).takes(address) is expected


def test_an_api_at_no_address_is_refused():
    with pytest.raises(GoferryError) as caught:
        GitHub("a/b", "t", "https://[::1")
    assert caught.value.name == "repository-invalid"


@pytest.mark.parametrize(
    ("scheme", "version", "pre"),
    [("semver", "v1.0.0", False), ("semver", "v1.0.0-rc.1", True), ("semver", "v1.0.0+x", False),
     ("semver", "nightly", True), ("calver", "2026.8.2", False), ("calver", "2026.8.2-rc1", True), ("any", "x-rc1", False)],
)  # fmt: skip
def test_prereleases_are_what_their_scheme_says(scheme, version, pre):
    assert is_prerelease(version, SCHEMES[scheme]) is pre


@pytest.mark.parametrize(
    ("scheme", "tag", "version", "published", "latest"),
    [
        ("semver", "v1.10.0", "v1.10.0", ("v1.9.0", "api/v3.0.0", "nightly"), True),
        ("semver", "v1.9.1", "v1.9.1", ("v1.10.0",), False),
        ("semver", "api/v1.0.0", "v1.0.0", ("v2.0.0", "api/v0.9.0"), True),
        ("calver", "rel-2026.10.1", "2026.10.1", ("rel-2026.9.30", "rel-26.9.1"), True),
        ("calver", "2026.9.1", "2026.9.1", ("2026.10.1", "v3.0.0"), False),
        ("any", "b7", "b7", (), False),
        ("semver", "nightly", "nightly", (), False),
    ],
)
def test_the_latest_is_the_highest_of_its_series_and_scheme(scheme, tag, version, published, latest):
    assert is_latest(tag, version, published, SCHEMES[scheme]) is latest


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"message": "Not Found"}, "Not Found"),
        (
            {
                "message": "Validation Failed",
                "errors": [{"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}],
            },
            "Validation Failed: ReleaseAsset.name already_exists",
        ),
        (
            {
                "message": "Validation Failed",
                "errors": [{"resource": "Release", "code": "custom", "message": "tag is taken"}],
            },
            "Validation Failed: tag is taken (Release custom)",
        ),
        ({"message": "No", "errors": ["one", "two"]}, "No: one; two"),
        ({"message": "No", "errors": "one"}, "No: one"),
        ({"message": "No", "errors": [{}, None, 3]}, "No: 3"),
        ({"message": "No", "errors": ["x"] * 50}, "No: x; x; x; x; x"),
        ({"errors": {"message": "why"}}, "no explanation: why"),
        ("text", "text"),
        (None, "no explanation"),
    ],
)
def test_githubs_words_are_kept_with_every_error_of_a_422(data, said):
    assert message_of(data) == said


HOSTILE = "a`b``|<img src=x onerror=1> @everyone [x](javascript:1).txt"


def manifest(**fields):
    file = File(HOSTILE, 3, DIGEST, "archive", goos="linux", goarch="a|b")
    return Manifest("shop", "example.com/shop", "v1.4.0", "c" * 40, 1, "2026-11-23T00:00:00Z", (file,), **fields)


def test_names_cannot_leave_their_cell():
    text = notes.describe(manifest(toolchain={"version": "go1\n# x"}), repository="acme/shop", tag="v1.4.0")
    (row,) = [line for line in text.splitlines() if "onerror" in line]
    assert row.startswith("| ```a`b``\\|<img")
    assert "\n# x" not in text
    assert "goferry fetch acme/shop@v1.4.0@sha256:" in text


def test_our_part_replaces_itself_and_keeps_what_people_wrote():
    first = notes.whole("Mine\r\n", notes.describe(manifest(), repository="a/b", tag="v1.4.0"))
    assert first.startswith("Mine\n\n<!-- goferry: begin -->")
    again = notes.whole(first + "\nAfter", "<!-- goferry: begin -->new<!-- goferry: end -->")
    assert again == "Mine\n\n<!-- goferry: begin -->new<!-- goferry: end -->\nAfter"
    assert notes.is_ours(notes.draft())
    assert notes.whole(notes.draft(), "P") == "P"
    assert len(notes.whole("x" * 200_000, "P")) < 125_000


def test_many_files_fit():
    files = tuple(File(f"f{n:05}", 1, DIGEST, "archive") for n in range(3000))
    many = Manifest("shop", "m", "v1.4.0", "c" * 40, 1, "2026-11-23T00:00:00Z", files)
    text = notes.describe(many, repository="a/b", tag="v1.4.0")
    assert "and 2800 more" in text
    assert len(text) < 100_000


def test_an_unreachable_address_is_a_named_error(monkeypatch, tmp_path):
    from goferry.observe.events import Stream
    from goferry.release import download

    monkeypatch.setattr(retry, "sleep", lambda _: None)
    github = GitHub("a/b", "secret-token", "http://127.0.0.1:9")
    with pytest.raises(GoferryError) as caught:
        download(Context(Settings({}, Path("/x")), Stream()), f"v1@sha256:{DIGEST}", tmp_path / "x", github=github)
    assert caught.value.name == "github-failing"
    assert "secret" not in caught.value.what


def _answering(monkeypatch, answers):
    """Return the API of a repository behind a proxy, which takes each answer (status, body) from `answers`."""
    from github import Requester

    headers = {"content-type": "application/json", "x-ratelimit-remaining": "1"}

    def answer(*_words, **_named):
        status, body = answers[-1]
        return status, headers, body

    monkeypatch.setattr(Requester.Requester, "_Requester__requestRaw", answer)
    monkeypatch.setattr(retry, "sleep", lambda _: None)
    return Api(GitHub("a/b", "t"), Settings({}, Path("/x")))


DRAFT = kinds.GitHubRelease(1, "v1", draft=True)
ASKED = {
    "tag_commit": lambda api: api.tag_commit("v1"),
    "published": lambda api: api.published("v1"),
    "demand_repository": lambda api: api.demand_repository(),
    "releases": lambda api: api.releases(),
    "assets": lambda api: api.assets(1),
    "create_draft": lambda api: api.create_draft("v1", "", prerelease=False),
    "delete_draft": lambda api: api.delete_draft(1),
    "delete_asset": lambda api: api.delete_asset(1),
    "publish": lambda api: api.publish(DRAFT, "", prerelease=False, latest=True),
    "describe": lambda api: api.describe(DRAFT, ""),
}
ODD = [
    "{}", "[]", "[null]", "[3]", "[{}]", "3", "<html>", '{"object": null}', '{"object": {"type": "tag"}}',
    '[{"ref": "a", "object": {}}]', '{"id": 1, "tag_name": 5}', '[{"id": 1, "tag_name": "v1", "draft": "yes"}]',
    '[{"id": 1, "name": "x", "size": "big", "digest": 7}]',
]  # fmt: skip


@pytest.mark.parametrize("asked", ASKED)
def test_an_answer_that_is_not_the_apis_is_a_named_error(asked, monkeypatch):
    answers = []
    api = _answering(monkeypatch, answers)
    for answer in itertools.product((200, 403, 422, 500), ODD):
        answers.append(answer)
        with contextlib.suppress(GoferryError):
            ASKED[asked](api)


@pytest.mark.parametrize(
    ("files", "refused"),
    [
        ([kinds.ReleaseFile("a", (2 << 30) - 1, "0" * 64)] * 1000, ""),
        ([kinds.ReleaseFile("a", 2 << 30, "0" * 64)], "a has 2147483648 bytes"),
        ([kinds.ReleaseFile("a", 1, "0" * 64)] * 1001, "1001 files"),
    ],
)
def test_what_github_would_not_take_is_refused_before_a_draft_is_made(files, refused):
    local = kinds.LocalRelease("v1.0.0", "v1.0.0", "c" * 40, "0" * 64, tuple(files))
    if not refused:
        assert plan(local, kinds.Remote("c" * 40)).steps[0].do == "create-draft"
        return
    with pytest.raises(ReleaseTooLarge, match=refused):
        plan(local, kinds.Remote("c" * 40))
