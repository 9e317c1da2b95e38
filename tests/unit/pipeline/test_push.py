"""What a push means, and the parts of a build matrix."""

from types import SimpleNamespace

import pytest

from goferry.config import model
from goferry.gobuild import _version as versions, tags
from goferry.gobuild.revision import NO_GIT, NO_REPOSITORY, Revision
from goferry.gobuild.trigger import Trigger
from goferry.pipeline import push

REVISION = {"commit": "3f1c2ab4d5e6" + "0" * 28, "time": 1795406602}

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
    revision = Revision(**REVISION, here=here, before=here)
    rule, trigger = tags.of(model.Version(), folder=".", module="x.y/z"), Trigger.from_environ(environ)
    for wanted in ("", "v1.2.3") if bears else ("",):
        stand = versions.choose(revision, tags=rule, trigger=trigger, wanted=wanted, environ={}, dirty=())
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


def pushed(tag, *, here=(), folder=".", others=(), dirty=(), event="push", asked="", wanted="", fork=False, **rule):
    """Say what a run at the tag means for a project whose commit has the tags `here`, and the tag itself."""
    here = (*here, asked or tag)
    module = "example.com/shop" if folder == "." else f"example.com/shop/{folder}"
    read = tags.of(model.Version(**rule), folder=folder, module=module, others=others)
    trigger = Trigger(event, "refs/heads/main" if asked else f"refs/tags/{tag}", True, asked)
    stand = versions.choose(
        Revision(**REVISION, here=here, before=here), tags=read, trigger=trigger, wanted=wanted, environ={}, dirty=dirty
    )
    facts = SimpleNamespace(
        project="shop", tags=read, here=here, bears=stand.bears, version=stand.version, tag=stand.tag,
        dirty=stand.dirty, changes=dirty, lack=None,
    )  # fmt: skip
    found = push.of_project(trigger, facts, from_fork=fork)
    assert stand.snapshot == (found.means != "release")
    return found


@pytest.mark.parametrize(
    ("tag", "here", "where"),
    [
        ("v0.300.0", ("v3.0.0",), {}),
        ("v1.4.0", ("1.4.1", "v1", "nightly"), {}),
        ("v1.4.0-rc.1", ("v1.4.0",), {}),
        ("api/v1.2.3", ("v1.2.3",), {"folder": "api", "others": [""]}),
        ("v3.0.0", ("v0.300.0",), {"scheme": "semver"}),
        ("1.4.1", ("v1.4.0",), {"scheme": "semver"}),
        ("2026.8.2", ("v1.4.0",), {"scheme": "calver"}),
        ("release-1.2.3", ("v1.4.0",), {"scheme": "semver", "prefix": "release-"}),
        ("v1.2.3", (), {"folder": "api", "prefix": ""}),
        ("blue", ("green",), {"scheme": "any"}),
    ],
)
@pytest.mark.parametrize("event", ["push", "workflow_dispatch"])
def test_a_version_tag_releases_itself(tag, here, where, event):
    assert pushed(tag, here=here, event=event, **where) == push.Push("release")


@pytest.mark.parametrize(
    ("tag", "here", "where", "said", "advice"),
    [
        ("v3.0.0", ("v0.300.0",), {}, "its path would be example.com/shop/v3", "version: {scheme: semver}"),
        ("1.4.1", ("v1.4.0",), {}, "begins with v", "did you mean the tag v1.4.1?"),
        ("v.1.5.0", (), {}, "not a version of the scheme go", "did you mean the tag v1.5.0?"),
        (
            "release-1.2.3",
            ("v1.2.3",),
            {},
            "not a version of the scheme go",
            'version: {scheme: semver, prefix: "release-"}',
        ),
        ("v2026.8.2", (), {}, "its path would be example.com/shop/v2026", "version: {scheme: calver}"),
        ("other/v1.2.3", (), {"folder": "api"}, "whose tags begin with api/", "goferry inspect"),
        ("v1.2.3", (), {"folder": "api"}, "whose tags begin with api/", 'version: {prefix: ""}'),
        ("v1.2.3", (), {"scheme": "semver", "prefix": "release-"}, "whose tags begin with release-", "goferry inspect"),
        ("1.2.3", ("v1.2.3",), {"scheme": "calver"}, "not a version of the scheme calver", "goferry inspect"),
    ],
)
@pytest.mark.parametrize("event", ["push", "create", "release", "workflow_dispatch"])
def test_a_tag_that_looks_like_a_version_and_is_none_fails_and_says_why(tag, here, where, said, advice, event):
    with pytest.raises(push.TagUnreleased) as caught:
        pushed(tag, here=here, event=event, **where)
    assert said in caught.value.what
    assert advice in " ".join(caught.value.advice)


@pytest.mark.parametrize(
    ("tag", "where", "said"),
    [
        ("v1", {}, "moves along"),
        ("v1.4", {}, "moves along"),
        ("nightly", {}, "no version"),
        ("nightly-2026-08-02", {}, "no version"),
        ("worker/v1.2.3", {"others": ["worker/"]}, "another module"),
        ("v1.2.3", {"folder": "api", "others": [""]}, "another module"),
        ("b-1.2.3", {"others": ["b-"]}, "another module"),
    ],
)
@pytest.mark.parametrize("beside", [(), ("v1.4.0",), ("api/v1.4.0",)])
def test_other_tags_are_pushes_like_a_branchs_with_a_notice(tag, where, said, beside):
    found = pushed(tag, here=beside, **where)
    assert found.means == "snapshot"
    assert said in found.notice
    assert "tagged like" in found.notice


def test_a_branch_and_a_pull_request_need_no_notice():
    assert pushed("v3.0.0", event="pull_request") == push.Push("pull-request")


@pytest.mark.parametrize("count", [1, 7])
def test_what_changed_is_named_first_and_nothing_else_is_blamed(count):
    changes = [f" M cmd/{number}.go" for number in range(count)]
    with pytest.raises(push.TagUnreleased) as caught:
        pushed("v1.4.0", dirty=changes)
    assert caught.value.what.startswith("changed since the commit of v1.4.0: cmd/0.go")
    assert ("and 2 more" in caught.value.what) is (count == 7)
    assert not any(word in str(caught.value.advice) for word in ("fetch-depth", "/v2", "version:"))


def test_a_checkout_without_the_tag_says_how_to_get_it():
    read = tags.of(model.Version(), folder=".", module="example.com/shop")
    facts = SimpleNamespace(
        project="shop", tags=read, here=(), bears=False, version="v0.0.0-x", tag="v0.0.0-x", dirty=False, changes=(),
        lack=None,
    )  # fmt: skip
    with pytest.raises(push.TagUnreleased) as caught:
        push.of_project(Trigger("push", "refs/tags/v1.2.3", True), facts, from_fork=False)
    assert "fetch-depth: 0" in caught.value.advice[0].step
    for lack, said in ((NO_REPOSITORY, "in no git repository"), (NO_GIT, "git is not on PATH")):
        facts.lack = lack
        with pytest.raises(push.TagUnreleased) as without:
            push.of_project(Trigger("push", "refs/tags/v1.2.3", True), facts, from_fork=False)
        assert said in without.value.what
        assert "apt-get install -y git" in without.value.advice[0]


def test_a_version_that_was_asked_for_beside_the_tag_is_no_error():
    assert "v1.2.4 was asked for" in pushed("v1.2.3", wanted="v1.2.4").notice


ASKED = ["push", "create", "release", "schedule", "workflow_dispatch", "repository_dispatch", "deployment"]


@pytest.mark.parametrize("event", ASKED)
def test_a_tag_that_a_workflow_asks_for_is_released(event):
    assert pushed("", asked="v1.4.0", event=event) == push.Push("release")


@pytest.mark.parametrize(
    "event", ["pull_request", "pull_request_target", "issue_comment", "workflow_run", "later", "fork"]
)
def test_no_tag_can_be_asked_for_where_strangers_start_runs(event):
    with pytest.raises(push.TagForbidden):
        pushed("", asked="v1.4.0", event=event)


def test_no_tag_can_be_asked_for_in_a_forks_run():
    with pytest.raises(push.TagForbidden):
        pushed("", asked="v1.4.0", event="push", fork=True)


@pytest.mark.parametrize("tag", ["v3.0.0", "nightly", "v1", "worker/v1.2.3"])
def test_a_tag_that_was_asked_for_and_is_no_version_fails(tag):
    with pytest.raises(push.TagUnreleased):
        pushed("", asked=tag, event="push", others=["worker/"])


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
