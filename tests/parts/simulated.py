"""A simulated systemd and nginx below the real agent's code: units, journal and links of one service on a host.

A fake. The units' processes are real ones (a copy of `sleep`), so identity is proven by the real code.
"""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from goferry.host import agent, control, journal, public, slots, systemd
from goferry.host.engine import Engine
from goferry.host.provisioned import Provisioned
from goferry.host.store import Admitted, Store
from goferry.host.traffic import TrafficActs
from goferry.kernel import canonical, envfile, files, machine
from goferry.kernel.hostfile import HostFile, Place
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.manifest import File, Manifest

PLACE = Place("shop", "api", 8080, "socket")
HOST = HostFile(projects={"shop": {"api": PLACE}})


class Machine:
    """systemctl and journalctl of a host whose units run `store/<digest> 1000`."""

    def __init__(self, root):
        self.root, self.processes, self.sockets, self.calls, self.failing = root, {}, set(), [], set()
        self.declared, self.on_progress = {}, lambda _: None
        self.leaves = {}
        self.journal, self.invocations = [], {}
        self.closed = ""
        self.values = {}

    def run(self, words):
        self.calls.append(words)
        assert all(isinstance(word, str) for word in words)
        verb, units = words[1], words[words.index("--") + 1 :] if "--" in words else []
        out = "".join(getattr(self, verb.replace("-", "_"))(unit) or "" for unit in units) if units else "a line\n"
        return systemd.CommandResult(0, out, "")

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
            path = folder.blob(slot.sha256)
            self.processes[unit] = subprocess.Popen([path, "1000"])
            copy = folder.environment(slot.slot)
            self.values[unit] = envfile.values(copy.read_bytes()) if copy.exists() else None
            self.invocations[unit] = os.urandom(16).hex()
            self.write(unit, "starting " + slot.version)
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
        return control.Health(200, pid=self.processes[unit].pid, version=slot.version, digest=slot.sha256)

    def look(self):
        """What comes of asking nginx, which follows the link."""
        try:
            answer = self.answer(self.root.service("shop", "api").live)
            return public.Finding(self.closed and public.FRONT, self.closed, body=canonical.dumps(answer._asdict()))
        except OSError as error:
            return public.Finding(public.SERVICE, str(error))

    def given(self):
        """The values that what serves was started with."""
        place = os.readlink(self.root.service("shop", "api").live)
        return self.values[PLACE.unit(int(Path(place).stem))]

    def serving(self):
        try:
            return self.answer(self.root.service("shop", "api").live).version
        except (OSError, FileNotFoundError):
            return ""


@pytest.fixture
def host(tmp_path, monkeypatch):
    made = Machine(Provisioned(tmp_path / "root", HOST, guards={"systemd": lambda *_: driver(made)}))
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
    monkeypatch.setattr(control, "ask", lambda path, *_: (made.answer(path).http, b"{}"))
    monkeypatch.setattr(public.PublicAddress, "check", lambda _, __, ___, ____: made.look())
    yield made
    made.power_cut()


def driver(host):
    return systemd.Systemd(host.run, host.stream, host.put)


def parts(host):
    guard = host.root.guard({}, lambda: False)
    return guard, TrafficActs(host.root, guard, host.root.switch(guard))


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
        host.on_progress,
    )


def change(host, kind, version, old):
    made = engine(host, version)
    made.begin(wanted(host, kind, version, old))
    for event in ("switch", "commit"):
        if machine.waits(made.transaction) and made.transaction.phase != machine.IDLE:
            made.advance(event)
    return made


def recover(host):
    session = agent.AgentSession(host.root, None, {})
    session.take_lock(1)
    done, _ = session.recovery()
    session._held.close()
    return done
