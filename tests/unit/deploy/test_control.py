"""One question to a service ends within its limit, whatever the service does."""

import contextlib
import http.client
import socket
import threading
import time
import xmlrpc.client

import hostile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goferry.host import control, shim, supervisor

SECONDS, SLACK = 0.5, 2.0


def supervisord(place):
    """Ask supervisord, as host.supervisor does."""
    transport = supervisor.Transport(place, SECONDS)
    with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as server:
        server.supervisor.getPID()


WAYS = {
    "ask": lambda place: control.ask(place, "GET", "/healthz", SECONDS),
    "health": lambda place: control.health(place, "/healthz", SECONDS),
    "post": lambda place: control.ask(place, "POST", "/accept", SECONDS),
    "port": lambda place: control.ask_port(place, "/healthz", SECONDS),
    "shim": lambda place: shim.request(str(place), "GET /healthz") or (_ for _ in ()).throw(OSError),
    "supervisord": supervisord,
}


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def took(work):
    since = time.monotonic()
    with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
        work()
        return 0.0  # an answer came
    return time.monotonic() - since


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_a_question_ends_within_its_limit_whatever_comes(tmp_path, monkeypatch, port, kind):
    monkeypatch.setattr(shim, "SECONDS", SECONDS)
    monkeypatch.setattr(supervisor, "ROOM", control.ROOM)
    lasted = {}

    def ask(way):
        place = port if way == "port" else tmp_path / f"{way}.sock"
        with hostile.listening(place, kind):
            lasted[way] = took(lambda: WAYS[way](place))

    asking = [threading.Thread(target=ask, args=(way,)) for way in WAYS]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(20)
    assert set(lasted) == set(WAYS)
    assert all(0 < each < SECONDS + SLACK for each in lasted.values()), lasted


@pytest.mark.parametrize("where", ["unix", "port"])
def test_a_full_queue_of_connections_ends_within_the_limit(tmp_path, port, where):
    place = port if where == "port" else tmp_path / "full.sock"
    family = socket.AF_INET if where == "port" else socket.AF_UNIX
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket(family))
        listener.bind(("127.0.0.1", port) if where == "port" else str(place))
        listener.listen(0)
        for _ in range(3):
            filler = held.enter_context(socket.socket(family))
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port) if where == "port" else str(place))
        ask = WAYS["port" if where == "port" else "ask"]
        assert 0 < took(lambda: ask(place)) < SECONDS + SLACK


def test_a_slow_but_whole_answer_is_an_answer(tmp_path, monkeypatch):
    whole = hostile.OK + b"Content-Length: 2\r\n\r\n{}"
    monkeypatch.setitem(hostile.KINDS, "slow", lambda: ((whole[n : n + 8], 0.05) for n in range(0, len(whole), 8)))
    with hostile.listening(tmp_path / "a.sock", "slow"):
        assert control.health(tmp_path / "a.sock", "/healthz", 5.0) == {"http": 200}


@pytest.mark.parametrize(
    "part", [b"HTTP/1.1 200", hostile.OK, hostile.OK + b"X: x", hostile.OK + b"Content-Length: 9\r\n\r\n{}"]
)
def test_an_answer_that_breaks_off_is_none(tmp_path, monkeypatch, part):
    monkeypatch.setitem(hostile.KINDS, "breaks off", lambda: iter([(part, 0.0)]))
    with hostile.listening(tmp_path / "a.sock", "breaks off"), pytest.raises(OSError, match="not an HTTP answer"):
        control.ask(tmp_path / "a.sock", "GET", "/healthz")


def test_an_interim_answer_is_no_answer(tmp_path, monkeypatch):
    body = b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + hostile.OK + b"Content-Length: 2\r\n\r\n{}"
    monkeypatch.setitem(hostile.KINDS, "interim", lambda: iter([(body, 0.0)]))
    with hostile.listening(tmp_path / "a.sock", "interim"):
        assert control.ask(tmp_path / "a.sock", "GET", "/healthz") == (200, b"{}")


def test_a_question_to_another_address_names_it(port):
    with socket.socket() as listener:
        listener.bind(("127.0.0.2", port))
        listener.listen(1)
        with contextlib.closing(hostile.Server(listener, "well", b"here")) as server:
            assert control.ask_port(port, "/x", 2.0, "127.0.0.2") == (200, b"here")
    assert server.asked == [b"GET /x HTTP/1.1"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=200).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail)))
def test_whatever_bytes_come_the_outcome_is_an_answer_or_an_oserror(data):
    ours, theirs = socket.socketpair()
    theirs.settimeout(2)

    def answer():
        with theirs, contextlib.suppress(OSError):
            theirs.recv(65536)
            theirs.sendall(data)

    class Paired(control.Connection):
        def _socket(self):
            return control._Deadline(fileno=ours.detach())

        def _reach(self, _sock):
            pass

    answering = threading.Thread(target=answer)
    answering.start()
    with contextlib.suppress(OSError):
        heard = control.fetch(Paired(1.0, 4096), "GET", "/", {})
        assert (type(heard.status), type(heard.body)) == (int, bytes)
    answering.join()
