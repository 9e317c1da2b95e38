"""The systemd driver and the nginx switch over a simulated systemd, with a crash before and after each journal line.

A power cut ends all processes. After recovery one version serves, and recovering again changes nothing.
"""

import contextlib
import itertools
import re
import shutil

import pytest
import simulated
from sampling import sample
from simulated import PLACE, change, engine, recover, wanted

from goferry.host import journal, slots, state, systemd
from goferry.host.engine import rolled_back
from goferry.host.log_parts import PageQuery
from goferry.kernel import machine
from goferry.kernel.outcomes import CandidateCrashed, CandidateUnhealthy, GuardFailed

host = simulated.host
LINES = ["begin", "staged", "started", "proven", "switch", "pointed", "routed", "baked", "commit", "retired", "settled"]


class Crash(BaseException):
    """The agent is gone."""


def test_a_deploy_starts_socket_then_service_and_ends_the_version_before(host):
    assert change(host, "deploy", "v1", "").failure is None
    assert change(host, "deploy", "v2", "v1").failure is None
    assert host.serving() == "v2"
    starts = [words[3:] for words in host.calls if words[:2] == ["systemctl", "start"]]
    assert starts == [[PLACE.socket_unit(0)], [PLACE.unit(0)], [PLACE.socket_unit(1)], [PLACE.unit(1)]]
    assert set(host.processes) == {PLACE.unit(1)}
    assert host.sockets == {PLACE.socket_unit(1)}


def test_a_candidate_that_systemd_gave_up_on_has_crashed(host):
    change(host, "deploy", "v1", "")
    host.failing.add(PLACE.unit(1))
    start, host.start = host.start, lambda unit: start(unit) or host.failing.add(PLACE.unit(1))
    made = change(host, "deploy", "v2", "v1")
    assert isinstance(made.failure, CandidateCrashed)
    assert "started 2 times" in made.failure.what
    assert host.serving() == "v1"
    told = "\n".join(made.failure.advice)
    for part in ("env at the service in goferry.yml", "/etc/goferry/env/shop-api", "/var/lib/goferry-data/shop-api"):
        assert part in told
    assert "env-file" not in told  # which a provisioned host does not read
    assert made.failure.advice[-2].endswith("docs/deploy.md#its-own-files")
    assert made.failure.advice[-1].startswith("the log:  journalctl")


def test_the_version_before_stays_warm_through_the_bake(host):
    change(host, "deploy", "v1", "")
    made = engine(host, "v2")
    made.begin(wanted(host, "deploy", "v2", "v1"))
    before = host.processes[PLACE.unit(0)].pid
    made.advance("switch")
    assert (host.serving(), host.processes[PLACE.unit(0)].pid) == ("v2", before)
    made.advance("abort")
    assert (host.serving(), host.processes[PLACE.unit(0)].pid) == ("v1", before)
    assert set(host.processes) == {PLACE.unit(0)}


def test_whom_nobody_reaches_goes_back_and_what_is_told_is_true(host):
    change(host, "deploy", "v1", "")
    host.closed = "nginx is not running"
    made = engine(host, "v2")
    made.begin(wanted(host, "deploy", "v2", "v1"))
    made.advance("switch")
    assert (made.transaction.phase, made.failure.name) == (machine.IDLE, "public-address-unreachable")
    assert "nginx is not running" in made.failure.what
    assert host.serving() == "v1"
    told = rolled_back(made, made.failure, "--host HOST", host.switch.unreached)
    assert told.exit_code == 4
    assert told.state.startswith("api v1 is live again, and nobody is served:\n  api: nginx is not running")
    assert state.read(host.root.service("shop", "api")).live.version == "v1"


def test_an_address_that_is_lost_in_the_bake_is_found_before_the_commit(host):
    change(host, "deploy", "v1", "")
    made = engine(host, "v2")
    watch = made.guard.watch
    made.guard.watch = lambda transaction: watch(transaction) or setattr(host, "closed", "its file is gone")
    made.begin(wanted(host, "deploy", "v2", "v1"))
    made.advance("switch")
    assert (made.transaction.phase, made.failure.name) == (machine.IDLE, "public-address-unreachable")
    assert host.serving() == "v1"


@pytest.mark.parametrize("how", ["dead", "ill"])
@pytest.mark.parametrize("event", ["switch", "commit"])
def test_a_candidate_is_looked_at_once_more_when_the_client_goes_on(host, event, how):
    change(host, "deploy", "v1", "")
    made = engine(host, "v2")
    made.begin(wanted(host, "deploy", "v2", "v1"))
    if event == "commit":
        made.advance("switch")
    if how == "dead":
        host.kill(PLACE.unit(1))
    else:
        host.sockets.discard(PLACE.socket_unit(1))
    made.advance(event)
    assert (made.transaction.phase, host.serving()) == (machine.IDLE, "v1")
    assert isinstance(made.failure, CandidateCrashed if how == "dead" else CandidateUnhealthy)
    assert state.read(host.root.service("shop", "api")).live.version == "v1"


KILLS = [
    case
    for kind, line in itertools.product(("first", "deploy", "rollback"), LINES)
    for case in sample([(kind, line, *how) for how in itertools.product(("before", "after"), (False, True))], 2)
]


@pytest.mark.parametrize(("kind", "line", "when", "power"), KILLS)
def test_killed_at_each_journal_line_one_version_serves(host, monkeypatch, kind, line, when, power):
    versions = {"first": ("", "v1"), "deploy": ("v1", "v2"), "rollback": ("v2", "v1")}
    old, new = versions[kind]
    if old:
        change(host, "deploy", "v1", "")
    if kind == "rollback":
        change(host, "deploy", "v2", "v1")
    append = journal.Journal.append

    def killing(self, written):
        if written.event == line and when == "before":
            raise Crash
        append(self, written)
        if written.event == line:
            raise Crash

    monkeypatch.setattr(journal.Journal, "append", killing)
    with pytest.raises(Crash):
        change(host, "rollback" if kind == "rollback" else "deploy", new, old)
    monkeypatch.setattr(journal.Journal, "append", append)
    if power:
        host.power_cut()
    recover(host)
    committed = line in ("retired", "settled") or (line, when) == ("commit", "after")
    assert host.serving() == (new if committed else old)
    assert len(host.processes) == len(host.sockets) == (1 if host.serving() else 0)
    folder = host.root.service("shop", "api")
    if host.serving():
        assert state.read(folder).live.version == host.serving()
    before = {unit: process.pid for unit, process in host.processes.items()}
    assert recover(host) == []
    assert {unit: process.pid for unit, process in host.processes.items()} == before


@pytest.mark.parametrize("data", [b"", b"{torn", None])
@pytest.mark.parametrize("power", [False, True], ids=["running", "power cut"])
def test_a_damaged_slot_is_described_again_by_what_is_stored(host, data, power):
    change(host, "deploy", "v1", "")
    change(host, "deploy", "v2", "v1")
    path = host.root.service("shop", "api").slot(1)
    before = slots.read(host.root.service("shop", "api"), 1)
    path.unlink() if data is None else path.write_bytes(data)
    pid = host.processes[PLACE.unit(1)].pid
    if power:
        host.power_cut()
    recover(host)
    assert host.serving() == "v2"
    assert (host.processes[PLACE.unit(1)].pid == pid) is not power
    after = slots.read(host.root.service("shop", "api"), 1)
    assert after._replace(attempt="") == before._replace(attempt="")
    shutil.rmtree(host.root.service("shop", "api").releases)
    path.unlink()
    recover(host)  # nothing is known of it any more: that keeps no other service from its recovery


def test_what_was_not_provisioned_is_left_alone(host):
    (host.root.path / "shop" / "other" / "slots").mkdir(parents=True)
    assert [folder.name for folder in host.root.services()] == []
    with contextlib.suppress(FileNotFoundError):
        assert slots.live(host.root.service("shop", "other")) == -1


def shown(host, number):
    """The log's lines without their times, which are well-formed."""
    driver = systemd.Systemd(host.run, host.stream, host.put)
    lines = driver.tail(host.root.service("shop", "api"), number, 50)
    assert [line for line in lines if not re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z .*", line)] == []
    return [line.split(" ", 1)[1] for line in lines]


def test_a_log_is_the_slot_s_own_version_s_with_times_and_its_restarts(host):
    change(host, "deploy", "v1", "")
    host.write(PLACE.unit(0), "of v1")
    change(host, "deploy", "v2", "v1")
    host.write(PLACE.unit(0), "late: it was still in the pipe")
    change(host, "rollback", "v1", "v2")
    assert shown(host, 0) == ["starting v1"]
    host.kill(PLACE.unit(0))
    host.write(PLACE.unit(0), [27, 91, 255, 10, 98])
    host.start(PLACE.unit(0))
    assert shown(host, 0) == ["starting v1", "\x1b[\ufffd", "b", "starting v1"]
    assert (
        systemd.Systemd(host.run, host.stream, host.put)
        .head(host.root.service("shop", "api"), 0, 1)[0]
        .endswith("starting v1")
    )


def test_a_slot_that_an_older_agent_started_shows_its_invocation_alone(host):
    change(host, "deploy", "v1", "")
    folder = host.root.service("shop", "api")
    folder.since(0).unlink()
    host.journal.insert(0, {**host.journal[0], "_SYSTEMD_INVOCATION_ID": "0" * 32, "MESSAGE": "another version's"})
    assert shown(host, 0) == ["starting v1"]
    assert "--since" not in systemd.Systemd(host.run, host.stream, host.put).log(folder, 0)
    slots.clear(folder, 0)
    host.invocations.clear()
    assert shown(host, 0) == []


def test_an_error_shows_a_log_s_first_and_last_lines_and_no_other_version_s(host):
    change(host, "deploy", "v1", "")
    change(host, "deploy", "v2", "v1")
    start, written = host.start, ["".join(each) for each in itertools.product("abcdef", repeat=3)][:200]

    def crashing(unit):
        start(unit)
        for line in written:  # lines that differ in their figures alone would be told once
            host.write(unit, line)
        host.failing.add(unit)

    host.start = crashing
    failure = change(host, "deploy", "v1", "v2").failure
    lines = [line.split(" ", 3)[-1] for line in failure.state.splitlines()]
    assert lines[1:] == ["starting v1", *written[:11], "…", *written[-12:]]
    assert "journalctl --unit goferry-shop-api@0.service --since=@" in failure.state


def test_a_journal_that_can_t_be_read_hides_no_failure(host):
    def broken(_words):
        raise GuardFailed("journalctl: none here")

    change(host, "deploy", "v1", "")
    host.stream = broken
    start, host.start = host.start, lambda unit: start(unit) or host.failing.add(PLACE.unit(1))
    failure = change(host, "deploy", "v2", "v1").failure
    assert isinstance(failure, CandidateCrashed)
    assert "it can't be read: journalctl: none here" in failure.state


def test_what_a_program_writes_is_read_as_far_as_it_is_wanted():
    endless = systemd.stream(["sh", "-c", "while :; do echo line; done"])
    assert [next(endless) for _ in range(3)] == [b"line\n"] * 3
    endless.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(systemd, "SECONDS", 0.3)
        assert list(systemd.stream(["sh", "-c", "echo one; while :; do :; done"])) == [b"one\n"]
    with pytest.raises(GuardFailed):
        next(systemd.stream(["/nonexistent"]))


def test_who_follows_a_quiet_service_has_the_journal_synced_once():
    called = []
    driver = systemd.Systemd(run=called.append)
    for _ in range(3):
        driver.page([], PageQuery())
    assert called == [["journalctl", "--sync"]]
