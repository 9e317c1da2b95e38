"""Versions by their schemes: which come before a release, and how two compare."""

import pytest

from goferry.artifacts.schemes import SCHEMES, Named, bare, named, plain

ORDERS = [
    ("go", "v1.0.0-alpha v1.0.0-rc.2 v1.0.0-rc.10 v1.0.0 v1.9.0 v1.10.0 v2.0.0"),
    ("semver", "1.0.0-alpha v1.0.0-rc.2 1.0.0 v1.9.0 1.10.0 v3.0.0"),
    (
        "calver",
        "24.04 2024.10 2026.8.2-dev1 2026.8.2a1 2026.08.02-rc1 2026.8.2 20260802.1 2026-08-03 v2026.12 2026.100",
    ),
]


@pytest.mark.parametrize(("scheme", "texts"), ORDERS)
def test_versions_are_ordered(scheme, texts):
    read = SCHEMES[scheme].read
    order = [read(text).order for text in texts.split()]
    assert order == sorted(order)
    assert len({*order}) == len(order)
    stages = ("-", "a1")
    wanted = [any(stage in text[5:] for stage in stages) and not text.endswith("08-03") for text in texts.split()]
    assert [read(text).pre for text in texts.split()] == wanted


def test_dates_written_in_two_ways_are_one():
    orders = {
        SCHEMES["calver"].read(text).order for text in ("2026.8.2", "v2026.08.02", "20260802", "26.8.2", "2026.8.2.0")
    }
    assert len(orders) == 1


@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        ("go", "1.2.3"), ("go", "v1.2"), ("go", "v1.2.3+m"), ("go", "v1.2.4-0.20261123040322-3f1c2ab4d5e6"),
        ("semver", "1.2"), ("semver", "vv1.2.3"), ("semver", "01.2.3"),
        ("calver", "2026"), ("calver", "1.2.3"), ("calver", "2026.8.2-hotfix"), ("calver", "2026..8"), ("calver", "x"),
        ("any", "a/b"), ("any", ""), ("any", "é"), ("any", "a b"), ("any", "a" * 201),
    ],
)  # fmt: skip
def test_what_a_scheme_does_not_read(scheme, text):
    assert SCHEMES[scheme].read(text) is None


def test_any_has_no_order_and_no_prereleases():
    found = SCHEMES["any"].read("v1.2.3-rc.1")
    assert (found.order, found.pre) == (None, False)


def test_a_v_goes_only_before_a_number():
    assert [bare(text) for text in ("v1.2.3", "1.2.3", "vanilla", "v")] == ["1.2.3", "1.2.3", "vanilla", "v"]


def test_what_stays_as_it_is_in_file_names_image_tags_and_on_github():
    assert all(map(plain, ("1.2.3", "v1.2.3-rc.1", "2026-08_02", "a" * 128)))
    assert not any(map(plain, ("1.2.3+4", "1~rc1", "a..b", "-a", "a.", "a/b", "a" * 129, "a.lock", "", "a b")))


@pytest.mark.parametrize(
    ("scheme", "tag", "version", "note"),
    [
        ("go", "v1.2.3", "v1.2.3", {}),
        ("go", "", "v1.2.3", {}),
        ("go", "api/v1.2.3", "v1.2.3", {"version": {"scheme": "go", "tag": "api/v1.2.3"}}),
        ("calver", "2026.8.2", "2026.8.2", {"version": {"scheme": "calver", "tag": "2026.8.2"}}),
    ],
)
def test_a_release_says_its_scheme_and_tag(scheme, tag, version, note):
    assert Named(SCHEMES[scheme], tag).as_note(version) == note
    again = named(note, version)
    assert again.tag == (tag or version)
    assert again.scheme.name == (scheme if note else "semver")


@pytest.mark.parametrize(
    "note", [3, {}, {"scheme": 1, "tag": 2}, {"scheme": "later", "tag": "x"}, {"scheme": [], "tag": "other/v9"}]
)
def test_a_note_that_is_not_understood_gives_no_order_and_no_foreign_tag(note):
    assert named({"version": note}, "v1.2.3").tag == "v1.2.3"
