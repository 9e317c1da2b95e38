"""The go and toolchain lines of go.mod and go.work, and what is wanted because of them."""

import msgspec
import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.config import model
from goferry.config.settings import Settings
from goferry.golang import _gomod as gomod
from goferry.golang._goenv import GoEnv
from goferry.golang._resolve import GoVersionTooLow, resolve, wanted
from goferry.golang.earlier import By, EarlierGo, read as read_earlier
from goferry.golang.versions import GoVersion, GoVersionInvalid

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


@settings(deadline=None, max_examples=examples(200))
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


def want(tmp_path, asked="", *, yml=None, earlier=None, **environ):
    settings = Settings({"GOENV": "off", **environ}, tmp_path / "cache")
    config = msgspec.convert(yml or {}, model.Project)
    return wanted(tmp_path / "repo" / "sub", asked, GoEnv(settings, lambda: ""), config, earlier)


@pytest.fixture
def repo(tmp_path):
    (tmp_path / "repo" / "sub").mkdir(parents=True)
    (tmp_path / "repo" / ".git").mkdir()
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


def test_go_work_beats_go_mod_unless_the_repository_says_otherwise(tmp_path, repo):
    (repo / "go.work").write_text("go 1.27.3\nuse ./sub\n")
    (repo / "sub" / "go.mod").write_text("module m\ngo 1.26.2\n")
    assert str(want(tmp_path).spec.version) == "1.27.3"
    assert str(want(tmp_path, yml=gowork("off")).spec.version) == "1.26.2"
    other = tmp_path / "other.work"
    other.write_text("go 1.25.1\n")
    assert str(want(tmp_path, yml=gowork(str(other))).spec.version) == "1.25.1"
    with pytest.raises(gomod.GoModInvalid):
        want(tmp_path, yml=gowork(str(tmp_path / "absent")))


def gowork(value):
    return {"builds": {"env": {"GOWORK": value}}}


@pytest.mark.parametrize("caller", ["off", "/elsewhere/go.work"])
def test_the_callers_gowork_does_not_count_as_no_stage_takes_it(tmp_path, repo, caller):
    (repo / "go.work").write_text("go 1.27.3\nuse ./sub\n")
    (repo / "sub" / "go.mod").write_text("module m\ngo 1.26.2\n")
    assert str(want(tmp_path, GOWORK=caller).spec.version) == "1.27.3"


def test_a_go_work_above_the_repository_does_not_count(tmp_path, repo):
    (tmp_path / "go.work").write_text("go 1.27.3\nuse ./repo/sub\n")
    (repo / "sub" / "go.mod").write_text("module m\ngo 1.26.2\n")
    assert str(want(tmp_path).spec.version) == "1.26.2"
    (repo / ".git").rmdir()
    assert str(want(tmp_path).spec.version) == "1.27.3", "outside git there is no top"


@pytest.mark.parametrize("use", ["use ./sub", "use sub // ours", 'use "./sub"', "use (\n\t./other\n\t`sub`\n)"])
def test_a_go_work_below_its_modules_is_refused_in_gos_words(tmp_path, repo, use):
    (repo / "go.work").write_text(f"go 1.24\n{use}\n")
    (repo / "sub" / "go.mod").write_text("module m\ngo 1.26\n")
    with pytest.raises(GoVersionTooLow, match=r"sub listed in go\.work file requires go >= 1\.26, but .* go 1\.24"):
        want(tmp_path)


def test_a_go_work_without_a_demand_is_as_go_takes_it(tmp_path, repo):
    (repo / "go.work").write_text("use ./sub\n")
    (repo / "sub" / "go.mod").write_text("module m\ngo 1.19\n")
    assert want(tmp_path).spec.kind == "stable"


@pytest.mark.parametrize(
    ("asked", "environ", "line", "fine"),
    [
        ("1.25.9", {}, "1.26", False),
        ("1.26.1", {}, "1.26", True),
        ("1.27rc1", {}, "1.27", True),
        ("1.27rc1", {}, "1.27.0", False),
        ("", {"GOTOOLCHAIN": "go1.25.1"}, "1.26", False),
        ("", {"GOTOOLCHAIN": "go1.25.1+auto"}, "1.26.2", True),
        ("1.18.1", {}, "1.19", False),
    ],
)
def test_a_go_below_the_modules_line_is_an_error_at_once(tmp_path, repo, asked, environ, line, fine):
    (repo / "go.mod").write_text(f"module m\ngo {line}\ntoolchain go1.30.0\n" if fine else f"module m\ngo {line}\n")
    found = want(tmp_path, asked, **environ)
    if fine:
        assert resolve(found, list).version
    else:
        with pytest.raises(GoVersionTooLow, match=rf"go\.mod requires go >= {line}, and Go 1") as caught:
            resolve(found, list)
        assert caught.value.exit_code == 2


ASKED, CONFIGURED, FOUND = (EarlierGo(GoVersion("1.25.4"), by) for by in By)


@pytest.mark.parametrize(
    ("asked", "yml", "line", "earlier", "expected"),
    [
        ("", "", "1.24", ASKED, "1.25.4"),
        ("", "1.24.2", "1.24", ASKED, "1.25.4"),
        ("1.24.9", "", "1.24", ASKED, "1.24.9"),
        ("", "", "1.26", ASKED, "1.25.4"),
        ("", "1.25", "1.24", CONFIGURED, "1.25.4"),
        ("", "1.26", "1.24", CONFIGURED, "1.26"),
        ("", "1.25.7", "1.24", CONFIGURED, "1.25.7"),
        ("", "", "1.24", FOUND, "1.25.4"),
        ("", "", "1.25", FOUND, "1.25.4"),
        ("", "", "1.19", FOUND, "1.25.4"),
        ("", "", "1.25.5", FOUND, "1.25.5"),
        ("", "", "1.26", FOUND, "1.26"),
    ],
)
def test_what_setup_go_set_up_is_the_go_of_its_job(tmp_path, repo, asked, yml, line, earlier, expected):
    (repo / "go.mod").write_text(f"module m\ngo {line}\n")
    assert str(want(tmp_path, asked, yml={"go": {"version": yml}}, earlier=earlier).spec.version) == expected


def test_what_setup_go_tells_is_read_as_it_was_written():
    assert read_earlier({}) is None
    for each in (ASKED, CONFIGURED, FOUND):
        assert read_earlier({"GOFERRY_GO": each.text}) == each
    for text in ("1.25.4", "latest asked", "1.25.4 asked twice", "\x1b[31m", "1.25.4 "):
        with pytest.raises(GoVersionInvalid) as caught:
            read_earlier({"GOFERRY_GO": text})
        assert "\x1b" not in caught.value.what


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
