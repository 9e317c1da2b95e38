"""Provisioning on a root of its own, with a fault or a kill at every write and every command.

After a fault all is as it was: files, modes, folders, what is enabled, what runs, and what systemd and nginx have read.
After a kill the next run makes all as it should be. The commands are simulated, the files are real ones.
"""

import base64
import errno
import grp
import hashlib
import itertools
import json
import os
import pwd
from dataclasses import replace

import pytest
from sampling import sample

from goferry.deploy.provision import (
    _as_found_on_host as as_found_on_host,
    _removal_on_host as removal_on_host,
    changes_on_host,
    on_host,
)
from goferry.deploy.provision._order_on_host import HostOrder

WRITES = ("open", "mkdir", "rmdir", "chown", "chmod", "rename", "link", "unlink", "fsync", "fchown", "fchmod")
ME = {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}
UNIT = "etc/systemd/a.socket"
BEFORE = {
    "fresh": {},
    "older": {
        "etc/goferry/host.json": ("old", 0o644), UNIT: ("old", 0o644), "etc/nginx/api.conf": ("old", 0o640),
        "etc/goferry/env/api": ("TOKEN=1", 0o644), "bin/agent": ("old agent", 0o755),
    },
}  # fmt: skip
AFTER = {
    "bin/agent": ("agent", 0o755), "etc/goferry/host.json": ("new", 0o644), UNIT: ("new", 0o644),
    "etc/nginx/api.conf": ("new", 0o644), "etc/nginx/web.conf": ("web", 0o600), "etc/goferry/env/api": ("", 0o600),
}  # fmt: skip
FOLDERS = ("etc/goferry", "etc/goferry/env", "etc/nginx", "bin")


class Fault(OSError):
    """As the test wants."""


class World:
    """The host's folder, and beside it a file with what its systemd and nginx know; both outlive a kill."""

    def __init__(self, folder):
        self.root, self.file = folder / "root", folder / "world.json"
        self.fuse, self.points, self.kill = (), 0, False
        (self.root / "etc/systemd").mkdir(parents=True)
        self.save({"enabled": [], "active": ["nginx"], "read": {}})

    def save(self, state):
        self.file.write_text(json.dumps(state))

    def state(self):
        return json.loads(self.file.read_text())

    def point(self):
        """A place where a fault or a kill may be."""
        self.points += 1
        if self.points - 1 in self.fuse:
            if self.kill:
                os._exit(9)
            raise Fault(errno.ENOSPC, "no room, as the test wants")

    def run(self, argv, timeout=0, most=0):
        state, verb, what = self.state(), argv[1], argv[-1]
        if verb == "unlisted":
            return 1, ""
        if verb.startswith("is-"):
            return (0 if what in state[{"is-enabled": "enabled", "is-active": "active"}[verb]] else 1), ""
        if verb == "checks":
            return 0, '{"checks": []}'
        try:
            self.point()
        except Fault as error:
            return 1, str(error)
        kind = {"enable": "enabled", "disable": "enabled", "start": "active", "stop": "active"}.get(verb)
        if verb in ("enable", "start"):
            state[kind] = sorted({*state[kind], what})
        elif verb in ("disable", "stop"):
            state[kind] = [each for each in state[kind] if each != what]
        elif verb == "try-restart" and not (self.root / UNIT).exists():
            return changes_on_host.NOT_FOUND, "not found"
        elif verb in ("reload", "try-restart"):
            state["read"][what] = self.files()
        self.save(state)
        try:
            self.point()
        except Fault as error:
            return 1, str(error)
        return 0, ""

    def tree(self):
        found = {}
        for path in sorted(self.root.rglob("*")):
            name, mode = str(path.relative_to(self.root)), path.stat().st_mode & 0o7777
            found[name] = ["", mode] if path.is_dir() else [path.read_text(), mode]
        return found

    def files(self):
        """What systemd and nginx see: names with a leading dot are nobody's configuration."""
        own = "etc/goferry/as-found.json"
        return {name: what for name, what in self.tree().items() if "/." not in name and name != own}

    def whole(self):
        return self.tree(), {key: value for key, value in self.state().items() if key != "read"}

    def request(self):
        entries = [{"path": str(self.root / name), "mode": 0o755, **ME} for name in FOLDERS]
        for name, (text, mode) in AFTER.items():
            content = base64.b64encode(text.encode()).decode()
            more = {"content": content, "keep": name == "etc/goferry/env/api"}
            entries.append({"path": str(self.root / name), "mode": mode, **ME, **more})
        units, proxy = str(self.root / "etc/systemd/"), str(self.root / "etc/nginx/")
        asked = {"unless": ["systemctl", "is-enabled", "a.socket"], "undo": ["systemctl", "disable", "a.socket"]}
        started = {"unless": ["systemctl", "is-active", "a.socket"], "undo": ["systemctl", "stop", "a.socket"]}
        commands = [
            {"run": ["nginx", "test", "x"], "changed": [proxy]},
            {"run": ["systemctl", "reload", "units"], "changed": [units], "again": ["systemctl", "reload", "units"]},
            {"run": ["systemctl", "try-restart", "a.socket"], "changed": [units],
             "again": ["systemctl", "try-restart", "a.socket"]},
            {"run": ["systemctl", "enable", "a.socket"], **asked},
            {"run": ["systemctl", "start", "a.socket"], **started},
            {"run": ["systemctl", "reload", "nginx"], "changed": [proxy], "again": ["systemctl", "reload", "nginx"]},
        ]  # fmt: skip
        said = {"do": "apply", "entries": entries, "commands": commands, "check": ["agent", "checks"]}
        return HostOrder.of(said)

    def right(self):
        """Everything is as it should be, and was read by whom it is for."""
        for name, (text, mode) in AFTER.items():
            kept = "TOKEN=1" if name.endswith("env/api") and self.older else text
            assert self.tree()[name] == [kept, mode]
        state = self.state()
        assert (state["enabled"], state["active"]) == (["a.socket"], ["a.socket", "nginx"])
        for reader in ("units", "nginx"):
            assert state["read"][reader] == self.files()
        assert not [name for name in self.tree() if "/.goferry." in name or name.endswith(".changing")]


class Faulty:
    """The os module, each write a place where a fault may be."""

    def __init__(self, point):
        self.point = point

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in WRITES:
            return real

        def act(*arguments, **more):
            self.point()
            return None if name == "fsync" else real(*arguments, **more)

        return act


@pytest.fixture(params=sorted(BEFORE))
def make(request, tmp_path, monkeypatch):
    """Worlds as they were before, each with the provisioning script in it."""
    numbers = itertools.count()

    def made():
        world = World(tmp_path / str(next(numbers)))
        world.older = request.param == "older"
        for name, (text, mode) in BEFORE[request.param].items():
            path = world.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(mode)
        if world.older:
            world.save({"enabled": ["a.socket"], "active": ["a.socket", "nginx"], "read": {}})
            (world.root / "etc/nginx").chmod(0o711)
        monkeypatch.setattr(changes_on_host, "NOTE", str(world.root / "etc/goferry/.changing"))
        monkeypatch.setattr(as_found_on_host, "FILE", str(world.root / "etc/goferry/as-found.json"))
        monkeypatch.setattr(changes_on_host, "os", Faulty(world.point))
        monkeypatch.setattr(on_host, "LOCK", str(tmp_path / "lock"))
        for module in (changes_on_host, on_host, removal_on_host):
            monkeypatch.setattr(module, "run", world.run)
        return world

    return made


def count(world):
    """How many places a run without a fault has."""
    answer = on_host.apply(world.request())
    world.right()
    assert on_host.apply(world.request())["unchanged"]
    assert {each for each in AFTER if str(world.root / each) not in answer["changed"]} == set()
    return world.points


def attempt(world, *fuse):
    """Provision with faults; return the failure, if there was one."""
    world.fuse = fuse
    try:
        on_host.apply(world.request())
    except on_host.ChangeFailure as error:
        return error
    finally:
        world.fuse = ()
    return None


def test_a_fault_at_any_write_or_command_leaves_what_was_there(make):
    places, faults = count(make()), 0
    for place in sample(range(places), 25):
        world = make()
        before = world.whole()
        error = attempt(world, place)
        if error:
            faults += 1
            assert world.whole() == before, (place, error.state)
            assert error.state in ("What this run had changed was brought back.", "Nothing was changed."), place
            read = [each for who, each in world.state()["read"].items() if who in ("units", "nginx")]
            assert all(each == world.files() for each in read), (place, "read what is no longer there")
        assert attempt(world) is None
        world.right()
    assert faults > 10  # a fault while the old files are dropped at the end undoes nothing


def test_a_kill_at_any_write_or_command_is_made_whole_by_the_next_run(make):
    for place in sample(range(count(make())), 25):
        world = make()
        child = os.fork()
        if not child:
            world.fuse, world.kill = [place], True
            try:
                on_host.apply(world.request())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        on_host.apply(world.request())
        world.right()


def test_a_second_fault_on_the_way_back_is_told_and_the_next_run_makes_it_whole(make):
    places, told = count(make()), 0
    pairs = [(first, first + more) for first in range(places) for more in range(1, 40, 5)]
    for first, second in sample(pairs, 40):
        world = make()
        before = world.files()
        error = attempt(world, first, second)
        if error:
            lost = error.state.startswith("Not everything")
            told += lost
            empty = {name for name in FOLDERS if name not in before}  # one may stay, with a file that is swept later
            after = {name: what for name, what in world.files().items() if name not in empty}
            assert lost or after == before, (first, second, error.state)
        assert attempt(world) is None
        world.right()
    assert told


def test_what_an_older_run_that_was_cut_short_left_is_finished(make):
    world = make()
    (world.root / "etc/goferry").mkdir(exist_ok=True)
    on_host.apply(world.request())
    (world.root / "etc/goferry/.changing").write_text(
        json.dumps([str(world.root / UNIT)])
    )  # as the one before wrote it
    (world.root / "etc/nginx/.goferry.ab_12xyz").write_text("half")
    world.save({**world.state(), "read": {"nginx": world.files()}})
    assert on_host.apply(world.request())["ran"][0] == "systemctl reload units"
    assert not (world.root / "etc/nginx/.goferry.ab_12xyz").exists()
    assert "units" in world.state()["read"]


def test_a_plan_that_was_made_from_other_files_is_refused(make):
    world = make()
    before, path = world.whole(), str(world.root / UNIT)
    seen = {path: hashlib.sha256(b"what another project's run found").hexdigest()}
    with pytest.raises(on_host.ChangeFailure, match="changed by somebody else") as told:
        on_host.apply(replace(world.request(), seen=seen))
    assert (told.value.state, world.whole()) == ("Nothing was changed.", before)


def test_two_at_once_and_a_deploy_that_goes_on_are_waited_for(make, tmp_path, monkeypatch):
    world, lock = make(), tmp_path / "deploys"
    lock.touch()
    monkeypatch.setattr(on_host, "DEPLOYS", str(lock))
    monkeypatch.setattr(on_host, "PATIENCE", 0.1)
    with open(lock) as held:
        on_host.fcntl.flock(held, on_host.fcntl.LOCK_EX)
        before = world.whole()
        error = attempt(world)
        assert (str(error), error.state) == ("a deploy is going on", "Nothing was changed.")
        assert world.whole() == before
    on_host.apply(world.request())
    world.right()


def test_what_an_agent_finds_of_many_services_is_read_whole(tmp_path):
    checks = [{"name": "port", "of": f"shop/{n}", "ok": True, "what": "x" * 500, "advice": []} for n in range(200)]
    (tmp_path / "checks.json").write_text(json.dumps({"checks": checks}) + "\n")
    assert on_host.checks(("cat", str(tmp_path / "checks.json"))) == checks


def leaving(world):
    """A request that takes everything away but what is kept."""
    gone = [{"path": str(world.root / name), "mode": 0o644, **ME, "gone": True}
            for name in ("etc/goferry/host.json", UNIT, "etc/nginx/api.conf", "bin/agent", "etc/nginx/none.conf")]  # fmt: skip
    units, proxy = str(world.root / "etc/systemd/"), str(world.root / "etc/nginx/")
    enabled = {"run": ["systemctl", "disable", "a.socket"], "undo": ["systemctl", "enable", "a.socket"]}
    stopped = {"run": ["systemctl", "stop", "a.socket"], "undo": ["systemctl", "start", "a.socket"]}
    first = [{**enabled, "unless": ["x", "unlisted"]}, {**stopped, "unless": ["x", "unlisted"]}]
    commands = [
        {"run": ["systemctl", "reload", each], "changed": [under], "again": ["systemctl", "reload", each]}
        for each, under in (("units", units), ("nginx", proxy))
    ]
    folders = [str(world.root / name) for name in ("etc/goferry/env", "etc/goferry", "bin")]
    removal = {"first": first, "leave": True, "folders": folders, "keeps": [str(world.root / "etc/goferry/env/api")]}
    return HostOrder.of({"do": "apply", "entries": gone, "commands": commands, "removal": removal})


@pytest.mark.parametrize("make", ["older"], indirect=True)
def test_a_fault_while_a_host_is_left_leaves_what_was_there_and_the_next_run_leaves_it(make):
    def left(world):
        world.fuse = ()
        answer = on_host.apply(leaving(world))
        assert answer["kept"] == [str(world.root / "etc/goferry/env/api")]
        assert set(world.tree()) == {
            "etc",
            "etc/goferry",
            "etc/goferry/env",
            "etc/goferry/env/api",
            "etc/nginx",
            "etc/systemd",
        }
        state = world.state()
        assert (state["enabled"], state["active"]) == ([], ["nginx"])
        assert set(state["read"]) >= {"units", "nginx"}

    world, faults = make(), 0
    left(world)
    for place in sample(range(world.points), 15):
        world = make()
        before, world.fuse, error = world.whole(), [place], None
        try:
            on_host.apply(leaving(world))
        except on_host.ChangeFailure as failure:
            error = failure
        if error:
            faults += 1
            assert world.whole() == before, (place, error.state)
        left(world)
    assert faults > 5
