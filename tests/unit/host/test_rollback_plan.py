"""What is held, which release each rollback goes to, and what is refused by name."""

import pytest
from hypothesis import given, strategies as st

from goferry.host import history, rollback_plan
from goferry.host.history import HistoryEntry
from goferry.host.rollback_plan import RollbackWanted
from goferry.host.state import Live, State
from goferry.kernel.outcomes import NothingToRollBackTo


def entry(sequence, version="", left=False):
    return HistoryEntry(sequence, version or f"v{sequence}", f"{sequence:064x}", "socket", 81, f"d{sequence}", left)


class Service:
    """One service's state, changed as commits change it."""

    def __init__(self, *deploys, keep=5):
        self.live, self.history, self.keep, self.floor = None, (), keep, None
        for sequence in deploys:
            self.deploy(sequence)

    def deploy(self, sequence, version=""):
        self.floor = max(self.floor or 0, sequence)
        self._commit(entry(sequence, version))

    def _commit(self, now):
        was = self.live.sequence if self.live else 0
        self.history = history.committed(self.history, now, was, keep=self.keep, floor=self.floor)
        self.live = history.find(self.history, now.sequence)

    def back(self, **wanted):
        (change,) = rollback_plan.plan({"api": self.state}, RollbackWanted(**wanted))
        self._commit(history.find(self.history, change.sequence))
        return change.sequence

    @property
    def state(self):
        live = Live(0, self.live.sequence, self.live.version, self.live.sha256, "socket", 81)
        return State(live, self.history, running=0)

    @property
    def held(self):
        return [each.sequence for each in self.history]


def test_several_rollbacks_walk_back_and_end_at_the_oldest_with_what_is_held_named():
    api = Service(1, 2, 3)
    assert (api.back(), api.back()) == (2, 1)
    with pytest.raises(NothingToRollBackTo) as told:
        api.back()
    assert "v3, v2, v1" in told.value.state
    assert told.value.facts["held"] == {"api": ["v3", "v2", "v1"]}
    assert api.back(version="v3") == 3
    assert api.back() == 1  # what served before it, not what was passed on purpose


@pytest.mark.parametrize(("deploys", "back", "advised"), [((1,), 0, False), ((1, 2), 1, True)])
def test_to_name_a_version_is_advised_only_where_another_than_the_live_one_is_held(deploys, back, advised):
    api = Service(*deploys)
    for _ in range(back):
        api.back()
    with pytest.raises(NothingToRollBackTo) as told:
        api.back()
    assert any("--to VERSION" in line for line in told.value.advice) is advised


def test_the_way_back_from_the_next_release_leads_past_what_a_rollback_left():
    api = Service(1, 2, 3)
    assert api.back(version="v1") == 1
    api.deploy(4)
    assert api.back() == 1
    api.deploy(4)
    api.deploy(5)
    assert (api.back(), api.back()) == (4, 1)


def test_a_release_that_was_left_and_is_deployed_again_is_one_to_go_back_to():
    api = Service(1, 2)
    api.back()
    api.deploy(2)
    api.deploy(3)
    assert api.back() == 2


@pytest.mark.parametrize(("keep", "held"), [(1, [7, 6]), (2, [7, 6]), (5, [7, 6, 5, 4, 3]), (9, [7, 6, 5, 4, 3, 2, 1])])
def test_so_many_stay_and_never_less_than_one_way_back(keep, held):
    assert Service(1, 2, 3, 4, 5, 6, 7, keep=keep).held == held


def test_what_served_before_stays_whatever_is_newer():
    api = Service(1, 2, 3, keep=2)
    api = Service(1, 2, 3, keep=3)
    api.back(version="v1")
    api.keep = 2
    api.deploy(4)
    assert api.held == [4, 1]
    assert api.back() == 1


def test_what_was_given_up_with_a_lowered_floor_is_gone_with_the_next_commit():
    api = Service(1, 2, 2**53 - 1)
    api.floor = 2
    api.history = history.above(api.history, 2, api.live.sequence)
    assert api.held == [2**53 - 1, 2, 1]  # it serves
    api.deploy(3)
    assert api.held == [3, 2, 1]
    other = Service(1, 2, 2**53 - 1)
    other.floor = 2
    assert other.back() == 2
    assert other.held == [2, 1]


@given(st.lists(st.one_of(st.just("back"), st.just("deploy"), st.integers(0, 4)), max_size=30), st.integers(1, 5))
def test_the_live_release_and_its_way_back_are_always_held(steps, keep):
    api, last = Service(1, keep=keep), 1
    for step in steps:
        before = history.before(api.history, api.live.sequence)
        if step == "deploy":
            last, was = last + 1, api.live
            api.deploy(last)
            assert history.before(api.history, last) == was
        elif step == "back":
            if before:
                assert api.back() == before.sequence
        elif step < len(api.history) and api.history[step].sequence != api.live.sequence:
            api.back(version=api.history[step].version)
        assert history.find(api.history, api.live.sequence)
        assert len(api.history) <= max(2, keep)
        assert api.held == sorted(api.held, reverse=True)


def states(**services):
    return {name: service.state for name, service in services.items()}


def planned(found, **wanted):
    changes = rollback_plan.plan(
        found, RollbackWanted(**wanted), lambda _name, sequence: {3: ("api", "web")}.get(sequence, ("api",))
    )
    return {change.service: change.sequence for change in changes}


def test_all_services_of_a_named_release_go_or_none():
    found = states(api=Service(1, 3, 4), web=Service(3, 4), old=Service(1))
    assert planned(found, version="v3") == {"api": 3, "web": 3}
    assert planned(found, version="v1", services=["api"]) == {"api": 1}
    lacking = states(api=Service(3, 4), web=Service(4))
    with pytest.raises(NothingToRollBackTo, match="release v3 of web is not held here") as told:
        planned(lacking, version="v3")
    assert any("--service api" in line for line in told.value.advice)
    assert planned(lacking, version="v3", services=["api"]) == {"api": 3}


def test_what_serves_already_is_left_alone():
    api, web = Service(3, 4), Service(3, 4)
    api.back()
    assert planned(states(api=api, web=web), version="v3") == {"web": 3}
    web.back()
    assert planned(states(api=api, web=web), version="v3") == {}


def test_a_step_takes_those_that_were_deployed_last():
    assert planned(states(api=Service(1, 2, 3), web=Service(1, 2))) == {"api": 2}
    assert planned(states(api=Service(1, 3), new=Service(3), web=Service(2, 3))) == {"api": 1, "web": 2}


def test_of_two_releases_of_one_version_the_newest_is_meant_and_a_sequence_means_one():
    api = Service(1)
    api.deploy(2, "v1")
    api.deploy(3)
    assert planned(states(api=api), version="v1") == {"api": 2}
    assert planned(states(api=api), sequence=1) == {"api": 1}


def test_a_change_takes_the_free_slot_and_the_place_that_serves():
    (change,) = rollback_plan.plan(states(api=Service(4, 5)), RollbackWanted())
    assert (change.slot, change.old_slot, change.version, change.old_version, change.port) == (1, 0, "v4", "v5", 81)
    stopped = {"api": Service(4, 5).state._replace(running=-1)}
    (change,) = rollback_plan.plan(stopped, RollbackWanted(version="v5"))
    assert (change.slot, change.old_slot, change.version) == (0, -1, "v5")


@pytest.mark.parametrize("wanted", [{}, {"services": ["api"]}, {"services": ["x"]}, {"version": "v9"}, {"sequence": 9}])
def test_what_is_not_held_is_named(wanted):
    for found in ({}, states(api=Service(1))):
        with pytest.raises(NothingToRollBackTo):
            rollback_plan.plan(found, RollbackWanted(**wanted))
