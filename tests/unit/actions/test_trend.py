"""The trend of deploys in a job's summary: from what the hosts say, and never the reason that a deploy fails."""

import contextlib
import time
from types import SimpleNamespace

import pytest

from goferry.actions import service
from goferry.deploy.deployment import Foreseen
from goferry.deploy.errors import HostUnreachable
from goferry.observe import summary
from goferry.observe.record import Run, RunTrend


class Host:
    def __init__(self, error=None):
        self.error = error

    @contextlib.contextmanager
    def source(self):
        yield self

    def ask(self, *_args, **_fields):
        if self.error:
            raise self.error
        now = int(time.time() * 1000)
        deploys = [
            {"number": n, "id": f"t{n}", "kind": "deploy", "project": project, "outcome": outcome, "ended": now - 1000}
            for n, project, outcome in ((3, "shop", "committed"), (2, "shop", "rolled-back"), (1, "blog", "committed"))
        ]
        return {"deploys": deploys, "more": False}


class Job(SimpleNamespace):
    def say(self, *lines):
        self.told += lines


def trend(*hosts, found=None):
    job = Job(settings=None, told=[])
    sources = {f"web-{number}": host.source for number, host in enumerate(hosts)}
    where = SimpleNamespace(target=SimpleNamespace(sources=lambda _: sources))
    return service.trend(job, where, found or SimpleNamespace(project="shop")), job.told


def test_the_project_s_own_figures_are_shown():
    found, told = trend(Host())
    assert (found.recent, found.failure_rate, found.window, told) == ("✗✓", "50% (1 of 2)", "30 days", [])


def test_a_host_that_cannot_say_fails_no_deploy():
    found, told = trend(Host(), Host(HostUnreachable("no route")))
    assert (found, told) == (None, ["how deploys do is not shown: host-unreachable"])


def test_a_defect_in_reading_fails_no_deploy(monkeypatch):
    assert trend(Host(ZeroDivisionError())) == (None, ["how deploys do is not shown: ZeroDivisionError"])
    monkeypatch.setattr(service.run_summary, "of_trend", lambda _: {}["missing"])
    assert trend(Host()) == (None, ["how deploys do is not shown: KeyError"])


def test_a_dry_run_has_no_trend():
    assert trend(Host(HostUnreachable("asked")), found=Foreseen({})) == (None, [])


@pytest.mark.parametrize("text", ["| <script>", "`x`\x1b"])
def test_the_summary_shows_it_and_escapes_it(text):
    shown = summary.render(Run(sentence="Done", trend=RunTrend("30 days", "✓✗", text, text, text, text)))
    assert "### Deploys of the last 30 days" in shown
    assert "✓✗" in shown
    assert "<script" not in shown
    assert "\x1b" not in shown


def test_a_trend_is_what_the_table_says():
    found, _ = trend(Host())
    assert summary.render(Run(sentence="Done", trend=found)).splitlines()[4:] == [
        "| the last deploys | frequency | lead time | change failure rate | recovery time |",
        "| --- | --- | --- | --- | --- |",
        "| ✗✓ | 1 (0.2 a week) | not known | 50% (1 of 2) | nothing to recover from |",
    ]
