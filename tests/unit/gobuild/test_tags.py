"""What a tag is to a project: its version, one that only looks so, another module's, one that moves, or a word."""

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.artifacts import schemes
from goferry.config import model, rules
from goferry.gobuild.tags import TagKind, of

MODULE = "example.com/shop"


def tags(scheme="go", prefix="{folder}/", *, folder=".", module=MODULE, others=()):
    return of(model.Version(scheme=scheme, prefix=prefix), folder=folder, module=module, others=others)


def kinds(**listed):
    return [(tag, TagKind[kind]) for kind, words in listed.items() for tag in words.split()]


@pytest.mark.parametrize(
    ("tag", "kind"),
    kinds(
        VERSION="v1.4.0 v0.300.0 v1.4.0-rc.1 v0.0.1",
        FORBIDDEN="v3.0.0 1.4.1 v.1.5.0 V1.5.0 v1.5.0.1 v1.5-rc1 v1_5_0 v1-5-0 v01.5.0 v1.5.0_rc1 release-1.2.3 rel/1.5.0 "
        "other/v1.2.3 chart-1.2.3 shop-v1.2.3 2026.8.2 v2026.8.2 2026-08-02 20260802 2026.8 version1.5.0 v2-rc1 v1.5rc1 "
        "v1.4.0+meta release-20260802 x1.2.3",
        MOVING="v1 v1.4 1 1.4 v1.x v1.4.x release-1.4 v10 python3.11 2026",
        WORD="nightly latest nightly-2026-08-02 latest-v1.2.3 stable prod deploy-2026-08-02 v release docs/new build-1207-x",
        OTHER="worker/v1.2.3 worker/1.2.3 worker/v1 b-1.2.3",
    ),
)
def test_what_a_tag_is_to_a_module_at_the_top(tag, kind):
    assert tags(others=["worker/", "b-"]).kind(tag) is kind


@pytest.mark.parametrize(
    ("tag", "kind"),
    kinds(
        VERSION="api/v1.2.3",
        FORBIDDEN="api/1.2.3 api/v.1.2.3 api/v2.0.0 web/v1.2.3",
        OTHER="v1.2.3 1.2.3",
        MOVING="api/v1 v1",
        WORD="api/nightly nightly",
    ),
)
def test_what_a_tag_is_to_a_module_in_a_folder_below_another(tag, kind):
    assert tags(folder="api", module="example.com/shop/api", others=[""]).kind(tag) is kind


@pytest.mark.parametrize(
    ("rule", "versions", "forbidden"),
    [
        ({"scheme": "semver"}, "v3.0.0 1.2.3 v1.4.0 1.2.3-rc.1", "release-1.2.3 1.2.3.4 2026.08.02 v.1.5.0"),
        (
            {"scheme": "calver"},
            "2026.8.2 v2026.08.02 26.04 20260802 2026-08-02 2026.8.2-rc1 20260802.1",
            "1.2.3 v1.4.0",
        ),
        ({"scheme": "semver", "prefix": "release-"}, "release-1.2.3 release-v1.2.3", "v1.2.3 1.2.3 release-1.2.3.4"),
        ({"scheme": "any", "prefix": "rel/"}, "rel/7 rel/blue rel/2026.1.x", "v1.2.3 rel/a/1.2.3"),
        ({"prefix": "shop-"}, "shop-v1.2.3", "v1.2.3 shop-1.2.3 shop-v3.0.0"),
    ],
)
def test_a_scheme_says_which_tags_are_versions(rule, versions, forbidden):
    found = tags(**rule)
    assert {tag: found.kind(tag) for tag in versions.split()} == dict.fromkeys(versions.split(), TagKind.VERSION)
    assert all(found.read(tag).text == tag.removeprefix(found.prefix) for tag in versions.split())
    assert {tag: found.kind(tag) for tag in forbidden.split()} == dict.fromkeys(forbidden.split(), TagKind.FORBIDDEN)


@pytest.mark.parametrize(
    ("tag", "folder", "line"),
    [
        ("v3.0.0", ".", "version: {scheme: semver}"),
        ("1.2.3", ".", "version: {scheme: semver}"),
        ("v2026.8.2", ".", "version: {scheme: calver}"),
        ("2026.8.2", ".", "version: {scheme: calver}"),
        ("20260802", ".", "version: {scheme: calver}"),
        ("release-1.2.3", ".", 'version: {scheme: semver, prefix: "release-"}'),
        ("release/v1.2.3", ".", 'version: {prefix: "release/"}'),
        ("release-20260802", ".", 'version: {scheme: calver, prefix: "release-"}'),
        ("shop-v1.2.3", ".", 'version: {prefix: "shop-"}'),
        ("v1.2.3.4", ".", "version: {scheme: any}"),
        ("v1.2.3", "api", 'version: {prefix: ""}'),
        ("1.2.3", "api", 'version: {scheme: semver, prefix: ""}'),
        ("api/1.2.3", "api", "version: {scheme: semver}"),
        ("api/rel-1.2.3", "api", 'version: {scheme: semver, prefix: "{folder}/rel-"}'),
        ('x"-1.2.3', ".", ""),
    ],
)
def test_the_one_line_that_allows_a_tag_is_named_and_does(tag, folder, line):
    found = tags(folder=folder, module=f"{MODULE}/{folder}" if folder != "." else MODULE)
    assert found.line(tag) == line
    if line:
        import yaml

        rule = yaml.safe_load(line)["version"]
        assert not rules.prefix(rule.get("prefix", ""))
        assert tags(**rule, folder=folder, module=found.module).kind(tag) is TagKind.VERSION


@pytest.mark.parametrize(
    ("tag", "meant"),
    [("v.1.5.0", "v1.5.0"), ("1.4.1", "v1.4.1"), ("v1.5", "v1.5.0"), ("v01.5.0", "v1.5.0"), ("v1.5.0_rc1", "v1.5.0-rc1"),
     ("v3.0.0", ""), ("2026.8.2", ""), ("v1.2.3.4", "")],
)  # fmt: skip
def test_a_tag_that_was_probably_meant_is_named_only_if_it_would_do(tag, meant):
    said = [line for line in tags().advice(tag) if line.startswith("did you mean")]
    assert said == ([f"did you mean the tag {meant}?"] if meant else [])


@pytest.mark.parametrize(
    ("scheme", "tag", "meant"),
    [("calver", "2025.11.12", "service/2025.11.12"), ("calver", "v2025.11.12", "service/v2025.11.12"),
     ("semver", "1.2.3", "service/1.2.3"), ("semver", "v1.2.3", "service/v1.2.3"), ("go", "1.2.3", "service/v1.2.3")],
)  # fmt: skip
def test_the_tag_that_was_probably_meant_keeps_its_v_or_none(scheme, tag, meant):
    assert f"did you mean the tag {meant}?" in tags(scheme=scheme, folder="service").advice(tag)


def test_why_not_names_gos_rule():
    assert tags().why_not("v3.0.0") == f"tag v3.0.0 is not of module {MODULE}: its path would be {MODULE}/v3"
    assert "which begins with v" in tags().why_not("1.2.3")
    assert "begin with release-" in tags("semver", "release-").why_not("v1.2.3")


@settings(deadline=None, max_examples=examples(200))
@given(st.text(alphabet="v0123456789.-_/+rcRx~\x1b\"'", min_size=1, max_size=24), st.sampled_from([*schemes.SCHEMES]))
def test_any_tag_has_a_kind_and_every_advice_is_printable(tag, scheme):
    found = tags(scheme)
    if found.kind(tag) is TagKind.VERSION and scheme in ("go", "calver"):
        assert schemes.plain(tag)
    said = " ".join([found.why_not(tag), *found.advice(tag)])
    assert said.isprintable()


@pytest.mark.parametrize(
    ("config", "history", "example"),
    [
        ({}, [], "v1.2.3"),
        ({}, ["v0.9.9", "v0.10.0", "nightly"], "v0.10.1"),
        ({}, ["v0.10.0", "v1.0.0-rc.2"], "v1.0.0"),
        ({}, ["14.7.0", "14.8.0"], "14.8.1, under version: {scheme: semver} in goferry.yml"),
        ({}, ["2025.11.1", "2026.8.2"], "2026.8.3, under version: {scheme: calver} in goferry.yml"),
        ({"scheme": "semver"}, ["14.8.0", "9.0.0"], "14.8.1"),
        ({"scheme": "semver", "prefix": "release-"}, ["release-1.2.9", "3.0.0"], "release-1.2.10"),
        ({"scheme": "calver"}, ["26.04", "25.10"], "26.04"),
        ({"scheme": "any"}, ["build-7"], "build-1207"),
        ({}, ["latest", "v1"], "v1.2.3"),
    ],
)
def test_an_example_of_a_tag_follows_the_repository_s_own(config, history, example):
    rule = of(model.Version(**config), folder=".", module=MODULE).after(history)
    assert rule.example == example


def test_tags_of_an_earlier_major_version_are_no_example():
    assert of(model.Version(), folder=".", module=MODULE + "/v2").after(["v1.9.0"]).example == "v2.2.3"


@pytest.mark.parametrize(
    "tag", ["1.2.3.4", "v1.2.3_1", "v99999999999999999999.0.0", "v1.2.3-20260802153000-abcdefabcdef"]
)
def test_no_tag_is_meant_by_the_end_of_another(tag):
    assert not [line for line in tags(scheme="semver").advice(tag) if line.startswith("did you mean")]


@pytest.mark.parametrize("tag", ["shop@1.2.3", "@acme/shop@1.2.3", "202608021530", "v20260802153000"])
def test_more_that_people_would_take_for_a_version(tag):
    assert tags().kind(tag) is TagKind.FORBIDDEN
