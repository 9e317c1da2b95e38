"""The agent's loop: every request gets an answer that is a frame."""

import contextlib
import io
import os
import socket
import sys
import threading
import time

import pytest

from goferry.deploy.client import sendable
from goferry.host import serve
from goferry.kernel import frames
from goferry.kernel.errors import Misuse
from goferry.system import process


@pytest.mark.parametrize("answer", [{"ok": True, "log": "\udcff"}, {"ok": True, "text": "x" * frames.MAX_HEADER}])
def test_an_answer_that_cannot_be_sent_is_told_as_an_error(answer):
    sent = io.BytesIO()
    serve.Line(io.BytesIO(), sent).send(answer)
    sent.seek(0)
    told, _ = frames.read(sent)
    assert (told["ok"], told["error"]["name"]) == (False, "host-failed")


def test_a_path_that_no_frame_carries_is_misuse(tmp_path):
    assert sendable(tmp_path) == str(tmp_path)
    with pytest.raises(Misuse):
        sendable(tmp_path / "\udcff")


def test_no_program_gets_the_passphrase():
    words = [sys.executable, "-c", "import os; print(sorted(k for k in os.environ if k.startswith('GOFERRY')))"]
    done = process.run(words, environ={"GOFERRY_SIGNING_PASSPHRASE": "x", "GOFERRY_CACHE": "y"})
    assert done.text.strip() == "['GOFERRY_CACHE']"


def test_a_client_that_waits_long_is_told_so_while_it_is_there(monkeypatch):
    ours, theirs = os.pipe()
    sent = io.BytesIO()
    with os.fdopen(ours, "rb", buffering=0) as reader:
        line = serve.Line(reader, sent)
        line.send({"progress": "watch api"})
        assert not line.gone()
        said = sent.getvalue()
        monkeypatch.setattr(serve, "QUIET", -1.0)
        assert not line.gone()
        assert sent.getvalue() == said * 2
        os.close(theirs)
        assert line.next(5) is None
        assert line.gone()
        assert sent.getvalue() == said * 2


def test_a_client_that_takes_nothing_is_gone_and_keeps_nobody_waiting(monkeypatch):
    monkeypatch.setattr(serve, "DEAF", 0.2)
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb", buffering=0) as reader:
        line = serve.Line(reader, serve.Outlet(ours.fileno()))
        since = time.monotonic()
        for _ in range(5):
            line.send({"ok": True, "logs": "x" * 900_000})
        assert time.monotonic() - since < 3
        assert line.gone()
        theirs.sendall(frames.encode({"request": "hello"}))
        assert line.next(5) is None


def test_an_outlet_sends_all_of_it_to_who_reads():
    ours, theirs = socket.socketpair()
    data = os.urandom(900_000)
    with ours, theirs:
        sending = threading.Thread(target=serve.Outlet(ours.fileno()).write, args=(data,))
        sending.start()
        heard = b""
        while len(heard) < len(data):
            heard += theirs.recv(65536)
        sending.join(5)
    assert heard == data


class Waiting:
    """A session whose transaction waits for the client."""

    def __init__(self, *_words, **_more):
        self.engine, self.phase, self.silent = object(), "HEALTHY", False
        Waiting.made = self

    def answer(self, _request, _payload):
        return {}

    def silence(self):
        self.silent = True


def test_signs_of_life_do_not_hold_the_lock_for_ever(monkeypatch, tmp_path):
    monkeypatch.setattr(serve, "Session", Waiting)
    monkeypatch.setattr(serve, "LONGEST", 0.5)
    ours, theirs = socket.socketpair()

    def live():
        with contextlib.suppress(OSError):
            while True:
                theirs.sendall(frames.encode({"request": "hello"}))
                theirs.recv(65536)
                time.sleep(0.05)

    alive = threading.Thread(target=live)
    alive.start()
    with ours, theirs, ours.makefile("rb", buffering=0) as reader:
        serving = threading.Thread(
            target=serve.serve, args=(reader, serve.Outlet(ours.fileno()), tmp_path, None, {}), daemon=True
        )
        serving.start()
        serving.join(5)
        ended = not serving.is_alive()
        ours.shutdown(socket.SHUT_RDWR)
    alive.join(5)
    assert ended
    assert Waiting.made.silent
