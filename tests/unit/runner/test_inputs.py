import pytest

from goferry.runner._inputs import Inputs
from goferry.runner.errors import InputInvalid, InputMissing


def inputs(tmp_path, **environ):
    return Inputs(environ, tmp_path)


def test_both_spellings_are_read_and_the_shells_wins(tmp_path):
    assert Inputs({"INPUT_GO-VERSION": " 1.27 "}, tmp_path).text("go-version") == "1.27"
    assert Inputs({"INPUT_GO_VERSION": "1.26", "INPUT_GO-VERSION": "1.27"}, tmp_path).text("go-version") == "1.26"
    assert Inputs({"INPUT_GO_VERSION": " "}, tmp_path).text("go-version", "x") == "x"
    assert Inputs({"INPUT_MY_NAME": "y"}, tmp_path).text("my name") == "y"


def test_required_is_enforced(tmp_path):
    with pytest.raises(InputMissing, match="release is required") as caught:
        inputs(tmp_path, INPUT_RELEASE="  \n").required("release")
    assert caught.value.exit_code == 2
    assert inputs(tmp_path, INPUT_RELEASE="x").required("release") == "x"


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "false", "False", "FALSE"])
def test_booleans_are_yaml_1_2(tmp_path, text):
    assert inputs(tmp_path, INPUT_DRY_RUN=text).boolean("dry-run") is (text.lower() == "true")


@pytest.mark.parametrize("text", ["yes", "no", "on", "1", "0", "tRUE", "y", "null", "true\x1b[31m", "${{ inputs.x }}"])
def test_anything_else_is_no_boolean(tmp_path, text):
    with pytest.raises(InputInvalid, match="not a boolean") as caught:
        inputs(tmp_path, INPUT_DRY_RUN=text).boolean("dry-run")
    assert "\x1b" not in str(caught.value)


def test_an_absent_boolean_has_the_default(tmp_path):
    assert inputs(tmp_path).boolean("test", default=True) is True
    assert inputs(tmp_path, INPUT_TEST="").boolean("test") is False


def test_lists_are_lines(tmp_path):
    given = inputs(tmp_path, INPUT_TARGETS=" linux/amd64,linux/arm64 \r\n\n  darwin/arm64\n")
    assert given.lines("targets") == ["linux/amd64,linux/arm64", "darwin/arm64"]
    assert given.lines("targets", commas=True) == ["linux/amd64", "linux/arm64", "darwin/arm64"]
    assert given.lines("hosts") == []


def test_paths_start_at_the_workspace(tmp_path):
    given = inputs(tmp_path, INPUT_DIST="my dist", INPUT_TRUST="/etc/x", INPUT_BAD="a\nb")
    assert given.path("dist") == tmp_path / "my dist"
    assert given.path("trust").as_posix() == "/etc/x"
    assert given.path("absent") == tmp_path
    assert given.path("absent", "goferry.trust") == tmp_path / "goferry.trust"
    with pytest.raises(InputInvalid, match="not a path"):
        given.path("bad")
