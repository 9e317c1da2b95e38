"""A deploy to a host over ssh: `goferry deploy` beside ansible-core and pyinfra, on real sshd, systemd and nginx.

Each round brings a new binary of 11 MB to one host and waits until the new version answers through nginx. Ours signs
it before, verifies it on the host, and puts it beside the one that serves; the peers copy it, rename a link, restart
the unit and ask for its health, without verifying anything. The bake is left out (`bake: 0s`), as the peers have none.
ansible-core pipelines and keeps its ssh connection (ControlPersist); pyinfra keeps one for each run.

The host is a container, as in the tests; the peers are installed into a virtual environment of their own, by
requirements/peers.txt. Wall is the clock, the median of rounds in which all take turns.

    benchmarks/deploy.py [--rounds N] [--services N] [--only WORD]
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "parts"))

import hosts  # type: ignore[import-not-found]  # noqa: E402
import releases  # type: ignore[import-not-found]  # noqa: E402

GOFERRY = Path(sys.executable).with_name("goferry")
PORT, PEERS_PORT = 8080, 8081
MAIN = """package main

import (
	_ "embed"
	"fmt"
	"net/http"
	"os"
)

//go:embed ballast
var ballast string

var version string

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, version, len(ballast)) })
	panic(http.ListenAndServe(os.Getenv("ADDR"), nil))
}
"""
BALLAST = 6 << 20
"""Bytes that nothing compresses; with Go's own the binary has 11 MB."""
UNIT = """[Service]
Environment=ADDR=127.0.0.1:9000
ExecStart=/opt/app/current
Restart=always
DynamicUser=yes
"""
SITE = """server { listen 8081; location / { proxy_pass http://127.0.0.1:9000; } }
"""
PLAYBOOK = """- hosts: all
  gather_facts: false
  tasks:
    - copy: {src: "{{ binary }}", dest: "/opt/app/{{ version }}", mode: "0755"}
    - file: {src: "/opt/app/{{ version }}", dest: /opt/app/current, state: link}
    - systemd: {name: app.service, state: restarted}
    - uri: {url: "http://127.0.0.1:8081/", return_content: true}
      register: answer
      until: answer.status == 200 and version in answer.content
      retries: 100
      delay: 0.1
"""
OPERATIONS = """import os

from pyinfra.operations import files, server, systemd

version = os.environ["BENCH_VERSION"]
files.put(src=os.environ["BENCH_BINARY"], dest=f"/opt/app/{version}", mode="755")
files.link(path="/opt/app/current", target=f"/opt/app/{version}")
systemd.service(service="app.service", restarted=True)
server.shell(commands=[
    f"for i in $(seq 100); do curl -sf http://127.0.0.1:8081/ | grep -q {version} && exit 0; sleep 0.1; done; exit 1"
])
"""


class Bench:
    """One host that ours and the peers deploy to, and a new binary for each round."""

    def __init__(self, folder: Path, host: hosts.Host, idle: int) -> None:
        self.folder, self.host, self.count = folder, host, 0
        go = shutil.which("go")
        assert go, "go is missing"
        releases.QUICK = {"ready_within_ms": 15_000, "bake_ms": 0, "drain_ms": 10_000}
        self.works = releases.Works(folder, go)
        self.source = folder / "service"
        self.source.mkdir()
        (self.source / "go.mod").write_text("module example.com/plain\n\ngo 1.25\n")
        (self.source / "main.go").write_text(MAIN)
        (self.source / "ballast").write_bytes(os.urandom(BALLAST))
        self.idle = [f"idle{number}" for number in range(idle)]
        for name in ("plain", *self.idle):
            self.works.sources[name] = (self.source, ".")
        lines = [f"  plain: {{main: ., listen: {{env: ADDR}}, port: {PORT}}}"]
        lines += [
            f"  {name}: {{main: ., listen: {{env: ADDR}}, port: {9100 + at}}}" for at, name in enumerate(self.idle)
        ]
        self.works.configuration = "project: shop\nservices:\n" + "\n".join(lines) + "\n"
        self.works.provision(host)
        self.peers = folder / "peers"
        self._set_up_peers()

    def _set_up_peers(self) -> None:
        self.peers.mkdir()
        subprocess.run([sys.executable, "-m", "venv", self.peers / "venv"], check=True)
        locked = ["--require-hashes", "--no-deps", "-r", str(ROOT / "requirements" / "peers.txt")]
        subprocess.run([self.peers / "venv/bin/pip", "install", "-q", *locked], check=True)
        self.host.run("mkdir -p /opt/app; " + put("/etc/systemd/system/app.service", UNIT) + put(NGINX, SITE))
        self.host.run(
            "systemctl daemon-reload && systemctl enable app.service; nginx -t && systemctl reload nginx.service"
        )
        host, port, key, known = "127.0.0.1", self.host.port, self.host.root_key, self.host.known_hosts
        (self.peers / "ansible.cfg").write_text(
            "[defaults]\ninventory = hosts\ninterpreter_python = /usr/bin/python3\n"
            "[ssh_connection]\npipelining = true\n"
            f"ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile={known}\n"
        )
        (self.peers / "hosts").write_text(
            f"{host} ansible_user=root ansible_port={port} ansible_ssh_private_key_file={key}\n"
        )
        (self.peers / "play.yml").write_text(PLAYBOOK)
        (self.peers / "deploy.py").write_text(OPERATIONS)
        about = {"ssh_user": "root", "ssh_port": port, "ssh_key": str(key), "ssh_known_hosts_file": str(known)}
        (self.peers / "inventory.py").write_text(f"hosts = [({host!r}, {about!r})]\n")

    def binary(self) -> tuple[str, Path]:
        """Return a version that was never there, and its program."""
        self.count += 1
        version = f"v1.0.{self.count}"
        ballast = self.source / "ballast"
        ballast.write_bytes(ballast.read_bytes()[16:] + os.urandom(16))
        return version, self.works.binary("plain", version)

    def ours(self) -> Callable[[], None]:
        """Return a deploy of a new version, sealed before."""
        version, _ = self.binary()
        dist = self.works.release(version, ("plain",))
        return lambda: self._deploy(dist, version, PORT)

    def _deploy(self, dist: Path, version: str, port: int) -> None:
        run([GOFERRY, "deploy", dist, *self.where()])
        assert version in self.answer(port)

    def where(self) -> list[object]:
        """Return the options that name the host."""
        known, key = self.works.folder / "known_hosts", self.works.deploy_key
        return ["--host", f"127.0.0.1:{self.host.port}", "--identity", key, "--known-hosts", known, "-q"]

    def peer(self, *words: str) -> Callable[[], None]:
        """Return a peer's deploy of a new version; `{version}` and `{binary}` in its words are filled in."""
        version, program = self.binary()
        filled = [word.format(version=version, binary=program) for word in words]
        environ = {
            **os.environ,
            "BENCH_VERSION": version,
            "BENCH_BINARY": str(program),
            "ANSIBLE_CONFIG": "ansible.cfg",
        }
        environ["PATH"] = f"{self.peers / 'venv/bin'}:{environ['PATH']}"

        def go() -> None:
            run(filled, cwd=self.peers, env=environ)
            assert version in self.answer(PEERS_PORT)

        return go

    def answer(self, port: int) -> str:
        """Return what the service answers through nginx."""
        with urllib.request.urlopen(self.host.url(port), timeout=10) as answer:
            text: bytes = answer.read()
        return text.decode()


NGINX = "/etc/nginx/conf.d/bench.conf"
ANSIBLE = ("ansible-playbook", "play.yml", "-e", "version={version}", "-e", "binary={binary}")
PYINFRA = ("pyinfra", "-y", "inventory.py", "deploy.py")


def put(path: str, text: str) -> str:
    """Return the shell line that writes a file."""
    return f"printf %s {shlex.quote(text)} > {path}; "


def run(words: Sequence[object], **more: Any) -> None:
    """Run a command; its output is shown when it fails."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, timeout=300, **more
    )
    if done.returncode:
        raise SystemExit(f"{words[0]} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def measure(prepared: Mapping[str, Callable[[], Callable[[], None]]], rounds: int) -> dict[str, float]:
    """Return each way's median seconds; what is prepared for a round is not timed, and the order turns."""
    found: dict[str, list[float]] = {name: [] for name in prepared}
    for number in range(rounds + 1):
        for name in list(prepared)[:: 1 if number % 2 else -1]:
            go = prepared[name]()
            since = time.monotonic()
            go()
            if number:  # the first warms up: both find their connections and caches as later rounds do
                found[name].append(time.monotonic() - since)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def report(work: str, seconds: dict[str, float], goals: Mapping[str, float]) -> None:
    """Print a row; `goals` says how many times as long as ours a peer is to take."""
    ratios = {name: round(seconds[name] / seconds["ours"], 2) for name in seconds if name != "ours"}
    met = all(ratios[name] >= goal for name, goal in goals.items())
    row = {"work": work, "unit": "s", **{name: round(value, 2) for name, value in seconds.items()}}
    print(json.dumps({**row, "ratios": ratios, "goals": goals, "met": met, "commands": COMMANDS}), flush=True)


COMMANDS = {
    "ours": "goferry deploy DIST --host HOST --identity KEY --known-hosts FILE -q",
    "ansible": shlex.join(ANSIBLE),
    "pyinfra": shlex.join(PYINFRA),
}


@contextmanager
def bench(idle: int) -> Iterator[Bench]:
    """A host for the block, with a daemon where none runs."""

    def missing(what: str) -> NoReturn:
        raise SystemExit(f"missing: {what}")

    with tempfile.TemporaryDirectory(prefix="goferry-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        stack.enter_context(hosts.running_daemon(missing, folder / "dockerd.log"))
        subprocess.run([ROOT / "tests/parts/host/build"], check=True, capture_output=True)
        host = hosts.Host(folder / "host")
        stack.callback(host.remove)
        (folder / "works").mkdir()
        yield Bench(folder / "works", host, idle)


def main() -> None:
    """Measure and print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle", type=int, default=20)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    goals = {"ansible": 4.0, "pyinfra": 1.5}
    for work, idle in (("one host, 11 MB", 0), (f"one host, 11 MB, {options.idle} idle services", options.idle)):
        if options.only in work:
            with bench(idle) as made:
                if idle:
                    version, _ = made.binary()
                    run([GOFERRY, "deploy", made.works.release(version, ("plain", *made.idle)), *made.where()])
                ways = {
                    "ours": made.ours,
                    "ansible": lambda: made.peer(*ANSIBLE),
                    "pyinfra": lambda: made.peer(*PYINFRA),
                }
                report(work, measure(ways, options.rounds), goals)


if __name__ == "__main__":
    main()
