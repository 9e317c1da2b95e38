"""Lines of several hosts in one order; one that is lost, slow or odd keeps no other's from being shown."""

import contextlib
import itertools
import json
import threading

import pytest
from click.testing import CliRunner
from hypothesis import given, settings, strategies as st

from goferry.cli import logs as cli, since
from goferry.deploy import log_lines
from goferry.deploy.errors import DeployKeyRefused, HostUnreachable
from goferry.deploy.log_lines import HostLost, LogLine, LogQuery
from goferry.kernel.errors import GoferryError
from goferry.kernel.outcomes import AgentLost, SessionIdle


class Host:
    """A host whose journal has these stamps, and that answers in pages of a few; `breaks` are raised, one a question."""

    def __init__(self, stamps, size=2, breaks=()):
        self.stamps, self.size, self.breaks, self.asked, self.opened = list(stamps), size, list(breaks), [], 0

    @contextlib.contextmanager
    def source(self):
        self.opened += 1
        yield self

    def ask(self, request, **fields):
        self.asked.append(fields)
        if self.breaks and (error := self.breaks.pop(0)):
            raise error
        at = int(fields["after"][0]) if "after" in fields else 0
        if lines := fields.get("lines", 0):
            at = max(0, len(self.stamps) - lines)
        page = self.stamps[at : at + self.size]
        return {
            "parts": [{"service": "api", "version": "v1"}],
            "lines": [[0, stamp, f"line {stamp}"] for stamp in page],
            "after": [str(at + len(page))] if page or at else [],
            "more": at + len(page) < len(self.stamps),
        }


def read(hosts, **query):
    return list(log_lines.read({name: host.source for name, host in hosts.items()}, LogQuery(**query)))


@given(st.lists(st.lists(st.integers(1, 50), max_size=9).map(sorted), min_size=1, max_size=3), st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_all_hosts_lines_come_once_in_the_order_of_time(stamps, size):
    hosts = {f"web-{number}": Host(each, size) for number, each in enumerate(stamps)}
    found = read(hosts)
    assert [line.at for line in found] == sorted(itertools.chain(*stamps))
    for number, each in enumerate(stamps):
        assert [line.at for line in found if line.host == f"web-{number}"] == each


def test_a_host_that_cannot_be_reached_hides_nobody_s_lines():
    down = Host([], breaks=[HostUnreachable("no route")])
    found = read({"web-1": down, "web-2": Host([1, 2, 3])})
    assert [line.at for line in found if isinstance(line, LogLine)] == [1, 2, 3]
    assert [event.error.name for event in found if isinstance(event, HostLost)] == ["host-unreachable"]


@pytest.mark.parametrize(
    ("answer", "what"),
    [({}, "lines"), ({"lines": [[0, 1, "x"]]}, "lines"), ({"lines": [["0", 1, "x"]], "parts": [{}]}, "lines")],
)
def test_an_answer_that_is_none_is_the_host_s_failure(answer, what):
    host = Host([])
    host.ask = lambda *_args, **_fields: answer
    (lost,) = read({"web-1": host})
    assert (lost.error.name, what in lost.error.what) == ("agent-lost", True)


def test_a_host_that_never_gets_on_is_given_up():
    host = Host([1])
    host.ask = lambda *_args, **_fields: {"parts": [], "lines": [], "after": ["same"], "more": True}
    (lost,) = read({"web-1": host})
    assert isinstance(lost.error, AgentLost)


def test_a_defect_ends_the_reading_of_that_host_alone():
    host = Host([1])
    host.ask = lambda *_args, **_fields: 1 / 0
    lost, line = sorted(read({"web-1": host, "web-2": Host([7])}), key=lambda event: isinstance(event, LogLine))
    assert (lost.host, lost.error.name, line.at) == ("web-1", "host-failed", 7)


@pytest.fixture
def quick(monkeypatch):
    for name, seconds in (("EACH", 0.01), ("PAUSE", 0.01), ("LATE", 0.3)):
        monkeypatch.setattr(log_lines, name, seconds)


def test_what_is_written_while_it_is_followed_comes_behind_what_was_there(quick):
    host = Host([1, 2, 3, 4, 5])
    events = log_lines.read({"web-1": host.source}, LogQuery(lines=2, follow=True))
    assert [next(events).at for _ in range(2)] == [4, 5]
    host.stamps += [6, 7, 8]
    assert [next(events).at for _ in range(3)] == [6, 7, 8]
    events.close()
    assert threading.active_count() < 10


def test_lines_of_the_past_are_not_shown_where_none_were_wanted(quick):
    host = Host([1, 2])
    events = log_lines.read({"web-1": host.source}, LogQuery(lines=0, follow=True))
    threading.Timer(0.1, lambda: host.stamps.append(3)).start()
    assert next(events).at == 3
    events.close()


def test_who_follows_comes_back_and_goes_on_where_it_was(quick):
    host = Host([1, 2, 3], breaks=[None, None, SessionIdle("others wait"), AgentLost("it ended")])
    events = log_lines.read({"web-1": host.source}, LogQuery(follow=True))
    found = [next(events) for _ in range(4)]
    host.stamps.append(4)
    assert [getattr(event, "at", "lost") for event in [*found, next(events)]] == [1, 2, 3, "lost", 4]
    assert (found[-1].error.name, found[-1].again, host.opened) == ("agent-lost", True, 3)
    events.close()


def test_following_ends_when_all_hosts_are_gone(quick, monkeypatch):
    monkeypatch.setattr(log_lines, "TRIES", 2)
    hosts = {
        "web-1": Host([1], breaks=[None, *[HostUnreachable("no route")] * 9]),
        "web-2": Host([], breaks=[DeployKeyRefused("no")] * 9),
    }
    lost = [event for event in read(hosts, follow=True) if isinstance(event, HostLost)]
    assert [event.again for event in lost if event.host == "web-1"] == [True, True, False]
    assert [event.again for event in lost if event.host == "web-2"] == [False]


def test_a_slow_host_does_not_keep_the_others_waiting_for_long(quick):
    going, slow = threading.Event(), Host([1])
    answer = slow.ask
    slow.ask = lambda *args, **fields: going.wait(10) and answer(*args, **fields)
    events = log_lines.read({"web-1": slow.source, "web-2": Host([5]).source}, LogQuery(follow=True))
    assert next(events).at == 5
    going.set()
    assert next(events).at == 1
    events.close()


def shown(monkeypatch, events, *words):
    from goferry.deploy import _local_target as local

    monkeypatch.setattr(local.Local, "sources", lambda *_: dict.fromkeys({event.host for event in events}))
    monkeypatch.setattr(log_lines, "read", lambda *_: iter(events))
    return CliRunner().invoke(cli.command, ["--target", "local", "--root", "run", *words])


LINES = [
    LogLine("web-1", "api", "v1", 1_767_225_600_123_456, "ready \x1b[31m\tred"),
    LogLine("web-2", "web", "v2", 0, "::error::no command"),
    LogLine("web-2", "web", "v3", 1_767_225_601_000_000, ""),
]


def test_lines_are_told_apart_by_what_there_is_several_of(monkeypatch):
    assert shown(monkeypatch, LINES).stdout.splitlines() == [
        "2026-01-01T00:00:00.123Z web-1 ready \\x1b[31m\tred",
        "web-2 web ::error::no command",
        "2026-01-01T00:00:01.000Z web-2 web v3 ",
    ]
    assert shown(monkeypatch, LINES[:1]).stdout == "2026-01-01T00:00:00.123Z ready \\x1b[31m\tred\n"


def test_as_json_each_line_is_an_object(monkeypatch):
    found = [json.loads(line) for line in shown(monkeypatch, LINES, "--json").stdout.splitlines()]
    assert found[0] == {
        "time": "2026-01-01T00:00:00.123Z", "host": "web-1", "service": "api", "version": "v1",
        "line": "ready \x1b[31m\tred",
    }  # fmt: skip
    assert found[1]["time"] == ""


def test_the_command_ends_as_the_first_host_that_was_lost(monkeypatch):
    done = shown(monkeypatch, [*LINES[:1], HostLost("web-2", HostUnreachable("no route"))])
    assert isinstance(done.exception, GoferryError)
    assert (done.exception.exit_code, "ready" in done.stdout) == (5, True)
    assert "web-2: host-unreachable: no route" in done.stderr


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10m", 999_400), ("90s", 999_910), ("2h", 992_800), ("1d", 913_600), ("1w", 395_200), ("1970-01-01", 0),
        ("1970-01-01T00:00:10Z", 10), ("1970-01-01T02:00:10+02:00", 10), ("1970-01-01 00:01", 60),
    ],
)  # fmt: skip
def test_times_that_are_understood(text, seconds):
    assert since.parse(text, 1_000_000) == seconds


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_none(text):
    found = since.parse(text, 1_000_000.0)
    assert found is None or isinstance(found, float)
