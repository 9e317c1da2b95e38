"""Go versions: order as gover's, specs, damaged numbers."""

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.golang.versions import GoVersion, GoVersionInvalid, of_toolchain, spec

ORDERED = ["1", "1.0.1", "1.5", "1.19rc1", "1.19", "1.19.1", "1.20", "1.21", "1.21alpha1", "1.21beta1", "1.21rc1"]
ORDERED += ["1.21rc2", "1.21rc10", "1.21.0", "1.21.9", "1.21.10", "1.22", "1.22.0", "1.99999999999", "2"]


def test_order():
    # Below 1.21 a language version is its first release, so its pre-releases come before it only by patch: as gover.
    versions = [text for text in ORDERED if text != "1.19rc1"]
    assert [str(version) for version in sorted(map(GoVersion, reversed(versions)))] == versions


def test_pre_releases_below_1_21_come_before_the_release():
    assert GoVersion("1.19rc1") < GoVersion("1.19") == GoVersion("1.19.0")
    assert GoVersion("1.21") < GoVersion("1.21rc1") < GoVersion("1.21.0")
    assert GoVersion("1.21") != GoVersion("1.21.0")


def test_language_and_release():
    assert GoVersion("1.21").is_language
    assert not GoVersion("1.21").is_release
    assert not GoVersion("1.20").is_language
    assert GoVersion("1.20").is_release
    assert not GoVersion("1.21rc1").is_release


@pytest.mark.parametrize(
    "text",
    ["", "go1.2", "01.2", "1.02", "1.2.3rc1", "1.2.", "1.", "v1.2.3", "1.2.3-x", "1.\uff12", "1.2 ", "1\n", "9" * 70],
)
def test_no_version(text):
    with pytest.raises(ValueError, match="not a Go version"):
        GoVersion(text)


@settings(deadline=None, max_examples=examples(200))
@given(st.text(max_size=20))
def test_any_text_is_a_version_or_a_value_error(text):
    try:
        version = GoVersion(text)
    except ValueError:
        return
    assert GoVersion(str(version)) == version


@settings(deadline=None, max_examples=examples(100))
@given(st.tuples(st.integers(0, 40), st.integers(0, 30)), st.tuples(st.integers(0, 40), st.integers(0, 30)))
def test_releases_order_as_numbers(one, two):
    assert (GoVersion("1.{}.{}".format(*one)) < GoVersion("1.{}.{}".format(*two))) == (one < two)


def test_toolchain_names():
    assert str(of_toolchain("go1.21.1-bigcorp")) == "1.21.1"
    assert str(of_toolchain("go1.21.1")) == "1.21.1"
    assert of_toolchain("go1.21.1 X:rangefunc") == GoVersion("1.21.1")
    for name in ("1.21.1", "gccgo-go1.21", "go1.2/../x", "go", "default", "local", "bash"):
        assert of_toolchain(name) is None


AVAILABLE = [GoVersion(text) for text in ("1.20", "1.20.14", "1.25.9", "1.26.0", "1.26.10", "1.27.3", "1.28rc1")]


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("1.26", "1.26.10"),
        ("go1.26", "1.26.10"),
        ("1.26.x", "1.26.10"),
        (" 1.26.5 ", "1.26.5"),
        ("go1.26.5", "1.26.5"),
        ("1.20", "1.20.14"),
        ("1.20.0", "1.20.0"),
        ("stable", "1.27.3"),
        ("oldstable", "1.26.10"),
        ("1.28rc1", "1.28rc1"),
        ("1.28", None),
        ("1.24", None),
    ],
)
def test_specs(text, chosen):
    found = spec(text).choose(AVAILABLE)
    assert (None if found is None else str(found)) == chosen


@pytest.mark.parametrize("text", ["1.1", "1.2", "1.9", "go1.3"])
def test_damaged_numbers_say_how_to_write_them(text):
    with pytest.raises(GoVersionInvalid) as caught:
        spec(text)
    assert any(f'"{text.removeprefix("go")}0"' in line for line in caught.value.advice)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "^1.27",
        ">=1.27",
        "1",
        "2",
        "latest",
        "1.27.3.x",
        "1.27.3.4",
        "1.x",
        "1.27; rm -rf /",
        "\x1b[31m",
        "x" * 500,
    ],
)
def test_no_spec(text):
    with pytest.raises(GoVersionInvalid) as caught:
        spec(text)
    assert "\x1b" not in str(caught.value)


def test_semantic_spelling_is_translated():
    with pytest.raises(GoVersionInvalid) as caught:
        spec("1.28.0-rc.1")
    assert "1.28rc1" in caught.value.advice[0]
