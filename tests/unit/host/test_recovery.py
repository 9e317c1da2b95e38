"""Recovery goes through projects and services side by side: what is ill, slow or damaged keeps no other waiting."""

import stat
import threading

import pytest

from goferry.host import journal, recovery, slots, systemd
from goferry.host.agent import AgentSession
from goferry.host.embedded import Embedded
from goferry.host.guard import Guard
from goferry.host.nginx import Nginx
from goferry.host.provisioned import Provisioned
from goferry.host.shim import Slot
from goferry.host.traffic import TrafficActs
from goferry.kernel.errors import GoferryError
from goferry.kernel.hostfile import HostFile, Place
from goferry.kernel.machine import Transaction
from goferry.kernel.outcomes import GuardFailed

PLACES = {
    project: {name: Place(project, name, port + number, "socket") for number, name in enumerate(("api", "web"))}
    for project, port in (("shop", 8080), ("tool", 8090))
}


class Machine:
    """systemctl of a host on which nothing runs; it remembers what it was asked to start."""

    def __init__(self, states=()):
        self.started, self.states = [], dict(states)

    def run(self, words):
        if words[1] != "show":
            self.started.append(words[1:])
            return systemd.CommandResult(0, "", "")
        return systemd.CommandResult(0, f"ActiveState={self.states.get(words[-1], 'inactive')}\nMainPID=0\n", "")


@pytest.fixture
def root(tmp_path):
    """A target whose four services are live in slot 0."""
    made = Provisioned(tmp_path / "root", HostFile(projects=PLACES))
    made.prepare()
    for places in PLACES.values():
        for place in places.values():
            folder = made.service(place.project, place.service)
            folder.prepare()
            slots.write(folder, Slot(slot=0, mode="socket", guarded=True, drain_ms=1, attempt="a"))
            folder.live.symlink_to(folder.pointer(0))
    return made


def recover(root, machine):
    guard = Guard(root, systemd.Systemd(machine.run, lambda *_: None))
    return recovery.recover(root, guard, TrafficActs(root, guard, Nginx(root, guard)), lambda _: None)


def test_what_runs_or_is_tried_again_by_systemd_is_left_alone(root):
    states = {}
    for (project, name), state in {
        ("shop", "api"): "active", ("shop", "web"): "activating", ("tool", "api"): "failed", ("tool", "web"): "inactive",
    }.items():  # fmt: skip
        states[PLACES[project][name].unit(0)] = state
        states[PLACES[project][name].socket_unit(0)] = "active"
    machine = Machine(states)
    done, failed = recover(root, machine)
    assert (done, failed) == (["started api again", "started web again"], [])
    services = {words[-1] for words in machine.started if words[-1].endswith(".service")}
    assert services == {PLACES["tool"][name].unit(0) for name in ("api", "web")}
    assert all("--no-block" in words for words in machine.started)


def test_damage_of_one_service_keeps_no_other_from_being_started(root):
    damaged = root.service("shop", "api")
    damaged.slot(0).write_text("{")
    damaged.state.write_text("{")
    machine = Machine()
    done, failed = recover(root, machine)
    assert len(done) == 3
    assert [each.error.name for each in failed] == ["state-damaged"]
    assert len([words for words in machine.started if words[-1].endswith(".service")]) == 3


def test_a_damaged_memory_keeps_no_service_from_being_started_that_is_described(root):
    root.service("shop", "api").state.write_text("{")
    assert len(recover(root, Machine())[0]) == 4


def test_projects_end_their_transactions_at_the_same_time_and_one_that_fails_is_told(root, monkeypatch):
    together = threading.Barrier(2)

    def resume(engine):
        together.wait(20)  # broken when one waits for the other
        if "shop" in engine.journal.path.parts:
            raise GuardFailed("it does not end")
        engine.transaction = Transaction("one")
        return True

    for project in PLACES:
        folder = root.project(project) / ".journal"
        folder.mkdir()
        (folder / "one.jsonl").write_bytes(journal.encode({"event": "begin", "phase": "STAGING"}))
    monkeypatch.setattr(recovery, "resume", resume)
    done, failed = recover(root, Machine())
    assert "ended the unfinished transaction one" in done
    assert [(each.project, each.error.what) for each in failed] == [("shop", "it does not end")]
    assert len(done) == 5  # and all four services were started


UNREADABLE = [{"schema": 99}, {"schema": 2, "critical": {"from-tomorrow": 1}, "notes": {}}, {"schema": 2}]


@pytest.fixture(params=UNREADABLE, ids=["schema", "critical", "no transaction"])
def blocked(tmp_path, request):
    """An embedded target: of `shop` there is a journal that nobody can read, `tool` is well."""
    tmp_path.chmod(0o755)
    session = AgentSession(Embedded(tmp_path), None, {})
    session.root.prepare()
    for project in ("shop", "tool"):
        session.root.service(project, "api").prepare()
        (tmp_path / project / ".journal").mkdir()
    (tmp_path / "shop/.journal/one.jsonl").write_bytes(
        journal.encode({"event": "begin", "phase": "STAGING", **request.param})
    )
    return session


def rollback(session, project):
    with pytest.raises(GoferryError) as told:
        session.answer({"request": "rollback", "id": "two", "project": project, "services": [], "wait_ms": 1000})
    return told.value


def test_a_journal_that_nobody_can_read_blocks_its_own_project_alone(blocked):
    assert rollback(blocked, "tool").name == "nothing-to-roll-back-to"  # it came as far as that
    own = rollback(blocked, "shop")
    assert own.name in ("journal-unreadable", "critical-unknown")
    assert "shop/.journal/one.jsonl" in own.what
    assert "other projects are not touched" in own.state


def test_a_journal_that_nobody_can_read_is_told_by_status_and_keeps_nothing_from_being_ended(blocked):
    (told,) = blocked.answer({"request": "status"})["recovered"]
    assert "shop/.journal/one.jsonl" in told
    assert blocked.answer({"request": "down", "dry_run": False, "wait_ms": 1000}) == {"stopped": []}


def test_a_damaged_memory_of_one_project_keeps_no_other_from_being_ended(tmp_path):
    tmp_path.chmod(0o755)
    session = AgentSession(Embedded(tmp_path), None, {})
    session.root.prepare()
    for project in ("shop", "tool"):
        folder = session.root.service(project, "api")
        folder.prepare()
        folder.live.symlink_to(folder.pointer(0))
    session.root.service("shop", "api").state.write_text("{")
    with pytest.raises(GoferryError) as told:
        session.answer({"request": "down", "dry_run": False, "wait_ms": 1000})
    assert told.value.name == "state-damaged"
    assert not session.root.service("tool", "api").live.is_symlink()


def test_what_an_older_agent_left_open_to_all_is_closed(root):
    folder = root.service("shop", "api")
    secret = [folder.releases, folder.slots, folder.path.parent / ".journal"]
    secret[2].mkdir()
    for path in (*secret, folder.path, folder.store):
        path.chmod(0o755)
    recover(root, Machine())
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder.path, folder.store)} == {0o711}
