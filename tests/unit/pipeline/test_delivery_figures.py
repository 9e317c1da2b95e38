"""The figures of software delivery: each by its definition, a fleet's deploy once, and nothing where there are no data."""

import itertools

import pytest
from hypothesis import given, settings, strategies as st

from goferry.deploy.past_deploys import PastDeploy
from goferry.observe import delivery, delivery_page
from goferry.observe.delivery import Spread
from goferry.pipeline import delivery_figures

DAY = 86_400
NOW = 1_767_225_600
NUMBERS = itertools.count(1)


def deploy(at, to, *, before=0, outcome="committed", kind="deploy", host="web-1", trace="", took=10, commit=0, **more):
    """A deploy that had traffic `at` seconds before now and ended `took` seconds later."""
    switched = (NOW - at) * 1000
    number = next(NUMBERS)
    record = {
        "number": number, "id": f"t{number}", "trace": trace or f"trace{number}", "kind": kind, "project": "shop",
        "changes": [{"service": "api", "from": f"v{before}", "to": f"v{to}", "sequence": to, "from_sequence": before}],
        "begun": switched - 5000, "switched": 0 if outcome == "aborted" else switched, "ended": switched + took * 1000,
        "outcome": outcome, "noted": {"commit-time": commit}, **more,
    }  # fmt: skip
    return PastDeploy.read(host, record)


def figures(*deploys, days=30):
    found = delivery_figures.figures(deploys, now=NOW, seconds=days * DAY)
    assert len(found) <= 1
    return found[0] if found else None


def test_a_fleet_s_deploy_counts_once_by_its_trace():
    two = [deploy(DAY, 1, host=host, trace="a", commit=NOW - DAY - 3600) for host in ("web-1", "web-2")]
    more = [deploy(DAY, 2, host=host, id="same", trace="") for host in ("web-1", "web-2")]
    more = [PastDeploy(**{**{f: getattr(each, f) for f in each.__struct_fields__}, "trace": ""}) for each in more]
    found = figures(*two, *more)
    assert (found.window.committed, [each.hosts for each in found.recent]) == (2, [2, 2])
    assert found.lead_time == Spread(1, 3600.0, 3600.0)


def test_one_host_that_goes_back_makes_the_fleet_s_deploy_a_failure():
    parts = [
        deploy(100, 2, host="web-1", trace="a"),
        deploy(90, 2, host="web-2", trace="a", outcome="rolled-back", took=30),
        deploy(95, 2, host="web-3", trace="a", outcome="aborted"),
    ]
    found = figures(*parts)
    assert (found.window.rolled_back, found.failed, found.failure_rate) == (1, 1, 1.0)
    # From the first traffic, 100 s ago, to the end of the last way back, 60 s ago.
    assert found.recovery_time == Spread(1, 40.0, 40.0)


def test_what_was_given_up_before_traffic_is_no_deployment():
    found = figures(deploy(100, 1, outcome="aborted"))
    assert (found.window.aborted, found.window.deployments, found.per_day, found.failure_rate) == (1, 0, None, None)
    assert (found.lead_time, found.recovery_time, found.last) == (None, None, 0)


def test_a_deploy_that_somebody_rolls_back_before_the_next_one_has_failed():
    first, second = deploy(1000, 1), deploy(800, 2, before=1)
    back = deploy(500, 1, before=2, kind="rollback")
    found = figures(first, second, back)
    assert (found.window.committed, found.window.rollbacks, found.failed, found.failure_rate) == (2, 1, 1, 0.5)
    assert found.recovery_time == Spread(1, 300.0, 300.0)
    assert [each.failed for each in found.recent] == [False, True]


@pytest.mark.parametrize(
    "later",
    [
        [deploy(500, 1, before=2, kind="rollback", outcome="rolled-back")],  # which failed itself
        [deploy(500, 8, before=9, kind="rollback")],
        [deploy(500, 2, before=1, kind="rollback")],  # forward again
    ],
)
def test_a_rollback_of_something_else_says_nothing_of_it(later):
    found = figures(deploy(1000, 1), deploy(800, 2, before=1), *later)
    assert found.failed == 0


def test_each_step_back_is_a_failure_of_what_it_leaves():
    deploys = [deploy(950, 1), deploy(900, 2, before=1), deploy(800, 3, before=2)]
    steps = [deploy(700, 2, before=3, kind="rollback"), deploy(600, 1, before=2, kind="rollback")]
    found = figures(*deploys, *steps)
    assert [each.failed for each in found.recent] == [False, True, True]
    assert found.recovery_time == Spread(2, 200.0, 300.0)
    again = [deploy(500, 2, before=1, kind="rollback"), deploy(400, 1, before=2, kind="rollback")]
    assert figures(*deploys, *steps, *again).recovery_time == found.recovery_time


def test_a_deploy_that_went_back_by_itself_hides_no_failure_before_it():
    deploys = [deploy(1000, 1), deploy(800, 2, before=1), deploy(600, 3, before=2, outcome="rolled-back", took=20)]
    found = figures(*deploys, deploy(500, 1, before=2, kind="rollback"))
    assert [each.failed for each in found.recent] == [False, True, True]
    assert found.recovery_time == Spread(2, 160.0, 300.0)


def test_what_the_client_brought_back_is_the_end_of_that_deploy():
    parts = [
        deploy(100, 2, before=1, host="web-1", trace="a"),
        deploy(98, 2, before=1, host="web-2", trace="a", outcome="rolled-back", took=2),
        deploy(45, 1, before=2, host="web-1", trace="a", kind="rollback", took=3),
    ]
    found = figures(*parts)
    assert (found.window.rolled_back, found.window.rollbacks, found.failed) == (1, 0, 1)
    assert found.recovery_time == Spread(1, 58.0, 58.0)
    (alone,) = figures(parts[0], parts[2]).recent
    assert (alone.outcome, alone.failed, alone.recovery_seconds) == ("rolled-back", True, 58.0)


def test_lead_time_is_of_what_serves_for_the_first_time():
    commit = NOW - 5000
    found = figures(
        deploy(1000, 1, commit=commit),
        deploy(800, 2, before=1, commit=commit),
        deploy(600, 1, before=2, commit=commit),  # once more: no change reaches anybody
        deploy(500, 3, before=1),  # whose commit nobody knows
        deploy(400, 4, before=3, commit=NOW + DAY),  # of a clock that is wrong
        deploy(300, 5, before=4, commit=commit, outcome="rolled-back"),
        deploy(200, 5, before=4, commit=commit),  # which it is only now that it stays
    )
    assert found.lead_time == Spread(3, 4200.0, 4800.0)


def test_the_window_is_what_ended_in_it_and_the_record_is_all():
    found = figures(*[deploy(day * DAY, number) for number, day in enumerate((40, 20, 10, 1), 1)])
    assert (found.window.committed, found.ever.committed, found.per_day) == (3, 4, 0.1)
    assert found.last == NOW - DAY + 10


def test_projects_are_told_apart():
    found = delivery_figures.figures([deploy(10, 1), deploy(20, 1, project="blog")], now=NOW, seconds=DAY)
    assert [each.project for each in found] == ["blog", "shop"]


@given(
    st.lists(
        st.builds(
            deploy,
            st.integers(0, 40 * DAY),
            st.integers(0, 5),
            before=st.integers(0, 5),
            outcome=st.sampled_from(["committed", "rolled-back", "aborted", "", "other"]),
            kind=st.sampled_from(["deploy", "rollback", ""]),
            host=st.sampled_from(["a", "b"]),
            trace=st.sampled_from(["1", "2", "3", ""]),
            commit=st.integers(0, NOW),
        ),
        max_size=12,
    )
)
@settings(deadline=None, max_examples=40)
def test_figures_of_any_records_are_in_their_ranges(deploys):
    for each in delivery_figures.figures(deploys, now=NOW, seconds=30 * DAY):
        assert each.failure_rate is None or 0 <= each.failure_rate <= 1
        assert each.failed <= each.window.deployments <= len(deploys)
        for spread in (each.lead_time, each.recovery_time):
            assert spread is None or 0 <= spread.median <= spread.p90
        delivery.table([each])
        delivery.prometheus([each])
        delivery_page.render([each], environment="", now="")


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
def test_nine_of_ten_do_not_exceed_the_ninth_decile(values):
    found = delivery_figures._spread(values)
    assert sum(value <= found.p90 for value in values) >= 0.9 * len(values)
    assert found.p90 in values
