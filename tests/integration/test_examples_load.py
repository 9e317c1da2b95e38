"""Two versions of examples/shop hand over on one shared socket under load; nothing is lost, a bare restart loses.

The parent plays the host agent's part: it opens the listening socket, starts both slots with it as descriptor 3, and
speaks to their control sockets.
"""

import contextlib
import functools
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "load"))

from load import Load  # noqa: E402 - a script beside the examples, no package

HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""
BUSY = {"connections": 32, "rate": 1500, "seconds": 90}


@functools.cache
def build(go: str, folder: Path, version: str) -> Path:
    """Build shop-server once a session for each version."""
    path = folder / f"shop-server-{version}"
    flags = f"-s -w -X main.version={version}"
    subprocess.run(
        [go, "build", "-trimpath", "-ldflags", flags, "-o", str(path), "./cmd/shop-server"],
        cwd=ROOT / "examples" / "shop",
        env=os.environ | {"CGO_ENABLED": "0"},
        check=True,
    )
    return path


@pytest.fixture
def servers(part, tmp_path_factory):
    """The programs of v1.0.0 and v2.0.0."""
    folder = tmp_path_factory.getbasetemp()
    return [build(part("go"), folder, version) for version in ("v1.0.0", "v2.0.0")]


class Control(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("control", timeout=5)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Slot:
    """One shop-server process; with `shared`, on that listening socket and with a control socket."""

    def __init__(
        self, program: Path, folder: Path, address: str, shared: socket.socket | None = None, drain: str = "2s"
    ):
        self.control = folder / f"{program.name[-6:]}.sock"
        self.control.unlink(missing_ok=True)  # an ended process leaves it behind
        self.log = (folder / f"{program.name}.log").open("ab")
        environ = {"SHOP_DATA": str(folder / "data"), "GOFERRY_DRAIN": drain, "ADDR": address}
        command = [str(program)]
        if shared is not None:
            environ |= {"LISTEN_FDS": "1", "GOFERRY_CONTROL": str(self.control)}
            command = [sys.executable, "-ISc", HAND_OVER, str(shared.fileno()), *command]
        self.process = subprocess.Popen(
            command, env=os.environ | environ, stderr=self.log, pass_fds=[shared.fileno()] if shared else []
        )
        if shared is not None:
            try:
                wait_for(self.control.exists)
            except BaseException:
                self.close()
                raise

    def ask(self, method: str, path: str) -> tuple[int, bytes]:
        connection = Control(self.control)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def health(self) -> dict:
        status, body = self.ask("GET", "/healthz")
        assert status == 200
        return json.loads(body)

    def end(self, number: int = signal.SIGTERM, within: float = 20) -> int:
        self.process.send_signal(number)
        try:
            return self.process.wait(within)
        finally:
            self.close()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


def wait_for(condition, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(0.005)


def listening() -> socket.socket:
    """A listening socket with a queue as deep as a service's."""
    return socket.create_server(("127.0.0.1", 0), backlog=4096)


@pytest.fixture
def folder():
    """A short path: that of a unix socket has 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="ferry"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def slots(servers, folder):
    """v1.0.0 and v2.0.0 on one socket, none of them accepting; and the public URL."""
    with contextlib.ExitStack() as stack:
        shared = stack.enter_context(listening())
        address = f"127.0.0.1:{shared.getsockname()[1]}"
        pair = []
        for server in servers:
            pair.append(Slot(server, folder, address, shared))
            stack.callback(pair[-1].close)
        yield pair, f"http://{address}"


def test_a_candidate_is_healthy_before_it_accepts(slots, servers):
    (blue, green), url = slots
    for slot, server, version in zip((blue, green), servers, ("v1.0.0", "v2.0.0"), strict=True):
        assert slot.health() == {
            "status": "ok",
            "version": version,
            "digest": hashlib.sha256(server.read_bytes()).hexdigest(),
            "pid": slot.process.pid,
            "accepting": False,
            "active": 0,
        }
        assert slot.control.stat().st_mode & 0o777 == 0o600
    assert [blue.ask("POST", "/accept")[0] for _ in range(2)] == [200, 200]
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    connection.request("GET", "/healthz")
    public = json.loads(connection.getresponse().read())
    connection.close()
    assert (public["version"], public["accepting"]) == ("v1.0.0", True)
    assert not green.health()["accepting"]


def test_switching_back_and_forth_under_load_loses_nothing(slots):
    pair, url = slots
    pair[0].ask("POST", "/accept")
    with Load.start(url, **BUSY) as load:
        for switch in range(6):
            time.sleep(1.0)
            old, new = pair[switch % 2], pair[(switch + 1) % 2]
            assert new.ask("POST", "/accept")[0] == 200
            assert [old.ask("POST", "/drain")[0] for _ in range(2)] == [202, 202]
            assert (new.health()["accepting"], old.health()["accepting"]) == (True, False)
        time.sleep(1.0)
        assert pair[1].end() == 0  # v1.0.0 is live again; the other one ends under load too
        time.sleep(0.5)
        report = load.stop()
    assert report.clean, report
    assert report.rps >= 1000
    assert report.slow >= 20
    assert report.reconnects >= 6 * 20  # each switch moved the 24 kept connections


def test_a_whole_release_cycle_under_load_loses_nothing(servers, folder):
    """Start the new one, accept, drain the old one and end it at once: what is served longest still ends well."""
    shared = listening()
    address = f"127.0.0.1:{shared.getsockname()[1]}"
    live = Slot(servers[0], folder, address, shared)
    try:
        live.ask("POST", "/accept")
        with Load.start(f"http://{address}", **BUSY) as load:
            for release in range(4):
                time.sleep(0.7)
                candidate = Slot(servers[(release + 1) % 2], folder, address, shared)
                candidate.ask("POST", "/accept")
                live, old = candidate, live
                old.ask("POST", "/drain")
                assert old.end() == 0
            report = load.stop()
    finally:
        live.close()
        shared.close()
    assert report.clean, report
    assert report.rps >= 1000


def test_a_bare_restart_loses_orders_and_the_load_sees_it(servers, folder):
    """The same load with the way that most services are restarted; this is what shows that the load can see loss."""
    with listening() as chosen:
        address = f"127.0.0.1:{chosen.getsockname()[1]}"
    slot = Slot(servers[0], folder, address)
    try:
        wait_for(lambda: answers(address))
        with Load.start(f"http://{address}", **BUSY) as load:
            time.sleep(1.0)
            slot.end(signal.SIGKILL)
            slot = Slot(servers[1], folder, address)
            wait_for(lambda: answers(address))
            time.sleep(0.5)
            report = load.stop()
    finally:
        slot.close()
    assert report.lost > 0
    assert report.sent == report.ok + report.lost
    assert report.acknowledged_not_stored == 0
    assert {"refused", "reset", "closed before the answer"} & set(report.by_cause)


def answers(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True
