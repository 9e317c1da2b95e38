"""The go and toolchain lines of go.mod and go.work, and what is wanted because of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goferry.config.settings import Settings
from goferry.golang import gomod
from goferry.golang.goenv import GoEnv
from goferry.golang.resolve import wanted

CONFLICT = "module m\n\n<<<<<<< HEAD\ngo 1.26\n=======\ngo 1.27\n>>>>>>> topic\n"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_merge_conflict_is_called_one(end):
    with pytest.raises(gomod.GoModInvalid) as caught:
        gomod.parse(CONFLICT.replace("\n", end).encode())
    assert caught.value.what == "go.mod:3: it holds the marks of a merge conflict"
    assert "then:  git add go.mod" in "\n".join(caught.value.advice)


@pytest.mark.parametrize(
    ("text", "go", "toolchain"),
    [
        ("module m\n\ngo 1.27\n", "1.27", ""),
        ("module m // go 1.1\ngo 1.27.3 // why\ntoolchain go1.27.4\t// x\n", "1.27.3", "go1.27.4"),
        ("module m\r\ngo 1.27\r\n", "1.27", ""),
        ("go 1.28rc1", "1.28rc1", ""),
        ("require (\n\tgo v1.2.3\n\ttoolchain v1.0.0\n)\ngo 1.26\n", "1.26", ""),
        ("go 1.25.0\ntoolchain default\n", "1.25.0", "default"),
        ("go 1.25.0\ntoolchain go1.26.0-bigcorp\n", "1.25.0", "go1.26.0-bigcorp"),
        ("module m\n", "", ""),
        ("", "", ""),
        ("retract ( // note\n  v1.0.0\n)\n//go 1.1\ngo 1.26\n", "1.26", ""),
    ],
)
def test_parses(text, go, toolchain):
    assert gomod.parse(text.encode()) == gomod.Lines(go, toolchain)


@pytest.mark.parametrize(
    "data",
    [
        b"go\n",
        b"go 1.27 1.28\n",
        b"go 1.27\ngo 1.27\n",
        b"toolchain go1.27.0\ntoolchain go1.27.0\n",
        b"go v1.27\n",
        b"go 1\n",
        b"go latest\n",
        b"go 1.2.3rc1\n",
        b"toolchain bash\n",
        b"toolchain 1.27\n",
        b"toolchain go1.27/../../bin\n",
        b"require (\n",
        b"go (\n1.27\n)\n",
        b"\xef\xbb\xbfgo 1.27\n",
        b"\xff\xfeg\x00o\x00",
        b"go 1.27\x00\n",
        b"<<<<<<< HEAD\ngo 1.27\n=======\ngo 1.28\n>>>>>>> x\n",
        b"go 1.27\x1b[31m\n",
    ],
)
def test_refuses(data):
    with pytest.raises(gomod.GoModInvalid) as caught:
        gomod.parse(data)
    assert caught.value.exit_code == 2
    assert "go.mod" in caught.value.what
    assert "\x1b" not in caught.value.what


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200) | st.text(alphabet="go 1.27\n\r\t()/toolchain", max_size=60).map(str.encode))
def test_any_bytes_parse_or_are_refused(data):
    try:
        lines = gomod.parse(data)
    except gomod.GoModInvalid:
        return
    assert lines.wanted is None or str(lines.wanted)


@pytest.mark.parametrize(
    ("go", "toolchain", "expected"),
    [("1.25", "go1.26.0", "1.26.0"), ("1.27.3", "go1.26.0", "1.27.3"), ("1.27", "default", "1.27"), ("", "", None)],
)
def test_the_higher_line_wins(go, toolchain, expected):
    version = gomod.Lines(go, toolchain).wanted
    assert (None if version is None else str(version)) == expected


def want(tmp_path, asked="", **environ):
    settings = Settings({"GOENV": "off", **environ}, tmp_path / "cache")
    return wanted(tmp_path / "repo" / "sub", asked, GoEnv(settings, lambda: ""))


@pytest.fixture
def repo(tmp_path):
    (tmp_path / "repo" / "sub").mkdir(parents=True)
    return tmp_path / "repo"


def test_go_mod_of_a_language_gets_its_newest_patch(tmp_path, repo):
    (repo / "go.mod").write_text("module m\ngo 1.26\n")
    found = want(tmp_path)
    assert (found.spec.kind, str(found.spec.version), found.minimum) == ("language", "1.26", True)


def test_go_mod_of_a_release_is_exact(tmp_path, repo):
    (repo / "go.mod").write_text("module m\ngo 1.25.0\ntoolchain go1.26.6\n")
    found = want(tmp_path)
    assert (found.spec.kind, str(found.spec.version)) == ("exact", "1.26.6")
    assert found.source == "go.mod: toolchain go1.26.6"


@pytest.mark.parametrize("text", ["module m\ngo 1.19\n", "module m\n", "module m\ngo 1.2\n", None])
def test_an_old_or_absent_line_gets_the_newest_release(tmp_path, repo, text):
    if text:
        (repo / "go.mod").write_text(text)
    assert want(tmp_path).spec.kind == "stable"


def test_go_work_beats_go_mod_unless_off(tmp_path, repo):
    (repo / "go.work").write_text("go 1.26.2\nuse ./sub\n")
    (repo / "sub" / "go.mod").write_text("module m\ngo 1.27.3\n")
    assert str(want(tmp_path).spec.version) == "1.26.2"
    assert str(want(tmp_path, GOWORK="off").spec.version) == "1.27.3"
    other = tmp_path / "other.work"
    other.write_text("go 1.25.1\n")
    assert str(want(tmp_path, GOWORK=str(other)).spec.version) == "1.25.1"
    with pytest.raises(gomod.GoModInvalid):
        want(tmp_path, GOWORK=str(tmp_path / "absent"))


def test_asked_for_beats_all(tmp_path, repo):
    (repo / "go.mod").write_text("module m\ngo 1.27.3\n")
    found = want(tmp_path, "1.25.9", GOTOOLCHAIN="go1.26.1")
    assert (str(found.spec.version), found.minimum) == ("1.25.9", False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("go1.26.1", "1.26.1"),
        ("go1.26.1+auto", "1.27.3"),
        ("go1.28.1+path", "1.28.1"),
        ("local", "1.27.3"),
        ("auto", "1.27.3"),
    ],
)
def test_gotoolchain(tmp_path, repo, value, expected):
    (repo / "go.mod").write_text("module m\ngo 1.27.3\n")
    assert str(want(tmp_path, GOTOOLCHAIN=value).spec.version) == expected
