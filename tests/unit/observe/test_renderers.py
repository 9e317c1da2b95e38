import io
import os
import pty
import subprocess
import sys

import pytest

from goferry.kernel.errors import Failed
from goferry.observe import _events_json as events_json, progress
from goferry.observe._live_table import LiveTable
from goferry.observe.events import Event, Stream
from goferry.observe.plain import PlainLines


class Broken(Failed):
    name = "compile-failed"


def tell(stream):
    """A build with everything that a stage can say."""
    with stream.span("setup-go") as span:
        span.progress("downloading")
        span.numbers["bytes"] = 70_000_000
    with pytest.raises(Broken), stream.span("build"):  # noqa: PT012
        with stream.span("build", target="linux/amd64") as span:
            span.progress("compiling 3 of 10 packages", packages=3)
            span.note("go.sum \x1b[31m[red]lacks[/red]\nan entry", level="warning")
        with stream.span("plan"):
            pass
        with stream.span("build", target="linux/arm64"):
            raise Broken("no")
    with stream.span("image") as span:
        span.skip("unchanged")


def test_plain_lines_tell_each_fact_once():
    file = io.StringIO()
    tell(Stream([PlainLines(file)]))
    lines = [line.split(" in ")[0].split(" after ")[0] for line in file.getvalue().splitlines()]
    assert lines == [
        "setup-go …",
        "setup-go: done",
        "build …",
        "build linux/amd64 …",
        "build linux/amd64: warning: go.sum \\x1b[31m[red]lacks[/red] an entry",
        "build linux/amd64: done",
        "build linux/arm64 …",
        "build linux/arm64: compile-failed",
        "build: compile-failed",
        "image …",
        "image: skipped (unchanged)",
    ]
    assert "(70.0 MB)" in file.getvalue()


def test_a_file_gets_plain_lines_without_rich():
    code = (
        "import sys, io\nfrom goferry.observe import progress\nfrom goferry.observe.events import Stream\n"
        "with progress.renderer(io.StringIO(), {'TERM': 'xterm'}) as draw:\n"
        "    with Stream([draw]).span('x'): pass\n"
        "assert not [m for m in sys.modules if m.split('.')[0] in {'rich', 'jinja2'}]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {}, {"TERM": "xterm", "CI": "true"}])
def test_a_terminal_that_cannot_redraw_gets_plain_lines(environ):
    main, side = pty.openpty()
    with os.fdopen(side, "w") as file, progress.renderer(file, environ) as draw:
        assert isinstance(draw, PlainLines)
    os.close(main)


def test_a_terminal_gets_the_table():
    main, side = pty.openpty()
    with os.fdopen(side, "w") as file, progress.renderer(file, {"TERM": "xterm"}) as draw:
        assert isinstance(draw, LiveTable)
    os.close(main)


def picture(environ, clock=lambda: 0.0, width=100):
    """Return the table as text after `tell`."""
    table = LiveTable(io.StringIO(), environ, clock=clock, width=width)
    tell(Stream([table]))
    with table.console.capture() as capture:
        table.console.print(table.draw())
    return capture.get()


def test_the_table_has_a_line_a_target_and_folds_inner_steps():
    text = picture({"TERM": "xterm", "NO_COLOR": "1"})
    rows = [line.split() for line in text.splitlines()]
    assert [row[0] for row in rows[:3]] == ["setup-go", "build", "linux/amd64"]
    assert "compile-failed" in text
    assert "plan" not in text
    assert "○ skipped" in text
    assert "[red]lacks[/red]" in text  # markup of untrusted text is text
    assert "\x1b" not in text


def fleet():
    """Return the events of a build of two targets and a deploy to two hosts, in the middle of it."""
    started = {"kind": "start", "trace": "t", "parent": "", "start": 2.0}
    ended = {**started, "kind": "end", "end": 161.0}
    return [
        Event(span="a", stage="build", **started),
        Event(**{**ended, "span": "b", "parent": "a", "stage": "build", "target": "windows/arm64"}, outcome="done",
              numbers={"bytes": 7_900_000}),
        Event(**{**started, "kind": "progress", "span": "c", "parent": "a", "stage": "build", "target": "linux/arm64"},
              message="compiling 5 of 10 packages", numbers={"packages": 5}),
        Event(span="d", stage="deploy", **started),
        Event(**{**ended, "span": "e", "parent": "d", "stage": "deploy", "host": "web-1.production.example.internal"},
              outcome="public-address-unreachable"),
        Event(**{**ended, "span": "f", "parent": "d", "stage": "deploy", "host": "web-2"}, outcome="skipped",
              message="live already"),
    ]  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_names_states_and_times_are_read_at_every_width(width):
    table = LiveTable(io.StringIO(), {"NO_COLOR": "1"}, clock=lambda: 14.0, width=width)
    for event in fleet():
        table(event)
    with table.console.capture() as capture:
        table.console.print(table.draw())
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= width
    words = [
        ("build", "running", "12.0 s"),
        ("windows/arm64", "done", "2 min 39 s"),
        ("linux/arm64", "running", "12.0 s"),
        ("deploy", "running", "12.0 s"),
        ("web-1.", "public-", "2 min 39 s"),
        ("web-2", "skipped", ""),
    ]
    for line, parts in zip(lines, words, strict=True):
        assert all(part in line for part in parts), line
    assert ("7.9 MB" in lines[1]) == (width >= 100)
    assert ("web-1.production.example.internal" in lines[4]) == (width >= 80)


def test_a_running_span_shows_its_time_and_what_it_said_last():
    table = LiveTable(io.StringIO(), {"NO_COLOR": "1"}, clock=lambda: 12.0, width=100)
    table(Event("start", "t", "a", "", "build", "linux/arm64", start=2.0))
    table(
        Event(
            "progress",
            "t",
            "a",
            "",
            "build",
            "linux/arm64",
            start=2.0,
            message="compiling",
            numbers={"packages": 5},
        )
    )
    with table.console.capture() as capture:
        table.console.print(table.draw())
    assert "running" in capture.get()
    assert "10.0 s" in capture.get()
    assert "compiling" in capture.get()


def test_an_event_log_reads_back_and_survives_a_cut(tmp_path):
    path, seen = tmp_path / "events.ndjson", []
    with events_json.EventLog(path) as log:
        tell(Stream([log, seen.append]))
    assert events_json.read(path) == seen
    path.write_text(path.read_text()[:-20])
    assert events_json.read(path) == seen[:-1]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_what_a_step_came_to_and_how_far_it_is_give_way_after_long_names(width):
    table = LiveTable(io.StringIO(), {"NO_COLOR": "1"}, clock=lambda: 36_000.0, width=width)
    host = {"stage": "watch", "host": "web-1." + "production." * 6, "start": 1.0}
    table(Event("start", "t", "a", "", stage="build", target="linux/amd64", start=1.0))
    table(Event("end", "t", "b", "", outcome="public-address-unreachable", end=36_000.0, **host))
    with table.console.capture() as captured:
        table.console.print(table.draw())
    building, failed = captured.get().splitlines()
    assert "running" in building
    assert ("public-address-unreachable" if width >= 80 else "public-") in failed
    assert "web-1" in failed
    assert "9 h 59 min" in failed


@pytest.mark.parametrize(
    "line",
    ["nonsense", "[]", '{"kind":"start","evil":1}', "[" * 100_000, '{"kind":7}', '{"kind":"end","start":"x"}',
     '{"kind":"end","start":-1}', '{"kind":"end","end":1e300}', '{"kind":"end","start":NaN}', '{"kind":"end","end":true}',
     '{"kind":"end","numbers":[]}', '{"kind":"end","numbers":{"bytes":{}}}', '{"kind":"note","message":null}'],
)  # fmt: skip
def test_a_foreign_file_is_named(tmp_path, line):
    path = tmp_path / "x"
    path.write_text(line + "\n")
    with pytest.raises(events_json.EventLogInvalid, match="x:1 is not"):
        events_json.read(path)


def test_an_end_that_does_not_say_when_it_began_takes_it_from_the_start():
    table = LiveTable(io.StringIO(), {"NO_COLOR": "1"}, width=100)
    table(Event("start", "t", "a", "", "build", start=2.0))
    table(Event("end", "t", "a", "", "build", end=14.0, outcome="done"))
    with table.console.capture() as captured:
        table.console.print(table.draw())
    assert "12.0 s" in captured.get()


def test_a_span_inside_one_of_its_name_is_told_once():
    file, table = io.StringIO(), LiveTable(io.StringIO(), {"NO_COLOR": "1"}, width=100)
    stream = Stream([PlainLines(file), table])
    with stream.span("setup-go"), stream.span("setup-go") as inner:
        inner.note("unproven")
    assert [line.split()[0:2] for line in file.getvalue().splitlines()] == [
        ["setup-go", "…"],
        ["setup-go:", "note:"],
        ["setup-go:", "done"],
    ]
    with table.console.capture() as capture:
        table.console.print(table.draw())
    assert capture.get().count("done") == 1
