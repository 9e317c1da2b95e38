"""Two real hosts are read while they are deployed to: logs, history, status, and metrics of what both did."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from releases import Works, fetch

from goferry.kernel.errors import GoferryError

CONFIGURATION = """\
project: PROJECT
services:
  plain: {main: ./plain, listen: {env: ADDR}, port: 8081}
environments:
  production: {target: ssh, hosts: [HOSTS]}
"""


class Reader:
    """Commands on the hosts, as a person runs them."""

    def __init__(self, works, hosts):
        where = [word for host in hosts for word in ("--host", f"127.0.0.1:{host.port}")]
        self.where = [*where, "--identity", works.deploy_key, "--known-hosts", works.folder / "known_hosts"]

    def argv(self, command, *words):
        return [sys.executable, "-m", "goferry", command, *self.where, *words]

    def run(self, command, *words, codes=(0,)):
        done = subprocess.run(self.argv(command, *words), capture_output=True, text=True, check=False, timeout=100)
        assert done.returncode in codes, done.stderr
        return done.stdout

    def json(self, command, *words):
        return json.loads(self.run(command, *words, "--json"))

    def lines(self, *words, codes=(0,)):
        found = [json.loads(line) for line in self.run("logs", *words, "--json", codes=codes).splitlines()]
        return [line for line in found if "ok" not in line]


def unit(host):
    return host.run("systemctl list-units -q --plain 'goferry-shop-plain@*.service' --state=running").split()[0]


class Follower:
    """`goferry logs -f`, and what it has printed."""

    def __init__(self, reader):
        self.lines = []
        environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
        words = reader.argv("logs", "-f", "--lines", "0", "--json")
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def hosts(self, text):
        """Return the hosts that wrote a line, each as often as it did."""
        return sorted(line["host"] for line in self.lines if line["line"] == text)

    def wait(self, text, times):
        deadline = time.monotonic() + 30
        while len(self.hosts(text)) < times:
            assert time.monotonic() < deadline, self.lines
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.05)
        return self.hosts(text)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(20)
        self.thread.join(5)
        with self.process.stdout, self.process.stderr as complaints:
            return code, complaints.read()


def test_two_hosts_are_read_while_they_are_deployed_to(tmp_path, part, systemd_hosts):
    works = Works(tmp_path, part("go"))
    works.configuration = CONFIGURATION
    hosts = [systemd_hosts(), systemd_hosts()]
    names = sorted(f"127.0.0.1:{host.port}" for host in hosts)
    works.provision(*hosts)
    reader = Reader(works, hosts)
    works.deploy(works.release("v1.0.0", ("plain",), date="2026-01-01T00:00:00Z"), *hosts)

    follower = Follower(reader)
    follower_began = time.monotonic()
    while not hosts[0].run("ls /var/lib/goferry/.goferry/sessions", check=False):
        assert time.monotonic() < follower_began + 20
    works.deploy(works.release("v1.1.0", ("plain",), date="2026-01-01T00:00:00Z"), *hosts)
    assert follower.wait("serving v1.1.0", 2) == names
    hosts[0].run(f"systemctl kill --signal=KILL {unit(hosts[0])}")
    follower.wait("serving v1.1.0", 3)
    assert follower.stop() == (130, "")
    assert {line["version"] for line in follower.lines if "v1.1.0" in line["line"]} == {"v1.1.0"}
    assert follower.hosts("serving v1.0.0") == []

    with pytest.raises(GoferryError) as crashed:
        works.deploy(works.release("v1.2.0", ("plain",), fault="crash"), *hosts)
    assert crashed.value.name == "candidate-crashed"
    # On the other host it may have been given up before it was started there.
    failed = reader.lines("--version", "v1.2.0", codes=(0, 1))
    own = {line["line"] for line in failed if not line["line"].startswith("goferry: ")}  # which refuses a second start
    assert own == {"panic: no database"}
    live = reader.lines()
    assert [line["time"] for line in live] == sorted(line["time"] for line in live)
    assert [line["line"] for line in live].count("serving v1.1.0") == 3
    assert reader.lines("--since", "2000-01-01", "--version", "v1.0.0", "plain")[0]["line"] == "serving v1.0.0"
    assert len(reader.lines("--lines", "1")) == 2

    held = reader.json("status", "--details")["hosts"][names[0]]["details"]
    plain = held["services"]["plain"]
    assert [each["version"] for each in plain["versions"]] == ["v1.1.0", "v1.0.0"]
    assert (plain["data"] is not None, held["journal"] > 0, held["free"] > 0) == (True, True, True)
    counts = {
        reader.json("status", "--details")["hosts"][name]["details"]["services"]["plain"]["restarts"] for name in names
    }
    assert counts == {0, 1}

    works.rollback(*hosts)
    assert fetch(hosts[1], 8081).startswith("v1.0.0")
    done = reader.json("history")["deploys"]
    first = [each for each in done if each["host"] == names[0]]
    assert [(each["kind"], each["outcome"]) for each in first] == [
        ("rollback", "committed"), ("deploy", "aborted"), ("deploy", "committed"), ("deploy", "committed")
    ]  # fmt: skip
    assert len({each["trace"] for each in done}) == 4
    assert first[-1]["committed_at"] == "2026-01-01T00:00:00Z"
    assert first[-1]["seconds"] > 0
    shown = subprocess.run(["ssh-keygen", "-lf", works.deploy_key], capture_output=True, text=True, check=True).stdout
    assert {each["key"] for each in done} == {shown.split()[1]}

    # Each deploy of the two hosts counts once.
    figures = reader.json("metrics")["projects"]["shop"]
    assert figures["deploys"] == {"committed": 2, "rolled_back": 0, "aborted": 1, "rollbacks": 1}
    assert (figures["failed"], figures["change_failure_rate"]) == (1, 0.5)
    assert figures["lead_time_seconds"]["count"] == 2
    assert 0 < figures["recovery_time_seconds"]["median"] < 300
    assert [each["hosts"] for each in figures["recent"]] == [2, 2, 2]

    # A host that is gone hides nothing of the other.
    hosts[1].run("systemctl stop goferry-agent.socket 'goferry-agent@*.service'")
    words = reader.argv("logs", "--json")
    partly = subprocess.run(words, capture_output=True, text=True, check=False, timeout=100)
    lines = [json.loads(line) for line in partly.stdout.splitlines()]
    assert partly.returncode == 5
    assert lines[-1]["ok"] is False
    assert {line["host"] for line in lines[:-1]} == {f"127.0.0.1:{hosts[0].port}"}
