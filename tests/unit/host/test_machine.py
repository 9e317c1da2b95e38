"""The machine itself: golden walks, and laws that hold for any sequence of events."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.kernel import machine
from goferry.kernel.machine import Change, Transaction

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "deploy"
CASES = {path.stem: json.loads(path.read_text()) for path in sorted(GOLDEN.glob("walk-*.json"))}
EVENTS = sorted({event for _, event in machine.TRANSITIONS})


def begun(services=("api",), policy="rollback"):
    changes = tuple(Change(name, "socket", 1, 0, 2, "v2", "f" * 64) for name in services)
    return Transaction("t", "deploy", "shop", policy, "", changes)


@pytest.mark.parametrize("name", CASES)
def test_golden_walks(name):
    case = CASES[name]
    transaction = begun(case["services"], case["on_silence"])
    walked = []
    for event in case["events"]:
        transaction, acts = machine.step(transaction, event)
        walked.append([event, transaction.phase, [f"{act.name} {' '.join(act.services)}" for act in acts]])
    assert walked == case["walk"]


def test_there_are_golden_walks():
    assert len(CASES) >= 5


def test_every_phase_is_documented_and_has_acts():
    for phase in machine.PHASES:
        assert phase in machine.__doc__
        assert phase in machine.ACTS


def test_the_journal_gives_the_transaction_back():
    transaction = begun(("api", "worker"))
    assert Transaction.from_record(json.loads(json.dumps(transaction.as_record()))) == transaction


@settings(deadline=None, max_examples=examples(300))
@given(st.lists(st.sampled_from(EVENTS), max_size=25), st.sampled_from(["rollback", "commit"]))
def test_laws(events, policy):
    transaction = begun(policy=policy)
    pointed = False
    for event in events:
        before = transaction
        try:
            transaction, acts = machine.step(before, event)
        except machine.IllegalEvent:
            continue
        names = [act.name for act in acts]
        pointed = pointed or "point" in names
        if transaction.phase == machine.COMMITTED:
            assert before.baked, "nothing is committed before the bake"
        if transaction.phase == machine.ABORTED:
            assert not {"unpoint", "return"} & set(names), "before the switch traffic is not touched"
        if "point" in names:
            assert before.phase == machine.HEALTHY, "nothing is switched before it is proven"
        if "retire" in names:
            assert pointed
            assert transaction.phase == machine.COMMITTED, "the version before ends at the commit alone"


@settings(deadline=None, max_examples=examples(200))
@given(st.lists(st.sampled_from(EVENTS), max_size=12), st.sampled_from(["rollback", "commit"]))
def test_from_anywhere_recovery_ends_by_itself(events, policy):
    transaction = begun(policy=policy)
    for event in events:
        try:
            transaction, _ = machine.step(transaction, event)
        except machine.IllegalEvent:
            continue
    if transaction.phase == machine.IDLE:
        return
    transaction, _ = machine.step(transaction, "recover")
    for _ in range(4):
        if transaction.phase == machine.IDLE:
            break
        assert not machine.waits(transaction), "recovery waits for nobody"
        transaction, _ = machine.step(transaction, machine.COMPLETES[transaction.phase])
    assert transaction.phase == machine.IDLE


def test_the_outlook_of_a_dry_run_is_what_an_engine_does():
    from goferry.host.engine import Engine

    class Host:
        def __getattr__(self, name):
            return lambda *_: None

    engine = Engine(*[Host()] * 4)
    heard = []
    engine.on_progress = heard.append
    engine.begin(begun(("api", "worker")))
    engine.advance("switch")
    engine.advance("commit")
    shown = []
    for act in machine.outlook(begun(("api", "worker"))):
        shown += (
            [f"watch {', '.join(act.services)}"] if act.name == "watch" else [f"{act.name} {s}" for s in act.services]
        )
    assert heard == shown
