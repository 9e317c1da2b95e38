import os
import subprocess

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.artifacts import semver
from goferry.artifacts.semver import VersionInvalid
from goferry.config import model
from goferry.gobuild._version import EPOCH, SourceDateInvalid, VersionUnusable, choose
from goferry.gobuild.revision import NO_COMMIT, NO_GIT, NO_REPOSITORY, Revision, read
from goferry.gobuild.tags import major_of, of, tag_prefix
from goferry.gobuild.trigger import Trigger

COMMIT = "3f1c2ab4d5e6" + "0" * 28
TIME = 1795406602  # 2026-11-23T04:03:22Z


def chosen(
    here=(), before=(), module="example.com/shop", folder=".", wanted="", environ=None, dirty=(), version=None, **more
):
    fields = {"commit": COMMIT, "time": TIME, "here": tuple(here), "before": (*before, *here), **more}
    tags = of(model.Version(**version or {}), folder=folder, module=module)
    trigger = Trigger.from_environ(environ or {})
    return choose(Revision(**fields), tags=tags, trigger=trigger, wanted=wanted, environ=environ or {}, dirty=dirty)


def test_the_tag_on_the_commit_is_the_version():
    stand = chosen(here=["v1.2.3", "nightly", "1.2.4"])
    assert (stand.version, stand.snapshot, stand.date) == ("v1.2.3", False, "2026-11-23T04:03:22Z")


def test_the_highest_of_several_tags_wins_by_precedence_not_by_spelling():
    assert chosen(here=["v1.9.0", "v1.10.0", "v1.10.0-rc.2"]).version == "v1.10.0"
    assert chosen(here=["v1.0.0-rc.2", "v1.0.0-rc.10", "v1.0.0-rc"]).version == "v1.0.0-rc.10"


def test_the_tag_that_was_pushed_wins_over_a_higher_one_on_the_same_commit():
    """A release candidate and the release are often one commit: the candidate's run must not publish the release."""
    tags = ["v1.4.0-rc.1", "v1.4.0", "api/v1.4.0-rc.1"]
    assert chosen(here=tags, environ={"GITHUB_REF": "refs/tags/v1.4.0-rc.1"}).version == "v1.4.0-rc.1"
    for ref in ("refs/tags/v1.4.0", "refs/tags/v1.3.0", "refs/tags/api/v1.4.0-rc.1", "refs/heads/v1.4.0-rc.1", ""):
        assert chosen(here=tags, environ={"GITHUB_REF": ref}).version == "v1.4.0"
    stand = chosen(
        here=["api/v1.0.0-rc.1", "api/v1.0.0"], folder="api", environ={"GITHUB_REF": "refs/tags/api/v1.0.0-rc.1"}
    )
    assert (stand.version, stand.snapshot) == ("v1.0.0-rc.1", False)


MACHINES = [{}, {"CI": "true"}]
BRANCHES = [
    {"GITHUB_ACTIONS": "true"},
    {"GITHUB_REF": "refs/heads/main"},
    {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"},
    {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/7/merge"},
    {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/v1.2.4"},
    {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/nightly"},
]


@pytest.mark.parametrize("here", [("v1.2.3",), ()])
@pytest.mark.parametrize("wanted", ["", "v1.2.3"])
def test_at_a_machine_a_tag_or_a_persons_word_makes_a_release_and_on_a_runner_the_tags_own_run(here, wanted):
    names_it = bool(here or wanted)
    for environ in MACHINES:
        assert chosen(here=here, wanted=wanted, environ=environ).snapshot is not names_it
    for environ in BRANCHES:
        stand = chosen(here=here, wanted=wanted, environ=environ)
        assert stand.snapshot
        assert (stand.version == "v1.2.3") is names_it
    pushed = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/v1.2.3"}
    assert chosen(here=here, wanted=wanted, environ=pushed).snapshot is not names_it


@pytest.mark.parametrize("environ", [*MACHINES, *BRANCHES])
def test_a_changed_tree_is_no_release_anywhere(environ):
    stand = chosen(here=["v1.2.3"], dirty=[" M main.go"], environ=environ)
    assert (stand.snapshot, stand.bears, stand.version) == (True, False, "v1.2.3+dirty")


def test_a_module_in_a_folder_is_released_by_its_own_tag():
    where = {"here": ["api/v1.2.3", "v1.2.3"], "folder": "api", "module": "example.com/shop/api"}
    for ref, snapshot in (("refs/tags/api/v1.2.3", False), ("refs/tags/v1.2.3", True), ("refs/heads/main", True)):
        stand = chosen(**where, environ={"GITHUB_EVENT_NAME": "push", "GITHUB_REF": ref})
        assert (stand.version, stand.snapshot) == ("v1.2.3", snapshot)


@pytest.mark.parametrize(
    ("before", "version"),
    [
        ((), "v0.0.0-20261123040322-3f1c2ab4d5e6"),
        (("v1.4.0", "v1.3.9"), "v1.4.1-0.20261123040322-3f1c2ab4d5e6"),
        (("v1.4.0-rc.1",), "v1.4.0-rc.1.0.20261123040322-3f1c2ab4d5e6"),
    ],
)
def test_without_a_tag_it_is_gos_pseudo_version(before, version):
    stand = chosen(before=before)
    assert (stand.version, stand.snapshot) == (version, True)


@pytest.mark.parametrize(
    ("module", "tag", "version"),
    [
        ("example.com/shop/v2", "v3.0.0", "v2.0.0-20261123040322-3f1c2ab4d5e6"),
        ("example.com/shop", "v3.0.0", "v0.0.0-20261123040322-3f1c2ab4d5e6"),
        ("gopkg.in/shop.v2", "v1.0.0", "v2.0.0-20261123040322-3f1c2ab4d5e6"),
    ],
)
def test_a_tag_of_another_major_version_is_not_this_modules(module, tag, version):
    stand = chosen(here=[tag], module=module)
    assert (stand.version, stand.snapshot) == (version, True)
    assert tag in stand.hints[0]


def test_a_v3_module_takes_v3_tags_only():
    assert chosen(here=["v3.1.0", "v1.9.9"], module="example.com/shop/v3").version == "v3.1.0"


@pytest.mark.parametrize(
    ("folder", "module", "prefix"),
    [
        (".", "example.com/shop", ""),
        ("api", "example.com/shop/api", "api/"),
        ("api/v2", "example.com/shop/api/v2", "api/"),
        ("v2", "example.com/shop/v2", ""),
        ("services/api", "example.com/other", "services/api/"),
    ],
)
def test_a_subfolder_is_tagged_with_its_path(folder, module, prefix):
    assert tag_prefix(folder, module) == prefix


def test_a_monorepos_other_tags_do_not_count():
    stand = chosen(here=["v9.9.9", "api/v1.0.0", "web/v2.0.0"], module="example.com/mono/api", folder="api")
    assert stand.version == "v1.0.0"


def test_a_changed_tree_is_shown_in_the_version():
    stand = chosen(here=["v1.2.3"], dirty=[" M main.go"])
    assert (stand.version, stand.dirty, stand.snapshot) == ("v1.2.3+dirty", True, True)


def test_a_version_that_was_asked_for_is_taken_as_it_is():
    stand = chosen(wanted="v5.0.0-rc.1", dirty=[" M main.go"])
    assert (stand.version, stand.dirty, stand.snapshot) == ("v5.0.0-rc.1", True, False)


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3",
        "v1.2",
        "v1",
        "latest",
        "main",
        "v01.2.3",
        "v1.2.3-",
        "v1.2.3-01",
        "-v1.2.3",
        "v1.2.3\n",
        "v1.2.3 ",
        "../v1.2.3",
        "",
        "v1.2.3-" + "a" * 200,
        "v1.2.3/../../x",
        "v\uff11.2.3",
    ],
)
def test_what_is_no_version_is_refused(text):
    with pytest.raises(VersionInvalid) as caught:
        semver.demand(text)
    assert caught.value.exit_code == 2


def test_a_missing_v_is_guessed():
    with pytest.raises(VersionInvalid) as caught:
        semver.demand("1.2")
    assert "did you mean v1.2.0?" in caught.value.advice


def test_without_git_there_is_no_commit_and_the_date_is_fixed():
    tags = of(model.Version(), folder=".", module="example.com/a")
    stand = choose(Revision(lack=NO_REPOSITORY), tags=tags, trigger=Trigger(), wanted="", environ={}, dirty=())
    assert (stand.commit, stand.epoch, stand.date) == ("", EPOCH, "1980-01-01T00:00:00Z")
    assert stand.version == "v0.0.0-19800101000000-000000000000"
    assert stand.snapshot
    assert "in no git repository: this is a snapshot, v0.0.0-19800101000000-000000000000" in stand.hints[0]


@pytest.mark.parametrize(
    ("lack", "machine", "job"),
    [
        (NO_REPOSITORY, "begin one:  git init && ", "apt-get install -y git"),
        (NO_GIT, "install it:  apt-get install git", "install it before this step:  apt-get update"),
        (NO_COMMIT, "commit what is here:  git add . && ", "actions/checkout@REF"),
    ],
)
def test_what_is_missing_for_want_of_a_commit_is_told_with_what_to_type(lack, machine, job):
    tags = of(model.Version(), folder=".", module="example.com/a")

    def hint(wanted="", environ=None):
        trigger = Trigger.from_environ(environ or {})
        return choose(
            Revision(lack=lack), tags=tags, trigger=trigger, wanted=wanted, environ={}, dirty=()
        ).hints[0]  # fmt: skip

    assert hint().startswith(f"{lack.why}: this is a snapshot, v0.0.0-")
    assert "have no commit and no time, and whether a file was changed is not known" in hint()
    assert machine in hint()
    assert job in hint(environ={"GITHUB_ACTIONS": "true"})
    assert f"{lack.why}: v1.2.3 is the version that was asked for; " in hint("v1.2.3")


def test_a_shallow_clone_without_a_tag_says_how_to_deepen_it():
    assert "unshallow" in " ".join(chosen(shallow=True).hints)
    assert not chosen(here=["v1.0.0"], shallow=True).hints


def test_source_date_epoch_wins():
    stand = chosen(here=["v1.0.0"], environ={"SOURCE_DATE_EPOCH": "0"})
    assert (stand.epoch, stand.date) == (0, "1970-01-01T00:00:00Z")


@pytest.mark.parametrize("text", ["today", "-1", "1e9", "99999999999999", " 1", "\uff11"])
def test_a_bad_source_date_is_named(text):
    with pytest.raises(SourceDateInvalid):
        chosen(environ={"SOURCE_DATE_EPOCH": text})


@pytest.mark.parametrize("tag", ["--exec=x", "v1.2.3;rm", "$(id)", "v1.2.3\x1b[0m", "-v1.2.3", "v1.2.3+meta"])
def test_hostile_tags_are_only_text(tag):
    assert chosen(here=[tag]).version == "v0.0.0-20261123040322-3f1c2ab4d5e6"


@pytest.mark.parametrize(("folder", "tag"), [(".", "1.2.3"), ("api", "api/1.2.3-rc.1")])
def test_a_tag_without_its_v_is_named(folder, tag):
    (hint,) = chosen(here=[tag, "nightly", "2026"], folder=folder).hints
    assert f"tag {tag} is not a version to Go, which begins with v" in hint
    assert f"did you mean the tag {tag.replace('1.2.3', 'v1.2.3')}?" in hint
    assert hint.endswith("allow it in goferry.yml:  version: {scheme: semver}")


@pytest.mark.parametrize(
    ("here", "version", "chosen_one"),
    [
        (["v3.0.0", "v0.300.0"], {"scheme": "semver"}, "v3.0.0"),
        (["1.2.3", "v1"], {"scheme": "semver"}, "1.2.3"),
        (["1.10.0", "1.9.0", "v2.0.0-rc.1"], {"scheme": "semver"}, "v2.0.0-rc.1"),
        (["2026.9.30", "2026.10.1", "v3.0.0"], {"scheme": "calver"}, "2026.10.1"),
        (["release-1.2.3", "v9.0.0"], {"scheme": "semver", "prefix": "release-"}, "1.2.3"),
        (["blue"], {"scheme": "any"}, "blue"),
    ],
)
def test_a_scheme_chooses_among_the_tags_of_a_commit(here, version, chosen_one):
    stand = chosen(here=here, version=version)
    assert (stand.version, stand.snapshot) == (chosen_one, False)
    assert stand.tag == version.get("prefix", "") + chosen_one


def test_a_plain_tag_may_be_a_version_of_a_module_in_a_folder():
    stand = chosen(here=["v1.2.3"], folder="api", module="example.com/shop/api", version={"prefix": ""})
    assert (stand.version, stand.tag, stand.snapshot) == ("v1.2.3", "v1.2.3", False)


def test_without_an_order_several_tags_decide_nothing_but_the_one_that_was_pushed():
    stand = chosen(here=["blue", "green"], version={"scheme": "any"})
    assert stand.snapshot
    assert "--version" in stand.hints[0]
    pushed = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/green"}
    assert chosen(here=["blue", "green"], version={"scheme": "any"}, environ=pushed).version == "green"


@pytest.mark.parametrize(
    ("scheme", "before", "version"),
    [
        ("semver", ["1.4.0", "v1.3.0"], "v1.4.1-0.20261123040322-3f1c2ab4d5e6"),
        ("semver", ["v3.0.0-rc.1"], "v3.0.0-rc.1.0.20261123040322-3f1c2ab4d5e6"),
        ("calver", ["2026.8.2"], "v0.0.0-20261123040322-3f1c2ab4d5e6"),
        ("any", ["blue"], "v0.0.0-20261123040322-3f1c2ab4d5e6"),
    ],
)
def test_between_tags_every_scheme_has_gos_pseudo_versions(scheme, before, version):
    stand = chosen(before=before, version={"scheme": scheme})
    assert (stand.version, stand.snapshot) == (version, True)


UNUSABLE = [("semver", "1.2.3+4"), ("any", "a~b"), ("any", "1..2"), ("any", "a" * 129)]


@pytest.mark.parametrize(("scheme", "tag"), UNUSABLE)
def test_a_version_that_names_would_change_is_refused_at_a_machine_and_in_its_own_run(scheme, tag):
    pushed = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": f"refs/tags/{tag}"}
    for where in ({"here": [tag]}, {"here": [tag], "environ": pushed}, {"wanted": tag}):
        with pytest.raises(VersionUnusable):
            chosen(version={"scheme": scheme}, **where)
    branch = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"}
    assert chosen(here=[tag], version={"scheme": scheme}, environ=branch).snapshot


@pytest.mark.parametrize(
    ("scheme", "wanted"), [("semver", "1.2"), ("calver", "1.2.3"), ("any", "a/b"), ("go", "v1.2.3+m")]
)
def test_a_version_that_is_asked_for_is_of_the_scheme(scheme, wanted):
    with pytest.raises((VersionInvalid, VersionUnusable)):
        chosen(wanted=wanted, version={"scheme": scheme})


def test_majors():
    assert [major_of(m) for m in ("a.b/c", "a.b/c/v2", "a.b/c/v11", "gopkg.in/x.v3", "a.b/v2x", "a.b/c/v1")] == [
        0,
        2,
        11,
        3,
        0,
        0,
    ]


@settings(deadline=None, max_examples=examples(200))
@given(st.text(alphabet="v0123456789.-+abrc", max_size=20))
def test_parsing_keeps_the_text_or_refuses_it(text):
    version = semver.parse(text)
    assert version is None or version.text == text


NUMBERS = st.integers(0, 30)


@settings(deadline=None, max_examples=examples(100))
@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_pseudo_version_sorts_just_after_its_base_and_before_the_next_release(major, minor, patch):
    base = semver.demand(f"v{major}.{minor}.{patch}")
    pseudo = semver.demand(semver.pseudo(base, major, "20261123040322", COMMIT))
    following = semver.demand(f"v{major}.{minor}.{patch + 1}")
    assert base.order < pseudo.order < following.order
    assert pseudo.pseudo


@pytest.mark.parametrize(("folder", "good"), [("_api", True), ("api", True), ("ünï", False), ("a@b", False)])
def test_a_tag_that_no_release_takes_is_refused_before_the_build(folder, good):
    tag = f"{folder}/v1.2.3"
    pushed = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": f"refs/tags/{tag}"}
    if good:
        assert not chosen(here=[tag], folder=folder, environ=pushed).snapshot
        return
    with pytest.raises(VersionUnusable, match="can't be a release's"):
        chosen(here=[tag], folder=folder, environ=pushed)
    assert chosen(here=[tag], folder=folder, environ={"GITHUB_REF": "refs/heads/main"}).snapshot


def test_tags_are_read_whole_and_through_tags_of_tags(tmp_path):
    def git(*words):
        named = ["-c", "user.name=n", "-c", "user.email=n@example.com", "-c", "tag.gpgSign=false"]
        subprocess.run(["git", *named, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "--message=first")
    git("tag", "-a", "v0.9.0", "-m", "of a commit")
    git("tag", "-a", "v0.9.1", "-m", "of an earlier tag", "v0.9.0")
    git("commit", "--quiet", "--allow-empty", "--message=second")
    odd = "odd\u2028v9.9.9"
    for tag, of_what in (("v1.0.0", "HEAD"), ("v1.0.1", "v1.0.0"), ("v1.0.2", "v1.0.1")):
        git("tag", "-a", tag, "-m", "x", of_what)
    git("tag", odd)
    found = read(tmp_path, {"PATH": os.environ["PATH"]})
    assert set(found.here) == {odd, "v1.0.0", "v1.0.1", "v1.0.2"}
    assert set(found.before) == {*found.here, "v0.9.0", "v0.9.1"}
