"""The machine of a fleet's deploy: golden walks, and laws that hold wherever hosts fail."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples
from unit.deploy import rollouts
from unit.deploy.rollouts import NEW, OLD, Truth, begun, walk

from goferry.deploy import _rollout as rollout, _verdict as verdict
from goferry.deploy._rollout import IllegalRolloutEvent, RolloutEvent, decide
from goferry.deploy._rollout_table import (
    ENTERS,
    FAILURES,
    IDLE,
    MOVES,
    OUTCOMES,
    AskKind,
    EventKind,
    HostOutcome,
    Phase,
    RolloutState,
)
from goferry.deploy.answers import ServiceChange
from goferry.deploy.live import LiveService, Status
from goferry.kernel.errors import FleetSplit

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "deploy"
CASES = {path.stem: json.loads(path.read_text()) for path in sorted(GOLDEN.glob("rollout-*.json"))}


def ends(fleet):
    """Return what is said at the end: an error or none, and each host's outcome."""
    error = verdict.error(fleet, "deploy")
    said = f"{error.name} {error.exit_code}: {error.what}" if error else ""
    return {"error": said, "outcomes": [str(host.outcome) for host in fleet.hosts]}


@pytest.mark.parametrize("name", CASES)
def test_golden_walks(name):
    case = CASES[name]
    lines = [row[0] for row in case["walk"]]
    fleet, rows = walk(begun(case["hosts"], **case["options"]), lines)
    assert rows == case["walk"]
    assert fleet.phase is Phase.END
    assert lines[-1] == "interrupted" or ends(fleet) == case["ends"]


def test_every_phase_is_in_a_golden_walk_and_in_the_drawing():
    walked = {row[1] for case in CASES.values() for row in case["walk"]}
    assert walked >= {phase.name for phase in Phase} - {"START"}
    assert all(phase.name in rollout.__doc__ for phase in Phase)
    assert {*Phase} == {*rollout.FOLLOWS, Phase.END}


def test_the_table_is_whole():
    """Every state in which a host works ends by any answer, and every phase asks for something that works."""
    waits = {RolloutState.WAITING}
    for state in {*RolloutState} - {*IDLE} - waits:
        kinds = {kind for known, kind in MOVES if known is state}
        assert kinds >= {EventKind.ANSWERED, *FAILURES}, state
    assert all(state not in IDLE for _, state, _ in ENTERS.values())
    assert set(OUTCOMES.values()) == {*HostOutcome} - {HostOutcome.OPEN}


@pytest.mark.parametrize("stray", [RolloutEvent(EventKind.ANSWERED, "web-2"), RolloutEvent(EventKind.LOST, "web-2")])
def test_what_answers_nothing_is_refused(stray):
    fleet, _ = walk(begun(["web-1", "web-2"]), ["begin", "answered web-2"])
    with pytest.raises(IllegalRolloutEvent, match=stray.host):
        decide(fleet, stray)


def switched_without(truth):
    return not any(ask.act is AskKind.SWITCH for ask in truth.asked)


@st.composite
def fleets(draw):
    names = [f"web-{number + 1}" for number in range(draw(st.integers(1, 3)))]
    silence = draw(st.sampled_from(["rollback", "commit"]))
    fleet = begun(names, on_silence=silence, uploads=draw(st.booleans()))
    live = {name: draw(st.sampled_from([OLD, OLD, NEW])) for name in names}
    return Truth(fleet, lambda choices: draw(st.sampled_from(choices)), live)


@settings(deadline=None, max_examples=examples(300))
@given(fleets())
def test_laws(truth):
    before = dict(truth.live)
    fleet = truth.run().fleet
    error = verdict.error(fleet, "deploy")
    means = {"deployed": NEW, "unchanged": NEW, "rolled-back": OLD, "aborted": OLD}
    for host in fleet.hosts:
        assert host.outcome is not HostOutcome.OPEN
        serves = means.get(
            host.outcome, before[host.name] if host.outcome is HostOutcome.FAILED else truth.live[host.name]
        )
        assert truth.live[host.name] == serves, "what is said of a host is what serves there"
        left = host.name in truth.open and host.outcome is not HostOutcome.UNKNOWN
        assert not left, "what is open is undone or committed"
    if error is None:
        assert set(truth.live.values()) == {NEW}
    elif not isinstance(error, FleetSplit) and not fleet.among(RolloutState.UNKNOWN):
        assert truth.live == before, "two versions are never left without saying so"
    assert len(fleet.hosts) == 1 or isinstance(error, FleetSplit) or not fleet.among(RolloutState.UNKNOWN)
    if fleet.among(RolloutState.FAILED, RolloutState.ABORTED):
        assert switched_without(truth), "nothing is switched before all are prepared"


@settings(deadline=None, max_examples=examples(100))
@given(fleets(), st.integers(0, 30))
def test_an_interrupt_lets_every_open_host_go_and_ends_it(truth, count):
    truth.take(RolloutEvent(EventKind.BEGIN))
    for _ in range(count):
        if truth.fleet.phase is not Phase.END:
            truth.step(calm=False)
    if truth.fleet.phase is Phase.END:
        return
    asked = len(truth.asked)
    truth.take(RolloutEvent(EventKind.INTERRUPTED))
    assert truth.fleet.phase is Phase.END
    assert {ask.act for ask in truth.asked[asked:]} <= {AskKind.HANG_UP}
    assert not truth.open - {host.name for host in truth.fleet.hosts if host.state is RolloutState.UNKNOWN}


@pytest.mark.parametrize(("slot", "outcome"), [(1, "deployed"), (0, "rolled-back")])
def test_after_a_restart_the_slot_tells_what_serves_and_nothing_is_brought_back(monkeypatch, slot, outcome):
    """A host that has committed has the old values no more; the same command again gives all hosts the new ones."""
    live = LiveService(project="shop", service="api", version="v1", sequence=OLD, slot=slot)
    monkeypatch.setattr(rollouts, "CHANGE", ServiceChange("api", "v1", "v1", OLD, OLD, 1, 8080))
    monkeypatch.setattr(rollouts, "status", lambda *_, **__: Status({"api": live}))
    lines = [row[0] for row in CASES["rollout-commit-lost-and-not-done"]["walk"]]
    ended = lines.index("answered web-1 v1") + 1
    fleet, rows = walk(begun(["web-1", "web-2"], uploads=True), lines[:ended])
    assert (fleet.phase, [str(host.outcome) for host in fleet.hosts]) == (Phase.END, [outcome, "deployed"])
    assert not any("bring_back" in row[3] for row in rows)
    error = verdict.error(fleet, "restart")
    assert (error is None) == (outcome == "deployed")
    if error is not None:
        assert isinstance(error, FleetSplit)
        assert error.advice[0] == "start all with the values of now: run the same command again"
