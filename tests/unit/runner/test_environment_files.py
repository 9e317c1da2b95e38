import pytest
from hypothesis import given, settings, strategies as st

from goferry.runner import _environment_files as environment_files
from goferry.runner.errors import RunnerFileMissing, RunnerValueRefused


def test_an_entry_stands_between_its_delimiters():
    assert environment_files.entry("x", "a\nb", "D") == "x<<D\na\nb\nD"
    first, second = environment_files.entry("x", "1"), environment_files.entry("x", "1")
    assert first != second, "the delimiter is random"
    assert first.startswith("x<<ghadelimiter_")


@settings(deadline=None)
@given(data=st.data())
def test_the_runner_reads_one_entry_with_the_same_value(data, github, hostile_text):
    value = data.draw(
        hostile_text.filter(lambda text: "\0" not in text and not any("\ud800" <= c < "\ue000" for c in text))
    )
    others = environment_files.entry("before", "1") + "\n", environment_files.entry("after", value) + "\n"
    text = others[0] + environment_files.entry("name", value) + "\n" + others[1]
    assert github.entries(text) == [("before", "1"), ("name", value), ("after", value)]


@pytest.mark.parametrize("name", ["", "a=b", "a<<b", "a\nb", "a b", "PATH\nX", "1a", "a\0", "é", "a.b"])
def test_a_name_that_would_write_other_entries_is_refused(name):
    with pytest.raises(RunnerValueRefused, match="is not a name"):
        environment_files.entry(name, "x")


@pytest.mark.parametrize("value", ["x\nD\nevil=1", "D", "xDx", "a\0b"])
def test_a_value_with_the_delimiter_or_nul_is_refused(value):
    with pytest.raises(RunnerValueRefused):
        environment_files.entry("x", value, "D")


@pytest.mark.parametrize("path", ["", "/a\n/b", "/a\r/b", "/a\0", "\x1b"])
def test_a_folder_with_a_line_break_is_refused(path):
    with pytest.raises(RunnerValueRefused):
        environment_files.folder(path)


def test_entries_are_appended_and_the_file_must_be_there(tmp_path):
    path = tmp_path / "out put"
    with pytest.raises(RunnerFileMissing, match="GITHUB_OUTPUT is not set"):
        environment_files.append({}, "OUTPUT", "x")
    with pytest.raises(RunnerFileMissing, match="which is not there"):
        environment_files.append({"GITHUB_OUTPUT": str(path)}, "OUTPUT", "x")
    path.write_bytes(b"a=1\n")
    environment_files.append({"GITHUB_OUTPUT": str(path)}, "OUTPUT", "é\r\nx")
    assert path.read_bytes() == "a=1\né\r\nx\n".encode()
