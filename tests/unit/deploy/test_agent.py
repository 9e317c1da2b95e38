"""What the agent of a provisioned host does not do for whoever has the deploy key."""

import hashlib
import os

import pytest

from goferry.host.agent import Session
from goferry.host.layout import Root
from goferry.kernel import frames
from goferry.kernel.errors import Refused
from goferry.kernel.hostfile import HostFile, Place
from goferry.kernel.outcomes import UploadRefused


@pytest.fixture
def session(tmp_path):
    os.chmod(tmp_path, 0o755)
    return Session(Root(tmp_path, HostFile(projects={"shop": {"api": Place("shop", "api", 8080, "socket")}})), None, {})


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_deploy_key_does_not_end_every_project_s_services(session, dry_run):
    with pytest.raises(Refused, match="root alone"):
        session.answer({"request": "down", "dry_run": dry_run})


class Logs:
    """A driver whose logs are as long as they are asked for."""

    def __init__(self):
        self.asked = []

    def tail(self, _folder, _number, lines):
        self.asked.append(lines)
        return [f"{number} {'é' * 5000}" for number in range(min(lines, 5000))]


@pytest.mark.parametrize("lines", [1000, 10**9, -5])
def test_logs_fit_into_an_answer_and_memory_whatever_is_asked(session, monkeypatch, lines):
    folder = session.root.service("shop", "api")
    folder.slots.mkdir(parents=True)
    os.symlink(folder.pointer(0), folder.live)
    driver = Logs()
    monkeypatch.setattr(session.guard, "driver", driver)
    answer = session.answer({"request": "logs", "lines": lines})
    assert 1 <= driver.asked[0] <= 1000
    assert len(frames.encode({"ok": True, **answer})) < frames.MAX_HEADER
    assert answer["logs"]["api"][-1].startswith(str(driver.asked[0] - 1))


def sent(session, identifier):
    """Upload one small file."""
    data = b"{}"
    about = {"name": "release.json", "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "offset": 0}
    return session.answer({"request": "upload", "id": identifier, **about}, data)


def test_a_session_prepares_what_it_uploaded_itself_and_touches_nobody_else_s(session):
    other = Session(session.root, None, {})
    assert sent(other, "theirs")["done"]
    place = session.root.incoming / "theirs"
    for mine in ("", "mine"):
        if mine:
            assert sent(session, mine)["done"]
        with pytest.raises(UploadRefused, match="uploaded nothing as theirs"):
            session.answer({"request": "prepare", "id": "theirs", "dist": "incoming"})
        assert (place / "release.json").read_bytes() == b"{}"
    place.joinpath("left").touch()
    with pytest.raises(UploadRefused, match="uploaded nothing as left"):  # what nobody claims is nobody's
        session.answer({"request": "prepare", "id": "left", "dist": "incoming"})
    with pytest.raises(Refused, match="trust file"):
        session.answer({"request": "prepare", "id": "mine", "dist": "incoming"})
