"""What the agent of a provisioned host does not do for whoever has the deploy key."""

import hashlib
import os

import pytest

from goferry.host import checks
from goferry.host.agent import AgentSession
from goferry.host.embedded import Embedded
from goferry.host.provisioned import Provisioned
from goferry.kernel import frames
from goferry.kernel.errors import Misuse, Refused
from goferry.kernel.hostfile import HostFile, Place
from goferry.kernel.outcomes import UploadRefused


@pytest.fixture
def session(tmp_path):
    os.chmod(tmp_path, 0o755)
    return AgentSession(
        Provisioned(tmp_path, HostFile(projects={"shop": {"api": Place("shop", "api", 8080, "socket")}})), None, {}
    )


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


def test_logs_of_two_projects_with_a_service_of_one_name_are_both_shown(tmp_path, monkeypatch):
    os.chmod(tmp_path, 0o755)
    session = AgentSession(Embedded(tmp_path), None, {})
    for project in ("blog", "shop"):
        folder = session.root.service(project, "api")
        folder.slots.mkdir(parents=True)
        os.symlink(folder.pointer(0), folder.live)
    monkeypatch.setattr(session.guard, "driver", Logs())
    assert session.answer({"request": "logs"})["logs"].keys() == {"blog/api", "shop/api"}


@pytest.mark.parametrize("request_", ["down", "purge"])
def test_who_has_a_transaction_open_waits_for_no_lock_of_its_own(tmp_path, request_):
    os.chmod(tmp_path, 0o755)
    session = AgentSession(Embedded(tmp_path), None, {})
    session.root.prepare()
    session.root.service("shop", "api").slots.mkdir(parents=True)
    session.engine = object()
    asked = {"request": request_, "dry_run": False, "wait_ms": 60_000}
    with pytest.raises(Misuse, match="open transaction"):
        session.answer({**asked, "project": "shop"} if request_ == "purge" else asked)


def test_a_purge_takes_no_folder_that_is_no_service_s(tmp_path):
    os.chmod(tmp_path, 0o755)
    session = AgentSession(Embedded(tmp_path), None, {})
    session.root.service("shop", "api").slots.mkdir(parents=True)
    for mine in ("shop/photos", "work/src"):
        (tmp_path / mine).mkdir(parents=True)
        (tmp_path / mine / "kept").touch()
    for project, service in (("shop", "photos"), ("work", "src"), ("shop", "../work"), ("work", "")):
        with pytest.raises(Misuse, match="keeps nothing"):
            session.answer({"request": "purge", "project": project, "service": service, "dry_run": False})
    session.answer({"request": "purge", "project": "shop", "dry_run": False})
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file() and path.name == "kept") == ["kept"] * 2
    assert not (tmp_path / "shop/api").exists()


def sent(session, identifier):
    """Upload one small file."""
    data = b"{}"
    about = {"name": "release.json", "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "offset": 0}
    return session.answer({"request": "upload", "id": identifier, **about}, data)


def test_a_session_prepares_what_it_uploaded_itself_and_touches_nobody_else_s(session):
    other = AgentSession(session.root, None, {})
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


@pytest.mark.parametrize("port", [8080, 23_000, 23_999, 24_000])
def test_a_public_port_that_services_may_draw_is_told_by_status_and_check(tmp_path, monkeypatch, port):
    os.chmod(tmp_path, 0o755)
    host = HostFile(projects={"shop": {"api": Place("shop", "api", port, "socket")}})
    session = AgentSession(Provisioned(tmp_path, host, "shop"), None, {})
    session.root.prepare()
    reserved = port in (23_000, 23_999)
    notes = session.answer({"request": "status"})["notes"]
    assert len(notes) == reserved
    monkeypatch.setattr(checks, "CHECKS", (checks._ports,))
    (found,) = checks.of_host(Provisioned(tmp_path, host), None)
    assert (found.name, found.of, found.ok) == ("port", "shop/api", not reserved)
    for text in (*notes, *[found.what] * reserved):
        assert f"on port {port}, one of 23000 to 23999" in text
    assert any("another `port` for api" in line for line in found.advice) == reserved
