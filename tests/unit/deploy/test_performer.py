"""Real time in a fleet's deploy: signs of life, the first host's lock, and hosts that are looked at again."""

import pytest
from unit.deploy.test_fleet_faults import NEW, OLD, Hosts, in_threads  # noqa: F401

from goferry import deploy
from goferry.deploy import _performer as performer
from goferry.deploy._ssh_target import Fleet
from goferry.kernel.errors import GoferryError
from goferry.observe.events import Stream


@pytest.fixture
def hosts(tmp_path, monkeypatch):
    monkeypatch.setattr(performer, "PAUSE", 0.05)
    return Hosts(tmp_path, 2)


def test_who_waits_for_another_is_given_a_sign_of_life(hosts, monkeypatch):
    monkeypatch.setattr(performer, "HEARTBEAT", 0.05)
    hosts.write("web-1", bake=0.6)
    hosts.deploy()
    heard = hosts.heard("web-2")
    assert "hello" in heard[heard.index("switch") : heard.index("commit")]


@pytest.mark.parametrize("silence", ["rollback", "commit"])
def test_who_watches_is_let_go_unless_silence_commits(hosts, silence):
    hosts.write("web-1", bake=3600 if silence == "rollback" else 0.2)
    hosts.write("web-2", faults={"switch": "refuse"})
    fleet = Fleet(hosts.names, wait=1.0, connect_timeout=2, on_silence=silence)
    with pytest.raises(GoferryError) as caught:
        deploy.deploy(hosts.dist, fleet, settings=hosts.settings, stream=Stream())
    assert (caught.value.name, caught.value.what) == ("rolled-back", "web-2: no switch today")
    assert ("abort" in hosts.heard("web-1")) is (silence == "commit"), "who is let go went back by itself"
    assert {hosts.live(name) for name in hosts.names} == {OLD}


def test_a_host_that_does_not_lock_in_time_holds_nobody_up(hosts, monkeypatch):
    monkeypatch.setattr(performer, "GATE", 0.05)
    hosts.deploy()  # scripted hosts tell no progress, so the second one goes on when its time is up
    assert {hosts.live(name) for name in hosts.names} == {NEW}


def test_a_busy_host_is_asked_again_over_one_connection(hosts, monkeypatch):
    monkeypatch.setattr(performer, "RECHECK", 3.0)
    hosts.write("web-2", faults={"commit": "cut-before"}, busy=3)
    with pytest.raises(GoferryError) as caught:
        hosts.deploy()
    assert caught.value.exit_code != 6
    assert hosts.heard("web-2").count("status") >= 4


def test_a_failure_is_told_once_and_no_host_s_error_is_changed_by_it(hosts):
    """What a host said stays as it was: the fleet's error is a copy, with the fleet's story in it."""
    hosts.write("web-2", faults={"prepare": "refuse"})
    events = []
    with pytest.raises(GoferryError) as caught:
        deploy.deploy(hosts.dist, Fleet(hosts.names, wait=1.0), settings=hosts.settings, stream=Stream([events.append]))
    assert caught.value.what == "web-2: no prepare today"
    assert "web-1: aborted, v1 serves" in caught.value.state
    (line,) = [event for event in events if event.kind == "end" and event.host == "web-2"]
    assert (line.outcome, line.message) == ("host-failed", "web-2: no prepare today")
