"""A fleet in which one host fails at any point of its course, and again while that is mended.

Whatever happens: what the record says of a host is what serves there, one version serves everywhere unless the exit
code is 6, and the same command again, once the hosts can be reached, ends at one version.
"""

import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from sampling import sample
from unit.deploy.scripted_host import Connection

from goferry import deploy
from goferry.config.settings import Settings
from goferry.deploy import _client as client, _performer as performer
from goferry.deploy._performer import Performer
from goferry.deploy._rollout_table import AskKind
from goferry.deploy._ssh_target import Fleet
from goferry.kernel.errors import FleetSplit, GoferryError
from goferry.kernel.manifest import Manifest
from goferry.observe.events import Stream

SCRIPTED = Path(__file__).parent
SOURCE = Path(__file__).resolve().parents[3] / "src"
KINDS = ("refuse", "cut-before", "cut-after", "gone-before", "gone-after")
OLD, NEW = 1, 2


class Hosts:
    """Scripted hosts `web-1`, `web-2`, … and the client that deploys to them."""

    def __init__(self, folder, count):
        self.lost, self.events = set(), []
        self.folder, self.names = folder, [f"web-{number + 1}" for number in range(count)]
        program = folder / "bin" / "ssh"
        program.parent.mkdir()
        start = f"import sys; sys.path[:0] = {[str(SOURCE), str(SCRIPTED)]!r}"
        end = f"from scripted_host import main\nsys.exit(main({str(folder)!r}))"
        program.write_text(f"#!{sys.executable} -IS\n{start}\n{end}\n")
        program.chmod(0o755)
        self.settings = Settings.from_environ({**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"})
        self.dist = folder / "dist"
        self.dist.mkdir()
        made = Manifest("shop", "m", "v2", "", NEW, "2026-01-01T00:00:00Z", (), services={"api": {"binary": "api"}})
        (self.dist / "release.json").write_bytes(made.to_bytes())
        (folder / "wanted").write_text(str(NEW))
        for name in self.names:
            self.write(name, live=OLD, previous=0, faults={}, gone=False)

    def write(self, name, **changes):
        path = self.folder / f"{name}.json"
        before = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**before, **changes}))

    def live(self, name):
        return json.loads((self.folder / f"{name}.json").read_text())["live"]

    def heard(self, name):
        return (self.folder / f"{name}.heard").read_text().split()

    def gone(self, name):
        return json.loads((self.folder / f"{name}.json").read_text())["gone"]

    def deploy(self, verb="deploy", environment=""):
        fleet = Fleet(self.names, wait=1.0, connect_timeout=2, environment=environment)
        if verb == "deploy":
            return deploy.deploy(self.dist, fleet, settings=self.settings, stream=Stream([self.events.append]))
        return deploy.rollback(fleet, project="shop", settings=self.settings, stream=Stream())

    def failed(self, verb="deploy"):
        with pytest.raises(GoferryError) as caught:
            self.deploy(verb)
        return caught.value

    def mend(self):
        for name in self.names:
            self.write(name, gone=False, faults={}, busy=0)


@pytest.fixture(autouse=True)
def in_threads(monkeypatch):
    """Have each connection be a thread of this process; `programs` has it be a process, as it is with ssh."""
    known = {"PIPE": subprocess.PIPE, "TimeoutExpired": subprocess.TimeoutExpired}
    monkeypatch.setattr(client, "subprocess", SimpleNamespace(Popen=Connection, **known))


@pytest.fixture
def programs(in_threads, monkeypatch):
    monkeypatch.setattr(client, "subprocess", subprocess)


@pytest.fixture
def hosts(tmp_path, monkeypatch):
    monkeypatch.setattr(performer, "RECHECK", 3.0)
    monkeypatch.setattr(performer, "GATE", 0.2)
    return lambda count=2: Hosts(tmp_path, count)


def judge(hosts, error):
    """What is said is what is; return the versions that serve."""
    live = {name: hosts.live(name) for name in hosts.names}
    if error is None:
        assert set(live.values()) == {NEW}
        return
    means = {"deployed": NEW, "unchanged": NEW, "rolled-back": OLD, "aborted": OLD, "failed": OLD}
    outcomes = {name: record["outcome"] for name, record in error.facts["hosts"].items()}
    for name, record in error.facts["hosts"].items():  # measured: asked of each host after the end
        told = f"{name}: " + (f"api v{live[name]}" if "serving" in record else "nobody knows: ")
        assert any(line.startswith(told) for line in error.state.splitlines()), (told, error.state)
        assert ("serving" in record) != ("unknown" in record), record
        assert "unknown" not in record or hosts.gone(name) or "status" in hosts.lost, record
        assert "serving" not in record or record["serving"]["api"]["version"] == f"v{live[name]}"
    for name, outcome in outcomes.items():
        assert outcome == "unknown" or live[name] == means[outcome], (name, outcome, live)
        assert name in error.state
    if not isinstance(error, FleetSplit):
        assert "unknown" not in outcomes.values()
        assert len(set(live.values())) == 1
    else:
        assert error.exit_code == 6
        assert "unknown" in outcomes.values() or len(set(live.values())) == 2
        assert "run the same command again" in error.advice[0]
        assert all(f"--host {name}" in error.advice[1] for name in hosts.names)


def run(hosts):
    try:
        hosts.deploy()
    except GoferryError as error:
        return error
    return None


FIRST = list(itertools.product(("hello", "upload", "prepare", "switch", "commit"), KINDS, ("web-1", "web-2")))
SECOND = [
    ("", "", ""),
    *itertools.product(("status", "rollback", "abort"), ("cut-before", "gone-after"), ("web-1", "web-2")),
]
ALWAYS = [(first, SECOND[0]) for first in FIRST if first[0] in ("switch", "commit")]
PAIRS = ALWAYS + sample([pair for pair in itertools.product(FIRST, SECOND) if pair not in ALWAYS], 8)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_wherever_a_host_fails_what_is_said_is_what_serves(hosts, first, second):
    made = hosts()
    for request, kind, name in (first, second):
        if request:
            faults = json.loads((made.folder / f"{name}.json").read_text())["faults"]
            made.write(name, faults={**faults, request: kind})
            made.lost.add(request)
    error = run(made)
    judge(made, error)
    if first[0] in ("hello", "upload", "prepare"):
        assert error.exit_code in (1, 5)
        assert {made.live(name) for name in made.names} == {OLD}
        assert not any("switch" in made.heard(name) for name in made.names)
    made.mend()
    again = run(made)
    assert again is None
    judge(made, None)


def test_a_host_lost_at_the_commit_is_told_by_name_with_what_serves_and_what_to_type(hosts):
    made = hosts()
    made.write("web-2", faults={"commit": "gone-before"})
    error = made.failed()
    assert (error.name, error.exit_code) == ("fleet-split", 6)
    assert error.state.splitlines()[0] == "web-1: deployed, v2 serves"
    assert error.state.splitlines()[1].startswith("web-2: unknown, v1 or v2 serves (")
    assert error.advice == (
        "bring all to one version: run the same command again",
        "see what serves on each:  goferry status --target ssh --host web-1 --host web-2",
    )
    assert made.live("web-1") == NEW


def test_a_host_that_comes_back_after_the_commit_was_lost_brings_the_others_back(hosts):
    made = hosts(3)
    made.write("web-3", faults={"commit": "cut-before"})
    error = made.failed()
    assert error.exit_code in (1, 5)
    assert {made.live(name) for name in made.names} == {OLD}
    heard = [["rollback", "switch", "commit", "status"]] * 2
    assert [made.heard(name)[-4:] for name in ("web-1", "web-2")] == heard
    assert "So every host serves the version before." in error.state


def test_a_commit_whose_answer_was_lost_counts_once_it_is_seen(hosts):
    made = hosts()
    made.write("web-1", faults={"commit": "cut-after"})
    record = made.deploy().as_json()
    assert {host["outcome"] for host in record["hosts"].values()} == {"deployed"}


def test_a_candidate_that_dies_in_the_bake_takes_the_others_back(hosts):
    made = hosts(3)
    made.write("web-2", faults={"switch": "refuse"})
    error = made.failed()
    assert (error.name, error.exit_code) == ("rolled-back", 4)
    assert {made.live(name) for name in made.names} == {OLD}


def test_who_bakes_is_let_go_when_another_s_candidate_is_bad(hosts, programs):
    made = hosts(3)
    made.write("web-1", bake=3600)
    made.write("web-3", bake=3600)
    made.write("web-2", faults={"switch": "refuse"})
    error = made.failed()
    assert (error.name, error.exit_code) == ("rolled-back", 4)
    assert error.what == "web-2: no switch today"
    assert {host["outcome"] for host in error.facts["hosts"].values()} == {"rolled-back"}
    assert {made.live(name) for name in made.names} == {OLD}


def test_a_host_whose_lock_is_still_held_is_waited_for(hosts):
    """Its old agent may not have noticed yet that we are gone: what serves now is not what will."""
    made = hosts()
    made.write("web-2", faults={"commit": "cut-before"}, busy=2)
    error = made.failed()
    assert not isinstance(error, FleetSplit)
    assert {made.live(name) for name in made.names} == {OLD}


def test_a_host_whose_lock_is_held_for_ever_is_unknown(hosts):
    made = hosts()
    made.write("web-2", faults={"commit": "cut-before"}, busy=1000)
    error = made.failed()
    assert error.exit_code == 6
    assert error.facts["hosts"]["web-2"]["outcome"] == "unknown"


def test_one_host_alone_is_never_split(hosts):
    made = hosts(1)
    made.write("web-1", faults={"commit": "gone-before"})
    error = made.failed()
    assert (error.name, error.exit_code) == ("host-unreachable", 5)
    assert error.state.startswith("web-1: unknown, v1 or v2 serves")
    assert error.facts["hosts"]["web-1"]["outcome"] == "unknown"


@pytest.mark.parametrize(("verb", "live"), [("deploy", OLD), ("rollback", NEW)])
def test_those_that_committed_are_brought_back_to_what_served_and_not_one_step_back(hosts, verb, live):
    made = hosts()
    for name in made.names:
        made.write(name, live=live, previous=OLD, passed=7)
    made.write("web-2", faults={"commit": "cut-before"})
    error = made.failed(verb)
    assert error.exit_code != 6
    assert [made.live(name) for name in made.names] == [live, live]


CLOSED = {"prepare": {"no_way_back": {"api": "this host takes releases; shop v1 is a snapshot"}}}


def test_that_a_host_does_not_take_back_what_serves_is_said_before_the_switch_and_when_it_divides_them(hosts):
    made = hosts()
    made.write("web-1", says=CLOSED, faults={"rollback": "refuse"})
    made.write("web-2", faults={"commit": "cut-before"})
    error = made.failed()
    assert (error.exit_code, made.live("web-1"), made.live("web-2")) == (6, NEW, OLD)
    assert error.facts["hosts"]["web-1"]["no_way_back"] == CLOSED["prepare"]["no_way_back"]
    notes = [event for event in made.events if event.kind == "note"]
    assert [(note.host, note.level) for note in notes] == [("web-1", "warning")]
    why = "once this is committed, no rollback on web-1 leads back to api v1: this host takes releases; shop v1 is a snapshot"
    assert notes[0].message == why + "; should another host fail at its commit, the hosts will serve two versions"


def test_hosts_that_serve_one_environment_are_brought_back_in_its_name(hosts):
    made = hosts()
    for name in made.names:
        made.write(name, environment="production")
    made.write("web-2", faults={"commit": "cut-before"})
    with pytest.raises(GoferryError) as told:
        made.deploy(environment="production")
    assert told.value.exit_code != 6
    assert {made.live(name) for name in made.names} == {OLD}


def test_an_agent_that_knows_no_release_to_go_back_to_is_told_before_traffic_is_touched(hosts):
    made = hosts()
    for name in made.names:
        made.write(name, live=4, previous=3)
    made.write("web-2", ignorant=True)
    fleet = Fleet(made.names, wait=1.0, connect_timeout=2)
    with pytest.raises(GoferryError) as told:
        deploy.rollback(fleet, to="v1", settings=made.settings, stream=Stream())
    assert (told.value.name, told.value.exit_code) == ("host-outdated", 2)
    assert [made.live(name) for name in made.names] == [4, 4]
    assert "switch" not in made.heard("web-1") + made.heard("web-2")
    made.write("web-2", ignorant=False)
    assert deploy.rollback(fleet, to="v1", settings=made.settings, stream=Stream()).as_json()["outcome"] == "deployed"
    assert [made.live(name) for name in made.names] == [1, 1]


def test_hosts_are_restarted_together_and_an_agent_that_knows_no_restart_is_told_before_traffic_is_touched(hosts):
    made = hosts()
    fleet = Fleet(made.names, wait=1.0, connect_timeout=2)
    made.write("web-2", ignorant=True)
    with pytest.raises(GoferryError) as told:
        deploy.restart(fleet, settings=made.settings, stream=Stream())
    assert (told.value.name, told.value.exit_code) == ("host-outdated", 2)
    assert "goferry provision HOST" in told.value.advice[0]
    assert "switch" not in made.heard("web-1") + made.heard("web-2")
    made.write("web-2", ignorant=False)
    done = deploy.restart(fleet, services=["api"], settings=made.settings, stream=Stream()).as_json()
    assert (done["version"], done["outcome"], done["unchanged"]) == ("v1", "deployed", False)
    made.write("web-1", faults={"switch": "refuse"})
    with pytest.raises(GoferryError) as told:
        deploy.restart(fleet, settings=made.settings, stream=Stream())
    assert (told.value.name, told.value.exit_code) == ("rolled-back", 4)
    assert {made.live(name) for name in made.names} == {OLD}


def test_a_rollback_that_was_split_is_not_to_be_repeated_everywhere(hosts):
    made = hosts()
    for name in made.names:
        made.write(name, live=NEW, previous=OLD)
    made.write("web-2", faults={"commit": "gone-before"})
    error = made.failed("rollback")
    assert error.exit_code == 6
    assert error.state.splitlines()[0] == "web-1: deployed, v1 serves"
    assert "goferry rollback --to v1 --target ssh --host web-1" in error.advice[0]


def interrupt(monkeypatch, at):
    """Have somebody press Ctrl-C when the first host is to be asked for it."""
    perform = Performer.perform

    def performed(self, ask, pool):
        if ask.act is at:
            raise KeyboardInterrupt
        perform(self, ask, pool)

    monkeypatch.setattr(Performer, "perform", performed)


@pytest.mark.parametrize("act", [AskKind.PREPARE, AskKind.SWITCH, AskKind.COMMIT])
def test_an_interrupt_says_what_serves_on_each_host(hosts, monkeypatch, act):
    made = hosts()
    interrupt(monkeypatch, act)
    error = made.failed()
    assert (error.name, error.exit_code) == ("interrupted", 130)
    assert error.state.splitlines() == ["Serving now:", "web-1: api v1", "web-2: api v1"]
    assert {made.live(name) for name in made.names} == {OLD}


@pytest.mark.parametrize("verb", ["deploy", "rollback"])
def test_where_no_host_was_reached_none_is_connected_to_again_to_say_that_none_was_changed(hosts, monkeypatch, verb):
    made, asked = hosts(), []
    for name in made.names:
        made.write(name, gone=True)
    monkeypatch.setattr(Fleet, "serving", lambda *_: asked.append("serving") or {})
    error = made.failed(verb)
    assert (error.name, error.exit_code) == ("host-unreachable", 5)
    assert error.state.splitlines()[-1] == "Nothing was changed on any host."
    assert not asked


def test_an_interrupt_before_any_host_answered_says_that_none_was_changed(hosts, monkeypatch):
    made = hosts()
    interrupt(monkeypatch, AskKind.CONNECT)
    error = made.failed()
    assert (error.name, error.state) == ("interrupted", "Nothing was changed on any host.")
    assert not list(made.folder.glob("*.heard"))


def _no_manifest(made, fleet):
    (made.dist / "release.json").unlink()
    return fleet


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (_no_manifest, "manifest-missing"),
        (lambda _, fleet: replace(fleet, hosts=["-oProxyCommand=x"]), "host-name-invalid"),
        (lambda made, fleet: replace(fleet, identity=made.folder / "absent"), "deploy-key-unusable"),
    ],
)
def test_what_fails_before_any_connection_says_that_no_host_was_changed(hosts, spoil, name):
    made = hosts()
    fleet = spoil(made, Fleet(made.names, wait=1.0, connect_timeout=2))
    with pytest.raises(GoferryError) as caught:
        deploy.deploy(made.dist, fleet, settings=made.settings, stream=Stream())
    assert caught.value.name == name
    assert caught.value.state.splitlines()[-1] == "Nothing was changed on any host."
    assert not list(made.folder.glob("*.heard"))


def test_a_good_end_says_what_serves_on_each_host(hosts, programs):
    record = hosts().deploy().as_json()
    assert [host["serving"]["api"]["version"] for host in record["hosts"].values()] == ["v2", "v2"]
