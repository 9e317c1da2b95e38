"""The values that a slot starts with: taken when it is prepared, kept through crashes, new ones by a proven start alone.

On a simulated systemd that reads the slot's copy at each start, as the unit does.
"""

import itertools
import os

import pytest
import simulated
from sampling import sample
from simulated import HOST, PLACE, change, engine, recover, wanted

from goferry.host import agent, journal, slot_environment, slots
from goferry.host.provisioned import Provisioned
from goferry.host.view import View
from goferry.kernel import hostfile, machine
from goferry.kernel.outcomes import EnvironmentUnreadable, NothingToRestart
from goferry.kernel.sequence import SequenceBelowMinimum

host = simulated.host
LINES = ["begin", "staged", "started", "proven", "switch", "pointed", "routed", "baked", "commit", "retired", "settled"]


class Crash(BaseException):
    """The agent is gone."""


@pytest.fixture
def secrets(tmp_path, monkeypatch):
    """The file on a host that only root writes."""
    path = tmp_path / "env" / "shop-api"
    path.parent.mkdir()
    path.write_text("DATABASE_URL=one\n")
    monkeypatch.setattr(hostfile.Place, "env_file", property(lambda _: str(path)))
    return path


def folder(host):
    return host.root.service("shop", "api")


def newer(host):
    guard, traffic = simulated.parts(host)
    return View(host.root, guard, traffic).one(folder(host)).newer_values


def test_a_crash_a_recovery_and_the_way_back_use_what_the_slot_was_prepared_with(host, secrets):
    change(host, "deploy", "v1", "")
    assert (host.given(), newer(host)) == ({"DATABASE_URL": "one"}, False)
    assert folder(host).environment(0).stat().st_mode & 0o777 == 0o600
    secrets.write_text("# another place, and a comment\nDATABASE_URL='two'\n")
    host.power_cut()
    recover(host)
    assert (host.given(), newer(host)) == ({"DATABASE_URL": "one"}, True)
    made = engine(host, "v2")
    made.begin(wanted(host, "deploy", "v2", "v1"))
    made.advance("switch")
    assert (host.serving(), host.given()) == ("v2", {"DATABASE_URL": "two"})
    made.advance("abort")
    assert (host.serving(), host.given(), newer(host)) == ("v1", {"DATABASE_URL": "one"}, True)
    assert not folder(host).environment(1).exists()
    change(host, "deploy", "v2", "v1")
    assert (host.given(), newer(host)) == ({"DATABASE_URL": "two"}, False)
    assert not folder(host).environment(0).exists()
    secrets.write_text("DATABASE_URL=three\n")
    change(host, "rollback", "v1", "v2")
    assert (host.serving(), host.given()) == ("v1", {"DATABASE_URL": "three"})


def test_what_means_the_same_does_not_wait(host, secrets):
    change(host, "deploy", "v1", "")
    secrets.write_text('# written anew\nDATABASE_URL="one"\n')
    assert not newer(host)
    secrets.unlink()  # all of its values go
    assert newer(host)


KILLS = [
    case
    for line in LINES
    for case in sample([(line, *how) for how in itertools.product(("before", "after"), (False, True))], 2)
]


@pytest.mark.parametrize(("line", "when", "power"), KILLS)
def test_a_restart_that_is_killed_leaves_the_old_values_or_the_new_ones(host, secrets, monkeypatch, line, when, power):
    change(host, "deploy", "v1", "")
    secrets.write_text("DATABASE_URL=two\n")
    append = journal.Journal.append

    def killing(self, written):
        if written.event == line and when == "before":
            raise Crash
        append(self, written)
        if written.event == line:
            raise Crash

    monkeypatch.setattr(journal.Journal, "append", killing)
    with pytest.raises(Crash):
        change(host, "restart", "v1", "v1")
    monkeypatch.setattr(journal.Journal, "append", append)
    if power:
        host.power_cut()
    recover(host)
    committed = line in ("retired", "settled") or (line, when) == ("commit", "after")
    assert (host.serving(), host.given()) == ("v1", {"DATABASE_URL": "two" if committed else "one"})
    assert newer(host) is not committed
    assert len(host.processes) == len(host.sockets) == len(list(folder(host).slots.glob("*.env"))) == 1
    before = {unit: process.pid for unit, process in host.processes.items()}
    assert recover(host) == []
    assert {unit: process.pid for unit, process in host.processes.items()} == before
    assert change(host, "restart", "v1", "v1").failure is None
    assert (host.given(), newer(host)) == ({"DATABASE_URL": "two"}, False)


def ask(host, request, **fields):
    """One session of a client: the release is in the store, so nothing is uploaded."""
    session = agent.AgentSession(host.root, None, {})
    answer = session.answer({"request": request, "id": f"{request}-{os.urandom(4).hex()}", **fields})
    return session, answer


def test_a_client_s_restart_takes_the_same_release_to_the_other_slot(host, secrets):
    change(host, "deploy", "v1", "")
    secrets.write_text("DATABASE_URL=two\n")
    before = host.processes[PLACE.unit(0)].pid
    session, prepared = ask(host, "restart", project="shop")
    assert prepared["changes"] == [
        {"service": "api", "from": "v1", "from_sequence": 1, "to": "v1", "sequence": 1, "slot": 1, "mode": "socket", "port": 8080}
    ]  # fmt: skip
    assert (prepared["phase"], prepared["version"], host.given()) == ("HEALTHY", "v1", {"DATABASE_URL": "one"})
    assert session.answer({"request": "switch"})["phase"] == machine.BAKING
    assert host.processes[PLACE.unit(0)].pid == before  # it is warm until the commit
    shown = session.answer({"request": "commit"})["services"]["api"]
    assert (shown["version"], shown["slot"], shown["newer_values"]) == ("v1", 1, False)
    assert set(host.processes) == {PLACE.unit(1)}
    assert host.given() == {"DATABASE_URL": "two"}


def test_a_restart_that_fails_its_proof_leaves_what_serves(host, secrets):
    change(host, "deploy", "v1", "")
    secrets.write_text("DATABASE_URL=broken\n")
    start, host.start = host.start, lambda unit: start(unit) or host.failing.add(PLACE.unit(1))
    with pytest.raises(Exception, match="started 2 times"):
        ask(host, "restart")
    assert (host.serving(), host.given(), newer(host)) == ("v1", {"DATABASE_URL": "one"}, True)
    assert set(host.processes) == {PLACE.unit(0)}


def test_what_does_not_serve_is_not_restarted_and_what_is_below_the_minimum_neither(
    host, secrets, tmp_path, monkeypatch
):
    with pytest.raises(NothingToRestart, match="no service"):
        ask(host, "restart", project="shop")
    change(host, "deploy", "v1", "")
    with pytest.raises(NothingToRestart, match="web does not serve"):
        ask(host, "restart", services=["api", "web"])
    trust = tmp_path / "shop.trust"
    trust.write_text('{"projects": {"shop": {"minimum": 2}}}')
    monkeypatch.setattr(Provisioned, "trust_of", lambda *_: str(trust))
    with pytest.raises(SequenceBelowMinimum):
        ask(host, "restart")
    assert host.serving() == "v1"


def test_units_of_before_read_the_file_itself_so_nothing_is_copied_for_them(host, secrets, monkeypatch, tmp_path):
    unit = tmp_path / "goferry-shop-api@.service"
    unit.write_text(f"[Service]\nEnvironmentFile=-{secrets}\n")
    monkeypatch.setattr("goferry.host.provisioned._template", lambda _: unit)
    change(host, "deploy", "v1", "")
    assert not folder(host).environment(0).exists()
    secrets.write_text("DATABASE_URL=two\n")
    assert not newer(host)  # the next start takes it
    unit.write_text(f"[Service]\nEnvironmentFile=-{folder(host).environment('%i')}\n")
    recover(host)
    assert folder(host).environment(0).read_text() == "DATABASE_URL=two\n"
    secrets.write_text("DATABASE_URL=three\n")
    recover(host)
    assert folder(host).environment(0).read_text() == "DATABASE_URL=two\n"


def test_nothing_is_started_without_values_that_the_agent_can_t_see(host, secrets, tmp_path):
    change(host, "deploy", "v1", "")
    secrets.unlink()
    secrets.symlink_to(tmp_path / "home" / "secrets")  # people's homes are hidden from it
    assert not newer(host)  # nobody can tell
    with pytest.raises(EnvironmentUnreadable, match="No such file"):
        ask(host, "restart")
    secrets.unlink()
    secrets.write_bytes(b"DATABASE_URL=\xff\n")
    with pytest.raises(EnvironmentUnreadable, match="line 1 gives a value that is not UTF-8"):
        ask(host, "restart")
    assert (host.serving(), host.given()) == ("v1", {"DATABASE_URL": "one"})
    assert [path.name for path in folder(host).slots.glob("*.env")] == ["0.env"]


def test_a_slot_without_a_file_gets_an_empty_copy_so_that_a_later_file_waits(host, secrets):
    secrets.unlink()
    change(host, "deploy", "v1", "")
    assert host.given() == {}
    secrets.write_text("DATABASE_URL=one\n")
    host.power_cut()
    recover(host)
    assert (host.given(), newer(host)) == ({}, True)


def test_the_folder_of_a_target_has_copies_only_of_files_that_it_has(tmp_path):
    from goferry.host.embedded import Embedded

    target = Embedded(tmp_path)
    place = target.service("shop", "api")
    place.prepare()
    slot = slots.Slot(slot=1, env_file="secrets.env")
    slot_environment.prepare(place, slot)
    assert not place.environment(1).exists()  # its start says that the file is not there
    (tmp_path / "secrets.env").write_text("A=1\n")
    slot_environment.prepare(place, slot)
    assert place.environment(1).read_text() == "A=1\n"
    assert HOST.projects["shop"]["api"].environment(1).endswith("/shop/api/slots/1.env")
