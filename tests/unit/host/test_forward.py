"""The way from a slot's socket to its service: bytes as they are, and nobody else's port, whatever the moment."""

import contextlib
import hashlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from goferry.host import forward
from goferry.host.listener import Kernel
from goferry.host.start_note import Note

SO_COOKIE = 57
SOURCE = str(Path(forward.__file__).parents[2])
RUN = """
import contextlib, socket, sys
sys.path.insert(0, sys.argv[1])
from goferry.host import forward
from goferry.host.listener import Kernel
mine = bytes.fromhex(sys.argv[3])
with contextlib.closing(Kernel()) as kernel, socket.socket(fileno=int(sys.argv[4])) as entrance:
    gate = forward.Gate(sys.argv[2], kernel, lambda group, found: found.key == mine)
    forward.Forward(entrance, gate).run()
"""


class Service:
    """A listening socket, its note, and the forwarding before it as a process of its own."""

    def __init__(self, folder):
        self.folder, self.note, self.path = folder, folder / "port0", folder / "port0.sock"
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(512)
        self.listener.settimeout(20)
        self.port = self.listener.getsockname()[1]
        self.note.write_text(Note(self.port, "/").text())
        with socket.socket(socket.AF_UNIX) as entrance:
            entrance.bind(str(self.path))
            entrance.listen(4096)
            key = self.listener.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8).hex()
            argv = [sys.executable, "-I", "-c", RUN, SOURCE, self.note, key, str(entrance.fileno())]
            self.process = subprocess.Popen(argv, pass_fds=[entrance.fileno()], stderr=subprocess.PIPE)

    def client(self):
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(20)
        one.connect(str(self.path))
        return one

    def pair(self):
        client = self.client()
        return client, self.listener.accept()[0]

    def end(self):
        self.listener.close()
        self.process.terminate()
        self.process.wait(20)
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


@pytest.fixture
def service(tmp_path):
    with Service(tmp_path) as made:
        yield made


def test_bytes_pass_in_both_directions_and_each_half_ends_by_itself(service):
    client, server = service.pair()
    with client, server:
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        assert b"".join(iter(lambda: server.recv(100), b"")) == b"question"
        time.sleep(0.1)
        server.sendall(b"late answer")
        assert client.recv(100) == b"late answer"
        server.close()
        assert client.recv(100) == b""


def test_a_server_that_ends_first_still_hears_the_rest(service):
    client, server = service.pair()
    with client, server:
        server.sendall(b"greeting")
        server.shutdown(socket.SHUT_WR)
        assert b"".join(iter(lambda: client.recv(100), b"")) == b"greeting"
        client.sendall(b"afterwards")
        assert server.recv(100) == b"afterwards"


@pytest.mark.parametrize("slow", [False, True])
def test_a_large_body_arrives_whole_though_the_other_side_is_slow(service, slow):
    data = os.urandom(1 << 20) * 24
    client, server = service.pair()

    def read(one, said):
        digest = hashlib.sha256()
        for block in iter(lambda: one.recv(1 << 18), b""):
            digest.update(block)
            if slow:
                time.sleep(0.002)
        said.append(digest.digest())

    def send(one):
        one.sendall(data)
        one.shutdown(socket.SHUT_WR)

    with client, server:
        there, back = [], []
        threads = [threading.Thread(target=read, args=each) for each in ((server, there), (client, back))]
        threads += [threading.Thread(target=send, args=(each,)) for each in (client, server)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert there == back == [hashlib.sha256(data).digest()]


def test_a_client_that_leaves_ends_the_service_s_side_and_a_reset_ends_the_client_s(service):
    client, server = service.pair()
    client.close()
    with server:
        assert server.recv(1) == b""
    client, server = service.pair()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server.close()
    with client:
        assert client.recv(1) == b""


def test_an_idle_or_half_closed_connection_costs_no_time(service):
    client, server = service.pair()
    client.shutdown(socket.SHUT_WR)
    server.recv(1)
    gone, kept = service.pair()
    gone.close()
    before = _cpu(service.process.pid)
    time.sleep(1)
    assert _cpu(service.process.pid) - before < 0.2
    for one in (client, server, kept):
        one.close()


def _cpu(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_many_at_a_time_are_passed_on_and_the_rest_waits(service):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(service.client()) for _ in range(400)]
        servers = [stack.enter_context(service.listener.accept()[0]) for _ in clients]
        for number, one in enumerate(clients):
            one.sendall(b"%d" % number)
        for one in servers:
            one.sendall(one.recv(10))
        assert [int(one.recv(10)) for one in clients] == list(range(400))


def test_with_nobody_there_the_connection_is_refused(service):
    service.listener.close()
    with service.client() as client:
        assert client.recv(1) == b""
    service.note.unlink()
    with service.client() as client:
        assert client.recv(1) == b""


def test_a_stranger_on_the_port_is_never_connected_to(service):
    client, server = service.pair()
    client.sendall(b"begun")
    assert server.recv(10) == b"begun"
    service.listener.close()
    with client, server, _squatter(service.port) as squatter:
        for _ in range(20):
            with service.client() as another:
                with contextlib.suppress(BrokenPipeError):  # it may be closed by then
                    another.sendall(b"secret")
                assert heard(another) == b""
        assert select.select([squatter], [], [], 0.2)[0] == []
        client.sendall(b"still")  # the connection from before has its own peer
        assert server.recv(10) == b"still"
    service.process.terminate()
    said = service.process.stderr.read().decode()
    assert (
        said
        == f"goferry: port {service.port} is listened on by user {os.getuid()} outside of the unit: not connected\n"
    )


def heard(one):
    """What comes from a connection; nothing when it was cut."""
    try:
        return one.recv(100)
    except ConnectionResetError:
        return b""


def _squatter(port):
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", port))
    one.listen()
    return one


class Late(forward.Gate):
    """A gate where somebody takes the port between the look and the connect; with `returns`, and leaves it again."""

    def __init__(self, note, kernel, mine, returns):
        super().__init__(note, kernel, lambda _, found: found.key == mine.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))
        self.mine, self.returns, self.opened = mine, returns, []

    def find(self):
        found = super().find()
        self.mine.close()
        self.squatter = self.kept(_squatter(found.port))
        return found

    def still_listens(self, listener):
        if self.returns and len(self.opened) == 1:
            self.kept(self.squatter.accept()[0])
            self.squatter.close()
            self.kept(_squatter(listener.port))  # as the service would, started again
        return super().still_listens(listener)

    def kept(self, one):
        one.settimeout(5)
        self.opened.append(one)
        return one


@pytest.mark.parametrize("returns", [False, True])
def test_a_stranger_that_comes_between_look_and_connect_hears_no_byte(tmp_path, returns):
    mine = _squatter(0)
    (tmp_path / "port0").write_text(Note(mine.getsockname()[1], "/").text())
    client, entrance = socket.socketpair()
    with (
        contextlib.closing(Kernel()) as kernel,
        client,
        contextlib.ExitStack() as stack,
        socket.socket(socket.AF_UNIX) as nothing,
    ):
        gate = Late(str(tmp_path / "port0"), kernel, mine, returns)
        client.settimeout(5)
        client.sendall(b"secret")
        forward.Forward(nothing, gate)._connect(entrance)
        for one in gate.opened:
            stack.enter_context(one)
        assert heard(client) == b""
        accepted = gate.opened[1] if returns else stack.enter_context(gate.squatter.accept()[0])
        assert heard(accepted) == b""


def test_asked_to_end_it_takes_no_more_and_finishes_what_is_open(service):
    client, server = service.pair()
    service.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    with client, server, service.client() as late:
        client.sendall(b"still here")
        assert server.recv(100) == b"still here"
        late.settimeout(0.3)
        late.sendall(b"too late")
        with pytest.raises(TimeoutError):
            late.recv(1)
    assert service.process.wait(10) == 0
