"""What a push means, and the parts of a build matrix."""

from types import SimpleNamespace

import pytest

from goferry.pipeline import push


@pytest.mark.parametrize(
    ("event", "ref", "from_fork", "snapshot", "means"),
    [
        ("push", "refs/tags/v1.2.3", False, False, "release"),
        ("push", "refs/tags/api/v1.2.3", False, False, "release"),
        ("push", "refs/heads/main", False, True, "snapshot"),
        ("push", "refs/heads/main", False, False, "snapshot"),
        ("push", "refs/tags/nightly", False, True, "snapshot"),
        ("workflow_dispatch", "refs/tags/v1.2.3", False, False, "release"),
        ("schedule", "refs/heads/main", False, True, "snapshot"),
        ("pull_request", "refs/pull/1/merge", False, True, "pull-request"),
        ("pull_request_target", "refs/heads/main", False, False, "pull-request"),
        ("merge_group", "refs/heads/gh-readonly-queue/main/pr-1", False, True, "pull-request"),
        ("push", "refs/tags/v1.2.3", True, False, "pull-request"),
        ("workflow_run", "refs/heads/main", False, True, "snapshot"),
        ("workflow_run", "refs/heads/main", True, True, "pull-request"),
        ("issues", "refs/heads/main", False, True, "pull-request"),
        ("issue_comment", "refs/heads/main", False, True, "pull-request"),
        ("discussion_comment", "refs/heads/main", False, True, "pull-request"),
        ("pull_request_review_comment", "refs/pull/1/merge", False, True, "pull-request"),
        ("fork", "refs/heads/main", False, True, "pull-request"),
        ("watch", "refs/heads/main", False, True, "pull-request"),
        ("some_later_event", "refs/tags/v1.2.3", False, False, "pull-request"),
        ("", "", False, True, "snapshot"),
    ],
)
def test_meaning(event, ref, from_fork, snapshot, means):
    assert push.meaning(event, ref, from_fork=from_fork, snapshot=snapshot) == means


@pytest.mark.parametrize(
    ("ref", "means"),
    [
        ("refs/tags/v1.2.3", "release"), ("refs/tags/api/v1.2.3", "snapshot"), ("refs/tags/nightly", "snapshot"),
        ("refs/tags/v1.2", "snapshot"), ("refs/tags/xv1.2.3", "snapshot"),
    ],
)  # fmt: skip
def test_another_tag_on_a_released_commit_does_not_release_it_again(ref, means):
    assert push.meaning("push", ref, snapshot=False, tag="v1.2.3") == means


@pytest.mark.parametrize(
    ("folder", "ref", "snapshot", "means"),
    [
        ("api", "refs/tags/api/v1.2.3", False, "release"),
        ("api", "refs/tags/worker/v1.2.3", False, "snapshot"),
        ("api", "refs/tags/worker/v1.2.3", True, "snapshot"),
        ("api", "refs/tags/other/v1.2.3", True, None),
        ("api", "refs/tags/v1.2.3", True, None),
        (".", "refs/tags/worker/v1.2.3", True, "snapshot"),
        (".", "refs/tags/worker/v1.2.3", False, "snapshot"),
        (".", "refs/tags/v1.2.3", False, "release"),
    ],
)
def test_the_tag_of_another_module_releases_nothing_of_this_one(folder, ref, snapshot, means, tmp_path):
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "go.mod").touch()
    facts = SimpleNamespace(
        root=tmp_path, folder=folder, module="example.com/shop/api", version="v1.2.3", snapshot=snapshot
    )
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
        push.meaning("push", ref, snapshot=True)


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
