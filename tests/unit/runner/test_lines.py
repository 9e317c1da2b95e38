import pytest

from goferry.kernel.errors import Failed
from goferry.observe.events import Stream
from goferry.runner._lines import GroupedLines


@pytest.fixture
def log():
    lines, told = [], []
    renderer = GroupedLines(lines.append, lambda *note: told.append(note))
    renderer.lines, renderer.told = lines, told
    return renderer


def test_a_stage_is_a_group_and_its_outcome_stands_behind_it(log):
    stream = Stream([log])
    with stream.span("build") as span:
        with stream.span("build", target="linux/amd64") as inner:
            inner.numbers["bytes"] = 7_900_000
            inner.progress("compiling")
        span.note("one module is old")
    assert log.lines[0] == "::group::build"
    assert log.lines[1] == "build linux/amd64 …"
    assert log.lines[2].startswith("build linux/amd64: done in ")
    assert log.lines[2].endswith("(7.9 MB)")
    assert log.lines[3] == "build: note: one module is old"
    assert log.lines[4] == "::endgroup::"
    assert log.lines[5].startswith("build: done in ")
    assert len(log.lines) == 6
    assert list(log.last) == [log.lines[1], log.lines[2], log.lines[3], log.lines[5]]


def test_warnings_become_annotations(log):
    stream = Stream([log])
    with stream.span("deploy", host="web-1") as span:
        span.note("the key expires\nsoon", level="warning")
    assert log.told == [("warning", "the key expires soon", "deploy web-1")]


def test_a_group_is_closed_also_by_a_failure_and_never_nests(log):
    stream = Stream([log])
    with pytest.raises(Failed), stream.span("test"), stream.span("vet"):
        raise Failed("x")
    assert log.lines.count("::group::test") == log.lines.count("::endgroup::") == 1
    assert any(line.startswith("vet: failed after") for line in log.lines)
    assert log.lines[-1].startswith("test: failed after")


def test_progress_shows_in_a_debugged_run_alone(github):
    lines = []
    stream = Stream([GroupedLines(lines.append, lambda *_: None, debug=True)])
    with stream.span("build") as span:
        span.progress("50%\n::error::x")
    assert github.log("\n".join(lines))[1] == ("debug", {}, "build: 50% ::error::x")
