"""The agent's loop: every request gets an answer that is a frame."""

import contextlib
import io
import os
import socket
import sys
import threading
import time

import pytest

from goferry.deploy._client import sendable
from goferry.host import serve, session_places
from goferry.host.embedded import Embedded
from goferry.kernel import frames
from goferry.kernel.errors import Misuse
from goferry.system import process


@pytest.mark.parametrize("answer", [{"ok": True, "log": "\udcff"}, {"ok": True, "text": "x" * frames.MAX_HEADER}])
def test_an_answer_that_cannot_be_sent_is_told_as_an_error(answer):
    sent = io.BytesIO()
    serve.ClientConnection(io.BytesIO(), sent).send(answer)
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
        line = serve.ClientConnection(reader, sent)
        line.send({"progress": "watch api"})
        assert not line.gone()
        said = sent.getvalue()
        monkeypatch.setattr(serve, "KEEP_ALIVE_SECONDS", -1.0)
        assert not line.gone()
        assert sent.getvalue() == said * 2
        os.close(theirs)
        assert line.next(5) is None
        assert line.gone()
        assert sent.getvalue() == said * 2


def test_a_client_that_takes_nothing_is_gone_and_keeps_nobody_waiting(monkeypatch):
    monkeypatch.setattr(serve, "WRITE_TIMEOUT", 0.2)
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb", buffering=0) as reader:
        line = serve.ClientConnection(reader, serve.ClientWriter(ours.fileno()))
        outlet = line._writer
        for _ in range(5):
            line.send({"ok": True, "logs": "x" * 900_000})
            assert line.gone()
            monkeypatch.setattr(outlet, "write", None)  # it is not tried again
        theirs.sendall(frames.encode({"request": "hello"}))
        assert line.next(5) is None


def test_the_end_of_a_client_is_the_end_however_often_it_is_asked_for(monkeypatch):
    line = serve.ClientConnection(io.BytesIO(), io.BytesIO())
    monkeypatch.setattr(serve, "TURN", 3600.0)
    assert [line.next(7200) for _ in range(3)] == [None] * 3


def test_an_outlet_sends_all_of_it_to_who_reads():
    ours, theirs = socket.socketpair()
    data = os.urandom(900_000)
    with ours, theirs:
        sending = threading.Thread(target=serve.ClientWriter(ours.fileno()).write, args=(data,))
        sending.start()
        heard = b""
        while len(heard) < len(data):
            heard += theirs.recv(65536)
        sending.join(5)
    assert heard == data


class Waiting:
    """A session whose transaction waits for the client."""

    PHASE = "HEALTHY"

    def __init__(self, *_words, **_more):
        self.engine, self.phase, self.silent = object(), self.PHASE, False
        if not self.PHASE:
            self.engine = None
        Waiting.made = self

    def answer(self, _request, _payload):
        return {}

    def silence(self):
        self.silent = True
        return "rolled-back" if self.PHASE else ""


def test_signs_of_life_do_not_hold_the_lock_for_ever(monkeypatch, tmp_path):
    monkeypatch.setattr(serve, "AgentSession", Waiting)
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
            target=serve.serve, args=(reader, serve.ClientWriter(ours.fileno()), tmp_path, None, {}), daemon=True
        )
        serving.start()
        serving.join(5)
        ended = not serving.is_alive()
        ours.shutdown(socket.SHUT_RDWR)
    alive.join(5)
    assert ended
    assert Waiting.made.silent


def served(monkeypatch, tmp_path, request, payload=b"", pause=0.05, kind=Waiting, seconds=30):
    """Serve a client that asks the same for as long as it is heard; return whether that ended, and the last answer."""
    monkeypatch.setattr(serve, "AgentSession", kind)
    ours, theirs = socket.socketpair()
    said = {}

    def ask():
        with contextlib.suppress(OSError), theirs.makefile("rb", buffering=0) as reader:
            while True:
                theirs.sendall(frames.encode({"request": request}, payload))
                frame = frames.read(reader)
                if frame is None:
                    return
                said["last"] = frame[0]
                time.sleep(pause)

    asking = threading.Thread(target=ask, daemon=True)
    with ours, theirs, ours.makefile("rb", buffering=0) as reader:
        outlet = serve.ClientWriter(ours.fileno())
        serving = threading.Thread(target=serve.serve, args=(reader, outlet, tmp_path, None, {}), daemon=True)
        serving.start()
        asking.start()
        serving.join(seconds)
        ended = not serving.is_alive()
        time.sleep(0.3)
        ours.shutdown(socket.SHUT_RDWR)
    asking.join(5)
    return ended, said["last"]


class Idle(Waiting):
    """A session without a transaction."""

    PHASE = ""


def test_the_session_that_was_idle_the_longest_makes_room_for_a_new_one(tmp_path, monkeypatch):
    monkeypatch.setattr(session_places, "MOST", 3)
    root = Embedded(tmp_path)
    root.prepare()
    first, second, third = (session_places.SessionPlace(root) for _ in range(3))
    first.used()
    assert [each.wanted() for each in (first, second, third)] == [False] * 3
    fourth = session_places.SessionPlace(root)
    assert [each.wanted() for each in (first, second, third, fourth)] == [False, True, False, False]
    second.leave()
    fifth = session_places.SessionPlace(root)
    assert [each.wanted() for each in (first, third, fourth, fifth)] == [False, True, False, False]
    for each in (first, third, fourth, fifth):
        each.leave()
    (tmp_path / ".goferry/sessions/~77-dead").touch()
    session_places.SessionPlace(root).leave()
    assert list((tmp_path / ".goferry/sessions").iterdir()) == []


def test_followers_of_logs_ask_no_deploy_that_waits_to_go(tmp_path, monkeypatch):
    monkeypatch.setattr(session_places, "MOST", 3)
    root = Embedded(tmp_path, "shop")
    root.prepare()
    deploy = session_places.SessionPlace(root)
    deploy.used()
    followers = [session_places.SessionPlace(root) for _ in range(6)]
    assert not deploy.wanted()
    assert [each.wanted() for each in followers] == [True, True, True, True, False, False]
    for place in (deploy, *followers):
        place.leave()


def test_one_project_s_sessions_do_not_crowd_out_another_s(tmp_path, monkeypatch):
    monkeypatch.setattr(session_places, "MOST", 4)
    Embedded(tmp_path).prepare()
    quiet = session_places.SessionPlace(Embedded(tmp_path, "shop"))
    crowd = [session_places.SessionPlace(Embedded(tmp_path, "blog")) for _ in range(12)]
    assert not quiet.wanted()
    assert [each.wanted() for each in crowd] == [True] * 9 + [False] * 3
    for each in [quiet, *crowd]:
        each.leave()


class Wanted:
    """A place that another session needs."""

    def wanted(self):
        return True

    def leave(self):
        pass

    def used(self):
        pass


@pytest.mark.parametrize(("kind", "name"), [("", "session-idle"), ("HEALTHY", "client-silent")])
def test_an_idle_session_gives_its_place_up_and_one_with_a_transaction_does_not(monkeypatch, tmp_path, kind, name):
    monkeypatch.setattr(Embedded, "session", lambda _: contextlib.nullcontext(Wanted()))
    monkeypatch.setattr(serve, "LONGEST", 1.5)
    monkeypatch.setattr(Waiting, "PHASE", kind)
    ended, last = served(monkeypatch, tmp_path, "hello", pause=0.1, kind=Waiting)
    assert ended
    assert last["error"]["name"] == name
    assert ("others wait" in last["error"]["what"]) is (not kind)


@pytest.mark.parametrize("payload", [b"", b"x"], ids=["asking", "dripping"])
def test_a_session_without_a_transaction_ends_whatever_it_asks_and_says_that_nothing_was_undone(
    monkeypatch, tmp_path, payload
):
    monkeypatch.setattr(serve, "IDLE", 1.0)
    ended, last = served(monkeypatch, tmp_path, "hello", payload, kind=Idle)
    assert ended
    assert (last["error"]["name"], last["error"]["exit_code"]) == ("session-idle", 5)
    assert "nothing was undone" in last["error"]["state"]


def test_a_session_that_uploads_goes_on(monkeypatch, tmp_path):
    monkeypatch.setattr(serve, "IDLE", 1.0)
    ended, last = served(monkeypatch, tmp_path, "upload", bytes(200_000), kind=Idle, seconds=3)
    assert not ended
    assert last == {"ok": True}


def test_a_client_that_falls_silent_and_is_still_there_is_told_what_became_of_its_transaction(monkeypatch, tmp_path):
    monkeypatch.setattr(serve, "DEADLINE", 0.3)
    ended, last = served(monkeypatch, tmp_path, "hello", pause=2, kind=Waiting)
    assert ended
    assert last == {"ok": True}
    monkeypatch.setattr(serve, "LONGEST", 0.3)
    _, last = served(monkeypatch, tmp_path, "hello", kind=Waiting)
    assert last["error"]["name"] == "client-silent"
    assert last["error"]["state"] == serve.SILENCE_STATES["rolled-back"]
