"""The answer to one question to a service, or what is none."""

import contextlib
import socket
import threading

import hostile
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sampling import examples

from goferry.host import control


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_slow_but_whole_answer_is_an_answer(tmp_path, monkeypatch):
    whole = hostile.OK + b"Content-Length: 2\r\n\r\n{}"
    monkeypatch.setitem(hostile.KINDS, "slow", lambda: ((whole[n : n + 8], 0.05) for n in range(0, len(whole), 8)))
    with hostile.listening(tmp_path / "a.sock", "slow"):
        assert control.health(tmp_path / "a.sock", "/healthz", 5.0) == control.Health(200)


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


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
            return control.Limits(fileno=ours.detach())

        def _reach(self, _sock):
            pass

    answering = threading.Thread(target=answer)
    answering.start()
    with contextlib.suppress(OSError):
        heard = control.fetch(Paired(1.0, 4096), "GET", "/", {})
        assert (type(heard.status), type(heard.body)) == (int, bytes)
    answering.join()
