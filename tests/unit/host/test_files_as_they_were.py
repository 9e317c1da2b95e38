"""What earlier agents wrote is read, and written again to the byte: a host is upgraded, and put back, with its files."""

import json

import pytest

from goferry.config import model
from goferry.host import journal, shim, slots, state
from goferry.host.embedded import Embedded
from goferry.host.journal import JournalLine
from goferry.host.kinds import KINDS
from goferry.host.shim import Slot
from goferry.kernel import canonical, services

SLOT = {
    "schema": 1, "project": "shop", "service": "api", "slot": 1, "mode": "plain", "group": "shop~api~plain",
    "port": 8080, "listen": 23181, "sequence": 7, "version": "v7", "sha256": "a" * 64, "program": "api",
    "args": ["--listen", "127.0.0.1:23181"], "env": {"ADDR": "127.0.0.1:23181"}, "env_file": "", "health": "/healthz",
    "control": "0123-1.sock", "ready_ms": 30000, "bake_ms": 2000, "drain_ms": 10000, "guarded": True, "attempt": "one",
}  # fmt: skip
TEMPLATE = {"args": ["--listen", "%(address)s"], "env": {"ADDR": "%(address)s"}}
LIVE = {"slot": 1, "sequence": 7, "version": "v7", "sha256": "a" * 64, "mode": "plain", "port": 8080}
ENTRY = {
    "sequence": 7,
    "version": "v7",
    "sha256": "a" * 64,
    "mode": "plain",
    "port": 8080,
    "digest": "d",
    "left": False,
}


@pytest.fixture
def folder(tmp_path):
    made = Embedded(tmp_path).service("shop", "api")
    made.prepare()
    return made


@pytest.mark.parametrize("more", [{}, {"template": TEMPLATE}, {"from_a_newer_agent": [1, {"a": None}]}])
def test_a_slot_is_written_as_it_was_read(folder, more):
    data = canonical.dumps({**SLOT, **more})
    folder.slot(1).write_bytes(data)
    slot = slots.read(folder, 1)
    slots.write(folder, slot)
    assert folder.slot(1).read_bytes() == data
    slots.write(folder, slot._replace(guarded=False))
    assert canonical.loads(folder.slot(1).read_bytes()) == {**SLOT, **more, "guarded": False}


DAMAGED = [b"", b"{", b"{}", b"[]", b"7", b'"x"', b'{"mode": "plain", "template": []}', b'{"mode": "plain"']


@pytest.mark.parametrize("data", DAMAGED)
def test_a_damaged_slot_is_an_empty_one(folder, data):
    folder.slot(1).write_bytes(data)
    assert slots.read(folder, 1) is None


def test_what_an_older_agent_did_not_write_has_its_default(folder):
    folder.slot(1).write_bytes(canonical.dumps({"slot": 1, "mode": "socket"}))
    assert slots.read(folder, 1) == Slot(slot=1, mode="socket")


@pytest.mark.parametrize("live", [None, LIVE])
@pytest.mark.parametrize("stopped", [False, True])
def test_a_state_is_written_as_it_was_read(folder, live, stopped):
    record = {"schema": 2, "live": live, "history": [ENTRY] if live else [], "stopped": stopped}
    folder.state.write_bytes(canonical.dumps(record))
    state.write(folder, state.read(folder))
    assert canonical.loads(folder.state.read_bytes()) == record


@pytest.mark.parametrize(
    "record",
    [
        {"event": "begin", "phase": "STAGING", "schema": 2, "transaction": {"id": "t"}, "critical": {}, "notes": {}},
        {"event": "staged", "phase": "VERIFIED"},
        {"event": "settled", "phase": "IDLE", "result": {"outcome": "aborted", "error": None, "numbers": {}}},
    ],
)
def test_a_line_is_written_as_it_was_read(record):
    assert JournalLine.of(record).record() == record
    assert journal.encode(JournalLine.of(record).record()) == journal.encode(record)


def test_a_note_of_a_start_has_the_names_that_older_shims_read(tmp_path):
    path = tmp_path / "0.run"
    path.write_text(json.dumps({"attempt": "one", "count": 1, "at": 0}))
    shim.note_start(str(path), Slot(attempt="two"))
    assert json.loads(path.read_text()).keys() == {"attempt", "count", "at", "pid", "boot", "started"}


def test_a_kind_of_service_has_one_name_wherever_it_is_written():
    assert {name: kind.shape for name, kind in KINDS.items()} == services.SHAPES
    assert services.SOCKET.name == shim.SHARES
    keys = {key for kind in services.SHAPES.values() for key in kind.listens}
    assert keys == set(model.Listen.__struct_fields__)


def test_goferry_yml_and_the_host_have_the_same_defaults():
    mine, theirs = model.Service(main="."), services.Declared.of({})
    for name in ("health", "port", "env_file"):
        assert getattr(mine, name) == getattr(theirs, name)
    for name, seconds in (("ready_within_ms", mine.ready_within), ("bake_ms", mine.bake), ("drain_ms", mine.drain)):
        assert getattr(theirs, name) == seconds * 1000


@pytest.mark.parametrize("listen", [{}, {"env": "A"}, {"port_env": "P"}, {"flag": "-l"}, {"socket": True}])
def test_what_listen_means(listen):
    kind = services.Declared.of({"listen": listen}).kind(services.SHAPES)
    assert kind == ("socket" if "socket" in listen else "plain")


def test_a_mode_that_only_a_newer_agent_knows_keeps_nothing_from_being_read(folder):
    folder.slot(0).write_bytes(canonical.dumps({**SLOT, "slot": 0, "mode": "from-tomorrow"}))
    assert folder.root.kind(slots.read(folder, 0).mode).shape == services.PLAIN
