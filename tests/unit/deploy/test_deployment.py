"""What a person reads of a deploy, made of what its hosts answered."""

import pytest

from goferry.cli.target_options import lines_of
from goferry.deploy._rollout import Host
from goferry.deploy._rollout_table import RolloutState
from goferry.deploy.answers import Committed, DeployStep, Prepared, ServiceChange
from goferry.deploy.deployment import Deployment, Foreseen
from goferry.deploy.live import LiveService

LIVE = LiveService(service="api", version="v2", previous="v1", url="http://127.0.0.1:1", pid=7, held=("v1",))
DARK = LiveService(service="api", version="v2", previous="v1", gap_ms=310)
CHANGE = ServiceChange("api", "v1", "v2", 2, 1, 1, None)
FIRST = ServiceChange("api", "", "v2", 2, 0, 1, None)
STEP = DeployStep("start", ("api", "web"))


def host(name, live, *, state=RolloutState.COMMITTED, switch_ms=21):
    prepared = Prepared("shop", "v2", (CHANGE,), unchanged=state is RolloutState.UNCHANGED)
    return Host(name, state, prepared=prepared, committed=Committed(switch_ms, {}, {"api": live}))


def plan(change=FIRST, acts=(STEP,)):
    return Prepared("shop", "v2", (change,), acts=acts)


@pytest.mark.parametrize(
    ("record", "lines"),
    [
        (
            Deployment.of([host("local", LIVE)], 2.04, alone=True),
            ["api v2 is live at http://127.0.0.1:1 (before: v1)", "switched in 21 ms, committed after 2.0 s"],
        ),
        (
            Deployment.of(
                [
                    host("web-1", DARK, switch_ms=None),
                    host("web-2", DARK, state=RolloutState.UNCHANGED, switch_ms=None),
                ],
                2.04,
            ),
            [
                "web-1: api v2 is live (before: v1)",
                "  this service does not take its socket from Goferry: 310 ms gap",
                "web-2: it is live there already",
                "committed after 2.0 s",
            ],
        ),
        (
            Deployment.of([host("web-1", LIVE, state=RolloutState.UNCHANGED)], 2.04),
            ["shop v2 is live already; nothing was changed."],
        ),
        (
            Foreseen({"local": plan()}, alone=True),
            ["api: nothing → v2 (slot 1, port unknown)", "  start api, web"],
        ),
        (
            Foreseen({"web-1": plan(CHANGE, ()), "web-2": plan()}),
            [
                "web-1: api: v1 → v2 (slot 1, port unknown)",
                "web-2: api: nothing → v2 (slot 1, port unknown)",
                "  start api, web",
            ],
        ),
        (Foreseen({"local": Prepared("shop", "v2")}, alone=True), ["nothing to do: it is live already"]),
    ],
)
def test_a_person_reads_where_what_is_live_now(record, lines):
    assert lines_of(record) == lines
