"""What a candidate that does not become healthy is told to do: by what it answers, steadily, on its health path."""

import contextlib
import os
import socket
from pathlib import Path

import hostile
import pytest

from goferry.host import guard as guard_module, health_check, health_failure, processes, slots
from goferry.host.embedded import Embedded
from goferry.host.guard import Guard
from goferry.host.shim import Slot, Template
from goferry.kernel.outcomes import CandidateUnhealthy

LONGER = "give it longer:  ready-within in goferry.yml"
LOG = "the log:  /log"
NAME_PATH = "name a path that answers 200, at the service in goferry.yml:  health: /PATH"


def answer(status, *headers, body=b"no"):
    lines = [b"HTTP/1.1 %d X" % status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Driver:
    """A process that runs: this one."""

    def __init__(self, port, socket_path=None):
        self._port, self._socket_path = port, socket_path

    def ended(self, _folder, _slot):
        return ""

    def running(self, _folder, _number):
        return processes.identity(os.getpid())

    def taken_port(self, _folder, _slot):
        return 0

    def socket_path(self, _folder, _slot):
        return self._socket_path

    def port(self, _folder, _slot):
        return self._port

    def log(self, _folder, _number):
        return "/log"


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def guarded(tmp_path, driver, mode="plain"):
    """Return a guard, a service's folder and what is in its slot."""
    root = Embedded(tmp_path / "root")
    root.path.mkdir()
    folder = root.service("shop", "web")
    folder.prepare()
    slot = Slot(
        schema=1, project="shop", service="web", mode=mode, port=1, listen=1, version="v1.0.0", health="/healthz",
        ready_ms=300, attempt="a", control="0.sock", template=Template((), {"ADDR": "%(address)s", "OTHER": "%%"}),
    )  # fmt: skip
    slots.write(folder, slot)
    return Guard(root, driver), folder, slot


def asked(tmp_path, driver, mode="plain"):
    """Return what is wrong, and what is advised where it stays so."""
    guard, folder, slot = guarded(tmp_path, driver, mode)
    said = guard.ask(folder, slot, 5.0)
    return said, list(guard._unready(folder, slot, said, steady=True).advice)


@pytest.mark.parametrize(
    ("said", "what", "advice"),
    [
        (answer(404), "HTTP 404 at /healthz", [NAME_PATH]),
        (answer(405), "HTTP 405 at /healthz", [NAME_PATH]),
        (answer(204, body=b""), "HTTP 204 at /healthz", ["200 alone says that it is well: " + NAME_PATH]),
        (answer(401), "HTTP 401 at /healthz", ["the check has no credentials: " + NAME_PATH]),
        (answer(403), "HTTP 403 at /healthz", ["the check has no credentials: " + NAME_PATH]),
        (answer(302, b"Location: /login"), "HTTP 302 at /healthz to /login", ["nothing is followed: " + NAME_PATH]),
        (
            answer(301, b"Location: https://shop.example/"),
            "HTTP 301 at /healthz to https://shop.example/",
            ["the check comes in plain HTTP: " + NAME_PATH],
        ),
        (answer(503), "HTTP 503 at /healthz", [LONGER]),
        (
            b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
            "it speaks TLS at /healthz, and is asked in plain HTTP",
            [health_failure._TLS],
        ),
        (b"\x15\x03\x01\x00\x02\x02\x46", "it speaks TLS, and is asked in plain HTTP", [health_failure._TLS]),
        (
            b"SSH-2.0-Go\r\n",
            "not an HTTP answer: SSH-2.0-Go",
            ["let it answer GET over HTTP/1.1 on the address that it is given"],
        ),
        (b"", "not an HTTP answer: Remote end closed connection without response", [LONGER]),
    ],
)
def test_what_it_steadily_answers_says_what_to_do(tmp_path, port, monkeypatch, said, what, advice):
    monkeypatch.setitem(hostile.KINDS, "steady", lambda: iter([(said, 0.0)]))
    with hostile.listening(port, "steady"):
        assert asked(tmp_path, Driver(port)) == (what, [*advice, LOG])


@pytest.mark.parametrize(
    ("statuses", "advice"), [([404], [NAME_PATH]), ([503, 404], [NAME_PATH, LONGER]), ([404, 0], [NAME_PATH])]
)
def test_what_it_says_last_counts_whatever_comes_late(tmp_path, port, monkeypatch, statuses, advice):
    """`0` is an answer that doesn't come, of which nothing is learnt in less time than an answer may take."""
    monkeypatch.setattr(guard_module, "OVER", 1.5)
    left = iter(statuses)
    last = [(answer(statuses[-1]), 0.0) if statuses[-1] else (b"", 3600.0)]
    monkeypatch.setitem(
        hostile.KINDS, "changes", lambda: iter([(answer(n), 0.0) for n in [next(left, 0)] if n] or last)
    )
    guard, folder, _ = guarded(tmp_path, Driver(port))
    with hostile.listening(port, "changes"), pytest.raises(CandidateUnhealthy) as caught:
        guard.prove_slot(folder, 0)
    status = max(statuses[-1], 404)
    assert caught.value.what == f"web v1.0.0 was not healthy within 0.3 s: HTTP {status} at /healthz"
    assert list(caught.value.advice) == [*advice, LOG]


def test_late_questions_do_not_hide_what_was_answered():
    """A busy machine lets single questions be late, and a service that hangs in the end answered once."""
    no, late = health_failure.of_status(404, "/healthz"), health_check.LATE
    hung = "HTTP 404 at /healthz; since then no answer in time"
    told, heard = health_failure.NO_FAILURE, []
    for said, cut in [(late, False), (no, False), (late, False), (late, True), (late, False), (no, True), (late, True)]:
        told = health_failure.followed_by(told, said, cut=cut)
        heard.append((str(told), told.status, list(told.advice)))
    assert [text for text, *_ in heard] == [str(late), str(no), hung, hung, hung, str(no), str(no)]
    assert {tuple(map(str, more)) for _, *more in heard[1:]} == {("404", str(list(no.advice)))}


@pytest.mark.parametrize("elsewhere", [True, False])
def test_one_that_does_not_listen_is_told_where_it_should(tmp_path, port, elsewhere, monkeypatch):
    monkeypatch.setattr(processes, "ports", lambda _pid: [8080] if elsewhere else [])
    said, advice = asked(tmp_path, Driver(port))
    what = f"nothing listens on 127.0.0.1:{port}, which it is told by ADDR"
    assert said == what + ("; it listens on port 8080" if elsewhere else "")
    own = ["or does its own configuration file say 8080? what stands there may count for more"] if elsewhere else []
    assert advice == [health_failure._LISTEN, *own, LONGER, LOG]


def test_the_ports_of_a_process_are_those_on_which_it_listens(port):
    assert port not in processes.ports(os.getpid())
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen(1)
        assert port in processes.ports(os.getpid())
        assert processes.listens(os.getpid(), port)
    assert processes.ports(2**22 + 1) == []


@pytest.mark.parametrize(
    ("said", "what", "advice"),
    [
        (answer(404, body=b"404 page not found\n"), "HTTP 404 at /healthz", [NAME_PATH]),
        (answer(503, body=b'{"status": "starting"}'), "HTTP 503, status starting", [LONGER]),
        (answer(200, body=b"ok"), "what it answers is not a JSON object", [health_failure._CONTROL]),
        (None, "nothing listens on its control socket", [health_failure._CONTROL, LONGER]),
    ],
)
def test_a_service_of_the_app_contract_is_told_what_its_control_socket_lacks(tmp_path, monkeypatch, said, what, advice):
    socket_path = Path(tmp_path / "control.sock")
    monkeypatch.setitem(hostile.KINDS, "steady", lambda: iter([(said, 0.0)]))
    with hostile.listening(socket_path, "steady") if said else contextlib.nullcontext():
        assert asked(tmp_path, Driver(0, socket_path), "socket") == (what, [*advice, LOG])
