"""What a push means, and the parts of a build matrix."""

from types import SimpleNamespace

import pytest

from goferry.build import version as versions
from goferry.build.revision import Revision
from goferry.pipeline import push

EVENTS = [
    # event, ref, of a fork, whether the commit bears v1.2.3, what it means
    ("push", "refs/tags/v1.2.3", False, True, "release"),
    ("push", "refs/heads/main", False, False, "snapshot"),
    ("push", "refs/heads/main", False, True, "snapshot"),
    ("push", "refs/tags/nightly", False, False, "snapshot"),
    ("workflow_dispatch", "refs/tags/v1.2.3", False, True, "release"),
    ("schedule", "refs/heads/main", False, False, "snapshot"),
    ("pull_request", "refs/pull/1/merge", False, False, "pull-request"),
    ("pull_request_target", "refs/heads/main", False, True, "pull-request"),
    ("merge_group", "refs/heads/gh-readonly-queue/main/pr-1", False, False, "pull-request"),
    ("push", "refs/tags/v1.2.3", True, True, "pull-request"),
    ("workflow_run", "refs/heads/main", False, False, "snapshot"),
    ("workflow_run", "refs/heads/main", True, False, "pull-request"),
    ("issues", "refs/heads/main", False, False, "pull-request"),
    ("issue_comment", "refs/heads/main", False, False, "pull-request"),
    ("discussion_comment", "refs/heads/main", False, False, "pull-request"),
    ("pull_request_review_comment", "refs/pull/1/merge", False, False, "pull-request"),
    ("fork", "refs/heads/main", False, False, "pull-request"),
    ("watch", "refs/heads/main", False, False, "pull-request"),
    ("some_later_event", "refs/tags/v1.2.3", False, True, "pull-request"),
    ("", "", False, False, "snapshot"),
    ("create", "refs/tags/v1.2.3", False, True, "release"),
    ("release", "refs/tags/v1.2.3", False, True, "release"),
    ("deployment", "refs/tags/v1.2.3", False, True, "release"),
    ("deployment", "", False, True, "snapshot"),
    ("workflow_dispatch", "refs/heads/main", False, True, "snapshot"),
    ("schedule", "refs/heads/main", False, True, "snapshot"),
    ("schedule", "refs/tags/v1.2.3", False, True, "release"),
    ("repository_dispatch", "refs/heads/main", False, True, "snapshot"),
    ("workflow_run", "refs/heads/main", False, True, "snapshot"),
    ("pull_request", "refs/pull/1/merge", False, True, "pull-request"),
    ("merge_group", "refs/heads/gh-readonly-queue/main/pr-1", False, True, "pull-request"),
    ("workflow_call", "refs/tags/v1.2.3", False, True, "pull-request"),
    ("pull_request_target", "refs/tags/v1.2.3", False, True, "pull-request"),
    ("push", "refs/heads/v1.2.3", False, True, "snapshot"),
    ("push", "refs/heads/refs/tags/v1.2.3", False, True, "snapshot"),
    ("push", "refs/tags/refs/tags/v1.2.3", False, True, "snapshot"),
]


@pytest.mark.parametrize(("event", "ref", "from_fork", "bears", "means"), EVENTS)
def test_meaning(event, ref, from_fork, bears, means):
    assert push.meaning(event, ref, from_fork=from_fork, bears=bears, tag="v1.2.3") == means


OWN = [(event, ref, bears, means) for event, ref, from_fork, bears, means in EVENTS if not from_fork]


@pytest.mark.parametrize(("event", "ref", "bears", "means"), OWN)
def test_the_flag_that_is_sealed_says_what_the_push_means(event, ref, bears, means):
    """Also at a tagged commit: the host refuses a branch's build in production by this flag alone."""
    here = ("v1.2.3",) if bears else ()
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": event, "GITHUB_REF": ref}
    revision = Revision(commit="3f1c2ab4d5e6" + "0" * 28, time=1795406602, here=here, before=here)
    for wanted in ("", "v1.2.3") if bears else ("",):
        stand = versions.choose(revision, module="x.y/z", folder=".", wanted=wanted, environ=environ, dirty=())
        assert stand.snapshot == (means != "release")
        assert stand.bears == bears
        assert not bears or stand.version == "v1.2.3"
        assert any("this is a snapshot" in hint for hint in stand.hints) == (bears and stand.snapshot)


@pytest.mark.parametrize(
    ("ref", "means"),
    [
        ("refs/tags/v1.2.3", "release"), ("refs/tags/api/v1.2.3", "snapshot"), ("refs/tags/nightly", "snapshot"),
        ("refs/tags/v1.2", "snapshot"), ("refs/tags/xv1.2.3", "snapshot"),
    ],
)  # fmt: skip
def test_another_tag_on_a_released_commit_does_not_release_it_again(ref, means):
    assert push.meaning("push", ref, bears=True, tag="v1.2.3") == means


@pytest.mark.parametrize(
    ("folder", "ref", "bears", "means"),
    [
        ("api", "refs/tags/api/v1.2.3", True, "release"),
        ("api", "refs/tags/worker/v1.2.3", True, "snapshot"),
        ("api", "refs/tags/worker/v1.2.3", False, "snapshot"),
        ("api", "refs/tags/other/v1.2.3", False, None),
        ("api", "refs/tags/v1.2.3", False, None),
        (".", "refs/tags/worker/v1.2.3", False, "snapshot"),
        (".", "refs/tags/worker/v1.2.3", True, "snapshot"),
        (".", "refs/tags/v1.2.3", True, "release"),
    ],
)
def test_the_tag_of_another_module_releases_nothing_of_this_one(folder, ref, bears, means, tmp_path):
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "go.mod").touch()
    facts = SimpleNamespace(root=tmp_path, folder=folder, module="example.com/shop/api", version="v1.2.3", bears=bears)
    if means is None:
        with pytest.raises(push.TagUnreleased):
            push.of_project("push", ref, facts, from_fork=False)
    else:
        assert push.of_project("push", ref, facts, from_fork=False) == means


@pytest.mark.parametrize(
    ("ref", "tag"),
    [("refs/tags/api/v1.2.3", "api/v1.2.3"), ("refs/tags/v1.2.3", ""), ("refs/heads/a/b", ""), ("", "")],
)
def test_the_tag_that_a_release_gets(ref, tag):
    assert push.release_tag(ref) == tag


@pytest.mark.parametrize("ref", ["refs/tags/v2.0.0", "refs/tags/api/v1.2.3", "refs/tags/1.2.3-rc.1"])
def test_a_version_tag_that_is_no_release_is_an_error(ref):
    with pytest.raises(push.TagUnreleased):
        push.meaning("push", ref, bears=False)


@pytest.mark.parametrize(
    ("targets", "wanted", "parts"),
    [
        (1, "", ["1/1"]),
        (2, "", ["1/2", "2/2"]),
        (9, "", ["1/4", "2/4", "3/4", "4/4"]),
        (9, "2", ["1/2", "2/2"]),
        (2, "5", ["1/2", "2/2"]),
        (0, "", ["1/1"]),
    ],
)
def test_shards(targets, wanted, parts):
    assert push.shards(targets, wanted) == parts


@pytest.mark.parametrize("wanted", ["0", "-1", "x", "65", "1.5"])
def test_a_number_of_shards_that_is_none(wanted):
    with pytest.raises(ValueError):
        push.shards(100, wanted)
