"""Each phase ends within its own limit and a second more, whatever services, systemctl and journalctl do.

The host is a simulated one; what is measured is the clock, so nothing else may run beside it. What drips is a real server on a real socket, asked by the real code.
"""

import contextlib
import threading
import time

import hostile
import pytest
import simulated

from goferry.host import (
    agent,
    control,
    engine,
    gap,
    gather,
    guard,
    health_check,
    lock,
    processes,
    serve,
    slots,
    systemd,
    watch,
)
from goferry.kernel import machine
from goferry.kernel.outcomes import CandidateUnhealthy, GuardFailed, RollbackFailed

host, change, PLACE = simulated.host, simulated.change, simulated.PLACE
ASK = control.ask
BUSY = 1.5
"""Seconds that a machine with more to do may add to a limit."""
SERVICE = {"ready_within_ms": 700, "bake_ms": 300, "drain_ms": 1}


@pytest.fixture
def drips(host, monkeypatch, tmp_path):
    """`drips.add("v2")`: the versions whose health drips, in one of the hostile ways."""
    ill, answer = set(), host.answer
    real = tmp_path / "drip.sock"

    def health(path, _target="", seconds=control.SECONDS):
        said = answer(path)
        if said.version in ill:
            ASK(real, "GET", "/healthz", seconds)
        return said

    monkeypatch.setattr(control, "health", health)
    with hostile.listening(real, "head drips") as server:
        host.server = server
        yield ill


@pytest.fixture
def acts(host):
    """The acts of the engines that are made from now on, each with the time at which it began."""
    heard = []
    host.declared = SERVICE
    host.on_progress = lambda text: heard.append((text.split()[0], time.monotonic()))
    return heard


def between(acts, first, then):
    begun = next(at for name, at in acts if name == first)
    return next(at for name, at in acts if name == then and at >= begun) - begun


@pytest.mark.parametrize("kind", ["head drips", "body drips", "continues without end", "nothing is said"])
def test_a_candidate_that_drips_is_refused_within_its_limit(host, drips, acts, kind):
    change(host, "deploy", "v1", "")
    host.server.kind = kind
    drips.add("v2")
    acts.clear()
    made = change(host, "deploy", "v2", "v1")
    assert isinstance(made.failure, CandidateUnhealthy)
    assert between(acts, "prove", "stop") < 0.7 + 1 + BUSY
    assert host.serving() == "v1"


@pytest.mark.parametrize("kind", ["head drips", "continues drip", "body drips to its end", "nothing is said"])
def test_a_candidate_that_drips_in_its_bake_goes_back_within_its_limit(host, drips, acts, kind):
    change(host, "deploy", "v1", "")
    host.server.kind = kind
    made = simulated.engine(host, "v2")
    made.begin(simulated.wanted(host, "deploy", "v2", "v1"))
    make_ill = made.guard.watch
    made.guard.watch = lambda transaction: drips.add("v2") or make_ill(transaction)
    acts.clear()
    made.advance("switch")
    assert isinstance(made.failure, CandidateUnhealthy)
    assert between(acts, "watch", "unpoint") < 0.3 + 1 + BUSY
    assert between(acts, "unpoint", "stop") < BUSY
    assert (host.serving(), made.transaction.phase) == ("v1", machine.IDLE)


def test_a_version_before_that_drips_blocks_neither_the_way_back_nor_the_next_deploy(host, drips, acts):
    change(host, "deploy", "v1", "")
    pid = host.processes[PLACE.unit(0)].pid
    made = simulated.engine(host, "v2")
    made.begin(simulated.wanted(host, "deploy", "v2", "v1"))
    drips.add("v1")
    made.guard.watch = lambda _: (_ for _ in ()).throw(CandidateUnhealthy("as the test wants"))
    acts.clear()
    made.advance("switch")
    assert made.transaction.phase == machine.IDLE  # settled: nobody has to end it
    assert between(acts, "unpoint", "return") < BUSY  # its link came back first
    assert between(acts, "return", "stop") < health_check.SWITCH + 0.7 + 1 + BUSY
    assert slots.live(host.root.service("shop", "api")) == 0
    assert host.processes[PLACE.unit(0)].pid != pid  # it was started again, which did not help
    told = engine.rolled_back(made, made.failure, "HOST", host.switch.unreached)
    assert isinstance(told, RollbackFailed)
    assert "v1 is live again, and nobody is served" in told.state
    assert "no whole answer" in told.state
    since = time.monotonic()
    assert simulated.recover(host) == []
    assert time.monotonic() - since < BUSY
    drips.clear()
    assert change(host, "deploy", "v2", "v1").failure is None
    assert host.serving() == "v2"


def test_one_bad_answer_of_the_version_before_is_no_reason_to_end_it(host, drips):
    change(host, "deploy", "v1", "")
    pid = host.processes[PLACE.unit(0)].pid
    made = simulated.engine(host, "v2")
    made.begin(simulated.wanted(host, "deploy", "v2", "v1"))
    made.guard.watch = lambda _: (_ for _ in ()).throw(CandidateUnhealthy("as the test wants"))
    health, count = control.health, []

    def once(path, *more):
        if str(path).endswith("0.sock") and not count:
            count.append(1)
            raise OSError("a hiccup")
        return health(path, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(control, "health", once)
        made.advance("switch")
    assert count
    assert host.processes[PLACE.unit(0)].pid == pid


def test_the_client_s_leaving_is_noticed_while_a_question_drips(host, drips):
    change(host, "deploy", "v1", "")
    made = simulated.engine(host, "v2", ready_within_ms=30_000)
    drips.add("v2")
    left = time.monotonic() + 0.7
    made.guard.gone = lambda: time.monotonic() > left
    made.begin(simulated.wanted(host, "deploy", "v2", "v1"))
    assert made.transaction.phase == machine.IDLE
    assert time.monotonic() - left < 0.5 + BUSY
    assert host.serving() == "v1"


@pytest.mark.parametrize("verb", ["show", "start", "journalctl"])
def test_a_systemctl_that_hangs_ends_with_the_phase(host, drips, acts, monkeypatch, verb):
    change(host, "deploy", "v1", "")
    run, hangs = host.run, threading.Event()

    def hanging(words):
        if hangs.is_set() and verb in words[:2]:
            time.sleep(min(2.0, systemd.limit(words)))
            raise GuardFailed(f"{words[0]} hangs")
        return run(words)

    monkeypatch.setattr(host, "run", hanging)
    made = simulated.engine(host, "v2")
    start = made.guard.start

    def started(*words):
        if verb == "start":
            hangs.set()
        start(*words)
        hangs.set()
        drips.add("v2")

    made._do["start"] = started
    acts.clear()
    with contextlib.suppress(GuardFailed):
        made.begin(simulated.wanted(host, "deploy", "v2", "v1"))
    if verb != "start":
        assert between(acts, "prove", "stop") < max(0.7, 3 * 2.0 if verb == "show" else 0) + 1 + BUSY
    assert made.failure is not None
    assert host.serving() == "v1"
    hangs.clear()
    drips.clear()
    simulated.recover(host)
    assert change(host, "deploy", "v2", "v1").failure is None


def test_a_journal_that_hangs_does_not_keep_traffic_from_going_back(host, acts, monkeypatch):
    change(host, "deploy", "v1", "")
    monkeypatch.setattr(guard, "EVIDENCE", 0.5)
    made = simulated.engine(host, "v2")
    made.guard.log_end = lambda *_: time.sleep(1.5)
    made.begin(simulated.wanted(host, "deploy", "v2", "v1"))
    look_on = made.guard.watch
    made.guard.watch = lambda transaction: host.kill(PLACE.unit(1)) or look_on(transaction)
    acts.clear()
    made.advance("switch")
    assert between(acts, "watch", "return") < BUSY
    assert between(acts, "watch", "discard") < 0.5 + 2 * BUSY
    assert "it can't be read: no answer in time" in made.failure.state
    assert host.serving() == "v1"


def test_candidates_are_asked_side_by_side(host, drips):
    change(host, "deploy", "v1", "")
    drips.add("v1")
    folder = host.root.service("shop", "api")
    guarded, _ = simulated.parts(host)
    slot = slots.read(folder, 0)
    since = time.monotonic()
    said = guarded.ask_all([(folder, slot)] * 30, 0.6)
    assert time.monotonic() - since < 0.6 + BUSY
    assert len(said) == 30
    assert all("within 0.6 s" in each or each == health_check.LATE for each in said)


@pytest.mark.parametrize("busy", [False, True], ids=["free", "held by another"])
def test_status_answers_soon_whatever_services_do(host, drips, monkeypatch, busy):
    change(host, "deploy", "v1", "")
    drips.add("v1")
    session = agent.AgentSession(host.root, None, {})
    folder = host.root.service("shop", "api")
    monkeypatch.setattr(type(host.root), "services", lambda _: iter([folder] * 60))
    since = time.monotonic()
    with lock.held(host.root.locks, 1) if busy else contextlib.nullcontext():
        answer = session.answer({"request": "status"})
    assert time.monotonic() - since < 5
    assert answer["busy"] is busy
    assert {each["state"] for each in answer["live"].values()} == {"unhealthy"}
    assert "no" in next(iter(answer["live"].values()))["why"]


def test_status_does_not_wait_for_a_recovery(host, monkeypatch):
    change(host, "deploy", "v1", "")
    monkeypatch.setattr(agent, "ASIDE", 0.3)
    session = agent.AgentSession(host.root, None, {})
    goes_on = threading.Event()
    monkeypatch.setattr(session, "recovery", lambda: goes_on.wait(10) and (["done"], []))
    answer = session.answer({"request": "status"})
    assert answer["busy"] is True
    assert answer["live"]["api"]["version"] == "v1"
    assert lock.acquire(host.root.locks) == []  # it goes on, and nobody else begins
    goes_on.set()
    with lock.held(host.root.locks, 5):
        pass


def test_a_gap_is_from_the_last_good_answer_to_the_first():
    good = threading.Event()
    good.set()
    with gap.asking(good.is_set) as found:
        time.sleep(0.5)  # told to end, and answers on
        good.clear()
        time.sleep(0.2)
        found.turn()
        time.sleep(0.2)  # started, and does not answer yet
        good.set()
        time.sleep(0.3)
    assert 400 - 20 <= found.ms < 400 + 1000 * BUSY


def test_a_gap_does_not_end_with_an_answer_of_the_one_before():
    asked = []

    def slow():
        asked.append(1)
        time.sleep(0.2)
        return True

    with gap.asking(slow) as found:
        time.sleep(0.1)
        found.turn()  # its answer to the first question comes after this
        time.sleep(0.15)
        assert not found.first
        time.sleep(0.3)
    assert found.first
    assert len(asked) >= 2


def test_gathering_is_over_in_time_and_says_what_was_late():
    def work(seconds):
        time.sleep(seconds)
        if seconds == 0.1:
            raise ValueError("bad")
        return seconds

    since = time.monotonic()
    found = gather.gather([lambda s=s: work(s) for s in (0.0, 0.1, 3.0)], since + 0.6)
    assert time.monotonic() - since < 0.6 + BUSY
    assert [(each.done, each.value, type(each.error)) for each in found] == [
        (True, 0.0, type(None)), (True, None, ValueError), (False, None, type(None)),
    ]  # fmt: skip


def test_a_process_that_does_not_end_is_told(monkeypatch):
    monkeypatch.setattr(processes, "KILLED", 0.1)
    monkeypatch.setattr(processes, "same", lambda _: True)
    monkeypatch.setattr(processes.os, "kill", lambda *_: None)
    assert processes.end(processes.Process(2**22 + 1), 0.1) is False


@pytest.mark.parametrize(("how", "limit"), [("dies", 0.3), ("hangs", watch.SILENT + 0.5)])
def test_a_candidate_that_ends_while_it_waits_for_its_client_is_gone_from_traffic_at_once(
    host, drips, acts, how, limit
):
    change(host, "deploy", "v1", "")
    host.server.kind = "nothing is said"
    made = simulated.engine(host, "v2")
    made.begin(simulated.wanted(host, "deploy", "v2", "v1"))
    made.advance("switch")
    for _ in range(3):
        made.tend()  # as serve does all the while
    calls = len(host.calls)
    made.tend()
    assert len(host.calls) == calls  # systemd is not asked for it
    acts.clear()
    since = time.monotonic()
    host.kill(PLACE.unit(1)) if how == "dies" else drips.add("v2")
    while made.transaction.phase == machine.BAKING:
        assert time.monotonic() - since < limit + BUSY
        made.tend()
        time.sleep(serve.WATCHED)
    assert next(at for name, at in acts if name == "unpoint") - since < limit + BUSY
    assert (host.serving(), made.transaction.phase) == ("v1", machine.IDLE)
    assert made.failure.name == ("candidate-crashed" if how == "dies" else "candidate-unhealthy")


def baking(host, bake_ms, begins=lambda: None):
    """Return an engine whose candidate bakes once it switches, and hangs from when `begins` has it do so."""
    change(host, "deploy", "v1", "")
    host.declared, host.server.kind = {**SERVICE, "bake_ms": bake_ms}, "nothing is said"
    made = simulated.engine(host, "v2")
    made.begin(simulated.wanted(host, "deploy", "v2", "v1"))
    watches = made.guard.watch
    made.guard.watch = lambda transaction: begins() or watches(transaction)
    return made


@pytest.mark.parametrize("seconds", [0.7, 3.0])
def test_silence_alone_is_no_reason_to_go_back_before_it_lasts(host, drips, seconds):
    made = baking(host, 300)
    made.advance("switch")
    drips.add("v2")
    threading.Timer(seconds, drips.clear).start()
    made.tend()
    made.tend()
    assert (host.serving(), made.transaction.phase) == ("v2", machine.BAKING)


def test_silence_at_the_end_of_a_bake_is_judged_before_the_commit(host, drips, acts):
    made = baking(host, 1500, lambda: threading.Timer(1.2, drips.add, ["v2"]).start())
    acts.clear()
    made.advance("switch")
    assert (host.serving(), made.transaction.phase) == ("v2", machine.BAKING)
    made.advance("commit")
    assert isinstance(made.failure, CandidateUnhealthy)
    assert between(acts, "watch", "unpoint") < 1.5 + 1 + watch.SILENT + BUSY
    assert host.serving() == "v1"


def test_a_candidate_that_hangs_in_a_long_bake_is_gone_from_traffic_long_before_its_end(host, drips, acts):
    made = baking(host, 60_000, lambda: drips.add("v2"))
    acts.clear()
    made.advance("switch")
    assert isinstance(made.failure, CandidateUnhealthy)
    assert between(acts, "watch", "unpoint") < watch.SILENT + 0.5 + BUSY
    assert host.serving() == "v1"
