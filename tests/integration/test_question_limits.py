"""One question to a service ends within its limit, whatever the service does.

What is measured is the clock, so nothing else may run beside it.
"""

import contextlib
import http.client
import socket
import threading
import time
import xmlrpc.client

import hostile
import pytest

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
