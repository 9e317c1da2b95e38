"""The record of a deploy as a person reads it, from the JSON types that deploying returns."""

import pytest

from goferry.cli.target_options import lines_of
from goferry.pipeline import deployed

API = {"version": "v2", "previous": "v1", "url": "http://127.0.0.1:1", "gap_ms": None, "pid": 7, "held": ["v1"]}
DONE = {
    "project": "shop", "version": "v2", "changes": [], "previous": "v1", "unchanged": False, "switch_ms": 21,
    "gap_ms": {}, "seconds": 2.04, "services": {"api": API}, "outcome": "deployed",
}  # fmt: skip
LOCAL = {"version": "v2", "previous": "v1", "outcome": "deployed", "switch_ms": 21, "gap_ms": {}, "serving": {}}
WEB = {**LOCAL, "uploaded": 5, "services": {"api": {**API, "url": "", "gap_ms": 310}}}
CHANGE = {"service": "api", "from": "", "to": "v2", "slot": 1, "port": None, "sequence": 2}
ACT = {"act": "start", "services": ["api", "web"], "more": 1}
PLAN = {"project": "shop", "version": "v2", "dry_run": True, "changes": [CHANGE], "acts": [ACT]}


@pytest.mark.parametrize(
    ("record", "lines"),
    [
        (
            {**DONE, "hosts": {"local": LOCAL}},
            ["api v2 is live at http://127.0.0.1:1 (before: v1)", "switched in 21 ms, committed after 2.0 s"],
        ),
        (
            {**DONE, "switch_ms": None, "hosts": {"web-1": WEB, "web-2": {**WEB, "outcome": "unchanged"}}},
            [
                "web-1: api v2 is live (before: v1)",
                "  this service does not take its socket from Goferry: 310 ms gap",
                "web-2: it is live there already",
                "committed after 2.0 s",
            ],
        ),
        (
            {**DONE, "unchanged": True, "outcome": "unchanged", "hosts": {"web-1": WEB}},
            ["shop v2 is live already; nothing was changed."],
        ),
        (PLAN, ["api: nothing → v2 (slot 1, port unknown)", "  start api, web"]),
        (
            {**PLAN, "hosts": {"web-1": {"changes": [{**CHANGE, "from": "v1"}], "acts": []}, "web-2": PLAN}},
            [
                "web-1: api: v1 → v2 (slot 1, port unknown)",
                "web-2: api: nothing → v2 (slot 1, port unknown)",
                "  start api, web",
            ],
        ),
        ({**PLAN, "changes": [], "acts": []}, ["nothing to do: it is live already"]),
    ],
)
def test_a_person_reads_where_what_is_live_now(record, lines):
    assert lines_of(deployed.read(record)) == lines
