"""What a host says of itself never becomes a figure that can't be, an invented one, or a traceback."""

import re

import pytest
from hypothesis import given, strategies as st
from sampling import sample
from unit.deploy.test_fleet_faults import Hosts, in_threads  # noqa: F401

from goferry import deploy
from goferry.cli.target_options import lines_of
from goferry.deploy import reading as answers
from goferry.deploy._ssh_target import Fleet
from goferry.kernel.errors import GoferryError
from goferry.kernel.outcomes import AgentLost
from goferry.observe import summary
from goferry.observe.events import Stream
from goferry.pipeline import run_summary as made

WRONG = [-5, 10**30, 2**63, 1.5, float("nan"), True, False, None, "12", "<b>", "", [], [7], {}, {"api": 7}]
SENT = [value for value in WRONG if type(value) is not float and value not in (10**30, 2**63)] + [2**53 - 1]
"""What a frame carries of it, and the largest number that one carries."""
FIELDS = [
    ("switch", "switch_ms"), ("commit", "switch_ms"), ("commit", "gap_ms"), ("commit", "services"), ("prepare", "version"),
    ("prepare", "changes"), ("prepare", "project"), ("status", "live"), ("hello", "held"), ("upload", "have"),
]  # fmt: skip
DECIDES = {("prepare", "changes"), ("prepare", "project"), ("status", "live"), ("hello", "held"), ("upload", "have")}
"""What a deploy goes by: a host that answers these wrongly is told by a named error."""
INNER = [(key, value) for key in ("version", "previous", "url", "gap_ms", "pid", "sequence", "state") for value in SENT]


@pytest.mark.parametrize("value", WRONG)
def test_a_figure_is_a_whole_number_that_can_be(value):
    assert answers.whole(value) is None
    assert answers.milliseconds(value) is None
    assert answers.text(value) == (value if isinstance(value, str) else "")


@given(st.integers())
def test_every_whole_number_is_kept_or_left_out(value):
    assert answers.whole(value) == (value if 0 <= value < 2**53 else None)
    assert answers.milliseconds(value) == (value if 0 <= value <= 86_400_000 else None)


def check(told):
    """Every figure of a record that is drawn is one that can be."""
    record = told.as_json()
    for host in [record, *record["hosts"].values()]:
        assert host["switch_ms"] is None or 0 <= host["switch_ms"] <= answers.DAY
        assert type(host["switch_ms"]) in (int, type(None))
        assert all(type(gap) is int and 0 <= gap <= answers.DAY for gap in host["gap_ms"].values())
        assert isinstance(host["version"], str)
        assert isinstance(host["previous"], str)
    for host in record["hosts"].values():
        for service in host["services"].values():
            assert type(service.get("gap_ms", 0)) in (int, type(None))
            assert isinstance(service["version"], str)
            assert isinstance(service["url"], str)
    run = made.of_fleet(told, outcome=told.outcome, go_back="x")
    for text in (summary.render(run), "\n".join(lines_of(told))):
        for wrong in ("-5", "9007199254740991", "NaN", "True"):
            assert wrong not in text, text


@pytest.mark.parametrize(("request_", "field"), FIELDS)
def test_a_host_that_answers_in_another_type(request_, field, tmp_path):
    """A deploy ends well without the figure, or by a named error where the answer decides something."""
    for number, value in enumerate([-5, True, *sample(SENT)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        hosts = Hosts(folder, 1)
        if request_ == "status":
            hosts.deploy()
        hosts.write("web-1", says={request_: {field: value}})
        if error := caught(hosts):
            told = made.hosts(error.facts.get("hosts"))
            assert all(isinstance(host.version, str) for host in told)
            assert (request_, field) in DECIDES, error.what
        else:
            check(hosts.record)


def caught(hosts):
    """Deploy; return the error, or None and put the record into `hosts.record`."""
    try:
        hosts.record = hosts.deploy()
    except GoferryError as error:
        return error
    return None


def test_a_service_that_is_described_in_other_types(tmp_path):
    hosts = Hosts(tmp_path, 1)
    for key, value in [("version", -5), ("gap_ms", True), ("url", 2**53 - 1), *sample(INNER, 3)]:
        hosts.write("web-1", live=1, previous=0, says={"commit": {"services": {"api": {"version": "v2", key: value}}}})
        check(hosts.deploy())


KINDS = {"live": dict, "recovered": list, "busy": bool}


@pytest.mark.parametrize("field", [*KINDS, "floors", "api"])
def test_status_of_a_host_that_answers_in_another_type(field, tmp_path):
    """Nothing is drawn in place of what is not an answer, and nobody sees a traceback."""
    hosts = Hosts(tmp_path, 1)
    for value in [*sample(SENT, 4), {"api": {"pid": -5, "version": 2**53 - 1, "digest": True}}]:
        hosts.write("web-1", says={"status": {"live": {"api": value}} if field == "api" else {field: value}})
        fleet = Fleet(hosts.names, connect_timeout=2)
        if not isinstance(value, KINDS.get(field, object)):
            with pytest.raises(AgentLost, match=f"something that is not a status: {field} is "):
                deploy.status(fleet, settings=hosts.settings)
            continue
        told = deploy.status(fleet, settings=hosts.settings).as_json()
        assert type(told["busy"]) is bool
        assert all(isinstance(text, str) for text in told["recovered"])
        for live in told["live"].values():
            assert type(live["pid"]) in (int, type(None))
            assert not isinstance(live["pid"], int) or 0 <= live["pid"] <= 2**22
            assert all(isinstance(live[key], str) for key in ("version", "state", "url", "digest"))


def test_a_dry_run_of_a_host_that_answers_in_another_type(tmp_path):
    hosts = Hosts(tmp_path, 1)
    for value in [*sample(SENT, 3), [{"service": 7, "slot": -5, "port": True}], [{}]]:
        hosts.write("web-1", says={"prepare": {"changes": value, "acts": value}})
        fleet = Fleet(hosts.names, wait=1.0, connect_timeout=2)
        told = deploy.deploy(hosts.dist, fleet, settings=hosts.settings, stream=Stream(), dry_run=True)
        text = "\n".join(lines_of(told))
        assert "9007199254740991" not in text
        assert not {"-5", "True", "7"} & set(re.findall(r"-?\w+", text)), text


def test_an_errors_text_that_is_none_is_left_out(tmp_path):
    from goferry.deploy._client import error_of

    error = error_of({"name": "x-y", "what": {"a": 1}, "state": 7, "advice": [1, "do", None], "facts": []})
    assert (error.what, error.state, tuple(error.advice)) == ("the host refused without giving a reason", "", ("do",))
