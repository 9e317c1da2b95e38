import pytest
from hypothesis import given, settings, strategies as st

from goferry.runner import _workflow_commands as workflow_commands

NASTY = ["", "a", "%", "%0A", "a\nb", "a\r\nb", "a:b,c", "::error::x", "é\U0001d4b3", "\t", "%25%3A", "=", "'\"`$(x)"]


def test_a_command_is_written_as_the_toolkit_writes_it():
    assert workflow_commands.command("endgroup") == "::endgroup::"
    assert workflow_commands.command("group", "a\nb") == "::group::a%0Ab"
    properties = {"title": "x:y,z", "file": "a.go", "line": 3, "end_line": 0, "column": 7}
    assert (
        workflow_commands.command("error", "50%", properties) == "::error title=x%3Ay%2Cz,file=a.go,line=3,col=7::50%25"
    )


@pytest.mark.parametrize("value", NASTY)
def test_the_runner_reads_back_what_was_meant(value, github):
    line = workflow_commands.command("error", value, {"title": value})
    assert "\n" not in line
    assert "\r" not in line
    name, properties, data = github.command(line)
    assert (name, data) == ("error", value)
    assert properties.get("title", "") == value.strip()


@settings(deadline=None)
@given(text=st.text(), title=st.text(min_size=1))
def test_any_text_comes_back(text, title, github):
    name, properties, data = github.command(workflow_commands.command("warning", text, {"file": title, "title": "t"}))
    assert (name, properties["file"], data) == ("warning", title, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), ("", ""), (True, "true"), (False, "false"), (0, "0"), (12, "12"), ([], "[]"), ({"a": [1, None]}, '{"a":[1,null]}'),
        (["é", "\n", "\u2028"], '["é","\\n","\u2028"]'), ("\ud800x", "\ufffdx"), ("\ud835\udcb3", "\U0001d4b3"), (["\ud800", "\ud835\udcb3"], '["\\ud800","\U0001d4b3"]'),
    ],
)  # fmt: skip
def test_values_become_text_as_in_javascript(value, text):
    assert workflow_commands.to_value(value) == text
    workflow_commands.to_value(value).encode()
