"""The systemd driver and the nginx switch over a simulated systemd, with a crash before and after each journal line.

The units are simulated; their processes are real ones (a copy of `sleep`), so identity is proven by the real code. A
power cut ends them all. After recovery one version serves, and recovering again changes nothing.
"""

import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from goferry.host import agent, control, journal, public, slots, state, systemd, target
from goferry.host.engine import Engine, rolled_back
from goferry.host.guard import Guard
from goferry.host.layout import Root
from goferry.host.nginx import Nginx
from goferry.host.store import Admitted, Store
from goferry.kernel import canonical, files, machine
from goferry.kernel.hostfile import HostFile, Place
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.manifest import File, Manifest
from goferry.kernel.outcomes import CandidateCrashed, CandidateUnhealthy, GuardFailed

PLACE = Place("shop", "api", 8080, "socket")
HOST = HostFile(projects={"shop": {"api": PLACE}})
LINES = ["begin", "staged", "started", "proven", "switch", "pointed", "routed", "baked", "commit", "retired", "settled"]


class Crash(BaseException):
    """The agent is gone."""


class Machine:
    """systemctl and journalctl of a host whose units run `store/<digest> 1000`."""

    def __init__(self, root):
        self.root, self.processes, self.sockets, self.calls, self.failing = root, {}, set(), [], set()
        self.declared, self.tell = {}, lambda _: None
        self.leaves = {}
        self.journal, self.invocations = [], {}
        self.closed = ""

    def run(self, words):
        self.calls.append(words)
        assert all(isinstance(word, str) for word in words)
        verb, units = words[1], words[words.index("--") + 1 :] if "--" in words else []
        out = "".join(getattr(self, verb.replace("-", "_"))(unit) or "" for unit in units) if units else "a line\n"
        return systemd.Said(0, out, "")

    def put(self, path, data):
        self.leaves[path] = data

    def stream(self, words):
        """What journalctl would write of the unit: entries of the time that is asked for, the last ones of them."""
        (unit,) = [word[14:] for word in words if word.startswith("_SYSTEMD_UNIT=")]
        since = [float(word[9:]) for word in words if word.startswith("--since=@")]
        wanted = [word[23:] for word in words if word.startswith("_SYSTEMD_INVOCATION_ID=")]
        found = [entry for entry in self.journal if entry["unit"] == unit]
        found = [entry for entry in found if not since or int(entry["__REALTIME_TIMESTAMP"]) >= since[0] * 1e6]
        found = [entry for entry in found if not wanted or entry["_SYSTEMD_INVOCATION_ID"] in wanted]
        lines = [int(word[8:]) for word in words if word.startswith("--lines=")]
        return [json.dumps(entry).encode() + b"\n" for entry in found[-lines[0] if lines else 0 :]]

    def write(self, unit, message):
        """Have what runs in a unit write a line."""
        stamp, invocation = str(time.time_ns() // 1000), self.invocations.get(unit, "")
        entry = {"MESSAGE": message, "__REALTIME_TIMESTAMP": stamp, "_SYSTEMD_INVOCATION_ID": invocation}
        self.journal.append({**entry, "unit": unit})

    def start(self, unit):
        if unit.endswith(".socket"):
            self.sockets.add(unit)
        elif unit not in self.processes:
            folder = self.root.service("shop", "api")
            slot = slots.read(folder, int(unit[-9]))
            path = folder.blob(slot["sha256"])
            self.processes[unit] = subprocess.Popen([path, "1000"])
            self.invocations[unit] = os.urandom(16).hex()
            self.write(unit, "starting " + slot["version"])
            while os.readlink(f"/proc/{self.processes[unit].pid}/exe") != str(path.resolve()):
                time.sleep(0.001)

    def stop(self, unit):
        self.sockets.discard(unit)
        self.kill(unit)
        self.failing.discard(unit)

    def kill(self, unit):
        process = self.processes.pop(unit, None)
        if process:
            process.kill()
            process.wait()

    def reset_failed(self, unit):
        self.failing.discard(unit)

    def show(self, unit):
        if unit.endswith(".socket"):
            return "ActiveState=%s\n" % ("active" if unit in self.sockets else "inactive")
        if unit in self.failing:
            return "ActiveState=failed\nSubState=failed\nResult=exit-code\nMainPID=0\nNRestarts=1\nExecMainStatus=77\n"
        process = self.processes.get(unit)
        state = "active\nSubState=running" if process else "inactive\nSubState=dead"
        state += f"\nInvocationID={self.invocations.get(unit, '')}"
        return f"ActiveState={state}\nResult=success\nMainPID={process.pid if process else 0}\nNRestarts=0\n"

    def power_cut(self):
        for unit in list(self.processes):
            self.kill(unit)
        self.sockets.clear()

    def answer(self, path):
        """What the service behind a socket, or a link to one, says."""
        place = os.readlink(path) if str(path).endswith("live.sock") else str(path)
        unit = PLACE.unit(int(Path(place).stem))
        if unit not in self.processes or PLACE.socket_unit(int(Path(place).stem)) not in self.sockets:
            raise ConnectionRefusedError(place)
        slot = slots.read(self.root.service("shop", "api"), int(Path(place).stem))
        return {
            "http": 200, "pid": self.processes[unit].pid, "version": slot["version"], "digest": slot["sha256"],
        }  # fmt: skip

    def look(self):
        """What comes of asking nginx, which follows the link."""
        try:
            answer = self.answer(self.root.service("shop", "api").live)
            return public.Finding(self.closed and public.FRONT, self.closed, body=canonical.dumps(answer))
        except OSError as error:
            return public.Finding(public.SERVICE, str(error))

    def serving(self):
        try:
            return self.answer(self.root.service("shop", "api").live)["version"]
        except (OSError, FileNotFoundError):
            return ""


@pytest.fixture
def host(tmp_path, monkeypatch):
    made = Machine(Root(tmp_path / "root", HOST))
    made.dist = tmp_path / "dist"
    made.dist.mkdir()
    made.programs = {}
    for number in (1, 2):
        path = made.dist / f"api-{number}"
        shutil.copy(shutil.which("sleep"), path)
        with path.open("ab") as file:
            file.write(b"v%d" % number)
        made.programs[f"v{number}"] = files.sha256_file(path)
    monkeypatch.setattr(control, "health", lambda path, *_: made.answer(path))
    monkeypatch.setattr(control, "ask", lambda path, *_: (made.answer(path)["http"], b"{}"))
    monkeypatch.setattr(target, "Systemd", lambda: systemd.Systemd(made.run, made.stream, made.put))
    monkeypatch.setattr(public.Public, "look", lambda _, __, ___, ____: made.look())
    yield made
    made.power_cut()


def parts(host):
    guard = Guard(host.root, systemd.Systemd(host.run, host.stream, host.put))
    return guard, Nginx(host.root, guard)


def wanted(host, kind, version, old):
    live = slots.live(host.root.service("shop", "api"))
    change = Change(
        "api", "socket", 1 - live if live >= 0 else 0, live, int(version[1:]), version, host.programs[version],
        old_version=old, old_sequence=int(old[1:] or 0), old_sha256=host.programs.get(old, ""), port=8080,
        source=f"api-{version[1:]}",
    )  # fmt: skip
    return Transaction(f"{kind}-{version}", kind, "shop", "rollback", "d" * 64, (change,))


def engine(host, version, **declared):
    file = File(f"api-{version[1:]}", 1, host.programs[version], "binary", "linux", "amd64", "", {"program": "api"})
    api = {"binary": "api", "listen": {"socket": True}, "bake_ms": 1, "drain_ms": 1, **host.declared, **declared}
    created = "2026-01-01T00:00:00Z"
    release = Manifest("shop", "m", version, "", int(version[1:]), created, (file,), services={"api": api})
    guard, host.switch = parts(host)
    host.root.prepare()
    name = f"{len(list(host.root.path.rglob('*.jsonl')))}.jsonl"
    return Engine(
        journal.Journal(host.root.project("shop") / ".journal" / name),
        Store(host.root, host.dist, Admitted(release, {}, 1_767_225_600)),
        guard,
        host.switch,
        host.tell,
    )


def change(host, kind, version, old):
    made = engine(host, version)
    made.begin(wanted(host, kind, version, old))
    for event in ("switch", "commit"):
        if machine.waits(made.transaction) and made.transaction.phase != machine.IDLE:
            made.advance(event)
    return made


def recover(host):
    session = agent.Session(host.root, None, {})
    session.take_lock(1)
    done, _ = session.recovery()
    session._held.close()
    return done


def test_a_deploy_starts_socket_then_service_and_ends_the_version_before(host):
    assert change(host, "deploy", "v1", "").failure is None
    assert change(host, "deploy", "v2", "v1").failure is None
    assert host.serving() == "v2"
    starts = [words[3:] for words in host.calls if words[:2] == ["systemctl", "start"]]
    assert starts == [[PLACE.socket_unit(0)], [PLACE.unit(0)], [PLACE.socket_unit(1)], [PLACE.unit(1)]]
    assert set(host.processes) == {PLACE.unit(1)}
    assert host.sockets == {PLACE.socket_unit(1)}


def test_a_candidate_that_systemd_gave_up_on_has_crashed(host):
    change(host, "deploy", "v1", "")
    host.failing.add(PLACE.unit(1))
    start, host.start = host.start, lambda unit: start(unit) or host.failing.add(PLACE.unit(1))
    made = change(host, "deploy", "v2", "v1")
    assert isinstance(made.failure, CandidateCrashed)
    assert "started 2 times" in made.failure.what
    assert host.serving() == "v1"


def test_the_version_before_stays_warm_through_the_bake(host):
    change(host, "deploy", "v1", "")
    made = engine(host, "v2")
    made.begin(wanted(host, "deploy", "v2", "v1"))
    before = host.processes[PLACE.unit(0)].pid
    made.advance("switch")
    assert (host.serving(), host.processes[PLACE.unit(0)].pid) == ("v2", before)
    made.advance("abort")
    assert (host.serving(), host.processes[PLACE.unit(0)].pid) == ("v1", before)
    assert set(host.processes) == {PLACE.unit(0)}


def test_whom_nobody_reaches_goes_back_and_what_is_told_is_true(host):
    change(host, "deploy", "v1", "")
    host.closed = "nginx is not running"
    made = engine(host, "v2")
    made.begin(wanted(host, "deploy", "v2", "v1"))
    made.advance("switch")
    assert (made.transaction.phase, made.failure.name) == (machine.IDLE, "public-address-unreachable")
    assert "nginx is not running" in made.failure.what
    assert host.serving() == "v1"
    told = rolled_back(made, made.failure, "--host HOST", host.switch.unreached)
    assert told.exit_code == 4
    assert told.state.startswith("api v1 is live again, and nobody is served:\n  api: nginx is not running")
    assert state.read(host.root.service("shop", "api"))["live"]["version"] == "v1"


def test_an_address_that_is_lost_in_the_bake_is_found_before_the_commit(host):
    change(host, "deploy", "v1", "")
    made = engine(host, "v2")
    watch = made.guard.watch
    made.guard.watch = lambda transaction: watch(transaction) or setattr(host, "closed", "its file is gone")
    made.begin(wanted(host, "deploy", "v2", "v1"))
    made.advance("switch")
    assert (made.transaction.phase, made.failure.name) == (machine.IDLE, "public-address-unreachable")
    assert host.serving() == "v1"


@pytest.mark.parametrize("how", ["dead", "ill"])
@pytest.mark.parametrize("event", ["switch", "commit"])
def test_a_candidate_is_looked_at_once_more_when_the_client_goes_on(host, event, how):
    change(host, "deploy", "v1", "")
    made = engine(host, "v2")
    made.begin(wanted(host, "deploy", "v2", "v1"))
    if event == "commit":
        made.advance("switch")
    if how == "dead":
        host.kill(PLACE.unit(1))
    else:
        host.sockets.discard(PLACE.socket_unit(1))
    made.advance(event)
    assert (made.transaction.phase, host.serving()) == (machine.IDLE, "v1")
    assert isinstance(made.failure, CandidateCrashed if how == "dead" else CandidateUnhealthy)
    assert state.read(host.root.service("shop", "api"))["live"]["version"] == "v1"


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power cut"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("kind", ["first", "deploy", "rollback"])
def test_killed_at_each_journal_line_one_version_serves(host, monkeypatch, kind, line, when, power):
    versions = {"first": ("", "v1"), "deploy": ("v1", "v2"), "rollback": ("v2", "v1")}
    old, new = versions[kind]
    if old:
        change(host, "deploy", "v1", "")
    if kind == "rollback":
        change(host, "deploy", "v2", "v1")
    append = journal.Journal.append

    def killing(self, record):
        if record["event"] == line and when == "before":
            raise Crash
        append(self, record)
        if record["event"] == line:
            raise Crash

    monkeypatch.setattr(journal.Journal, "append", killing)
    with pytest.raises(Crash):
        change(host, "rollback" if kind == "rollback" else "deploy", new, old)
    monkeypatch.setattr(journal.Journal, "append", append)
    if power:
        host.power_cut()
    recover(host)
    committed = line in ("retired", "settled") or (line, when) == ("commit", "after")
    assert host.serving() == (new if committed else old)
    assert len(host.processes) == len(host.sockets) == (1 if host.serving() else 0)
    folder = host.root.service("shop", "api")
    if host.serving():
        assert state.read(folder)["live"]["version"] == host.serving()
    before = {unit: process.pid for unit, process in host.processes.items()}
    assert recover(host) == []
    assert {unit: process.pid for unit, process in host.processes.items()} == before


@pytest.mark.parametrize("data", [b"", b"{torn", None])
@pytest.mark.parametrize("power", [False, True], ids=["running", "power cut"])
def test_a_damaged_slot_is_described_again_by_what_is_stored(host, data, power):
    change(host, "deploy", "v1", "")
    change(host, "deploy", "v2", "v1")
    path = host.root.service("shop", "api").slot(1)
    before = slots.read(host.root.service("shop", "api"), 1)
    path.unlink() if data is None else path.write_bytes(data)
    pid = host.processes[PLACE.unit(1)].pid
    if power:
        host.power_cut()
    recover(host)
    assert host.serving() == "v2"
    assert (host.processes[PLACE.unit(1)].pid == pid) is not power
    after = slots.read(host.root.service("shop", "api"), 1)
    assert {**after, "attempt": ""} == {**before, "attempt": ""}
    shutil.rmtree(host.root.service("shop", "api").releases)
    path.unlink()
    recover(host)  # nothing is known of it any more: that keeps no other service from its recovery


def test_what_was_not_provisioned_is_left_alone(host):
    (host.root.path / "shop" / "other" / "slots").mkdir(parents=True)
    assert [folder.name for folder in host.root.services()] == []
    with contextlib.suppress(FileNotFoundError):
        assert slots.live(host.root.service("shop", "other")) == -1


def shown(host, number):
    """The log's lines without their times, which are well-formed."""
    driver = systemd.Systemd(host.run, host.stream, host.put)
    lines = driver.tail(host.root.service("shop", "api"), number, 50)
    assert [line for line in lines if not re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z .*", line)] == []
    return [line.split(" ", 1)[1] for line in lines]


def test_a_log_is_the_slot_s_own_version_s_with_times_and_its_restarts(host):
    change(host, "deploy", "v1", "")
    host.write(PLACE.unit(0), "of v1")
    change(host, "deploy", "v2", "v1")
    host.write(PLACE.unit(0), "late: it was still in the pipe")
    change(host, "rollback", "v1", "v2")
    assert shown(host, 0) == ["starting v1"]
    host.kill(PLACE.unit(0))
    host.write(PLACE.unit(0), [27, 91, 255, 10, 98])
    host.start(PLACE.unit(0))
    assert shown(host, 0) == ["starting v1", "\x1b[\ufffd", "b", "starting v1"]
    assert (
        systemd.Systemd(host.run, host.stream, host.put)
        .head(host.root.service("shop", "api"), 0, 1)[0]
        .endswith("starting v1")
    )


def test_a_slot_that_an_older_agent_started_shows_its_invocation_alone(host):
    change(host, "deploy", "v1", "")
    folder = host.root.service("shop", "api")
    folder.since(0).unlink()
    host.journal.insert(0, {**host.journal[0], "_SYSTEMD_INVOCATION_ID": "0" * 32, "MESSAGE": "another version's"})
    assert shown(host, 0) == ["starting v1"]
    assert "--since" not in systemd.Systemd(host.run, host.stream, host.put).log(folder, 0)
    slots.clear(folder, 0)
    host.invocations.clear()
    assert shown(host, 0) == []


def test_an_error_shows_a_log_s_first_and_last_lines_and_no_other_version_s(host):
    change(host, "deploy", "v1", "")
    change(host, "deploy", "v2", "v1")
    start, written = host.start, ["".join(each) for each in itertools.product("abcdef", repeat=3)][:200]

    def crashing(unit):
        start(unit)
        for line in written:  # lines that differ in their figures alone would be told once
            host.write(unit, line)
        host.failing.add(unit)

    host.start = crashing
    failure = change(host, "deploy", "v1", "v2").failure
    lines = [line.split(" ", 3)[-1] for line in failure.state.splitlines()]
    assert lines[1:] == ["starting v1", *written[:11], "…", *written[-12:]]
    assert "journalctl --unit goferry-shop-api@0.service --since=@" in failure.state


def test_a_journal_that_can_t_be_read_hides_no_failure(host):
    def broken(_words):
        raise GuardFailed("journalctl: none here")

    change(host, "deploy", "v1", "")
    host.stream = broken
    start, host.start = host.start, lambda unit: start(unit) or host.failing.add(PLACE.unit(1))
    failure = change(host, "deploy", "v2", "v1").failure
    assert isinstance(failure, CandidateCrashed)
    assert "it can't be read: journalctl: none here" in failure.state


def test_what_a_program_writes_is_read_as_far_as_it_is_wanted():
    endless = systemd.stream(["sh", "-c", "while :; do echo line; done"])
    assert [next(endless) for _ in range(3)] == [b"line\n"] * 3
    endless.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(systemd, "SECONDS", 0.3)
        assert list(systemd.stream(["sh", "-c", "echo one; while :; do :; done"])) == [b"one\n"]
    with pytest.raises(GuardFailed):
        next(systemd.stream(["/nonexistent"]))
