"""What the store removes: binaries and releases that nothing names, and nothing that somebody else put beside them."""

import pytest

from goferry.host import slots, state
from goferry.host.embedded import Embedded
from goferry.host.shim import Slot
from goferry.host.store import Store
from goferry.kernel.machine import Change, Transaction

DIGESTS = {name: name * 64 for name in "abc"}
CHANGE = Change("api", "socket", 1, 0, 3, "v3", DIGESTS["c"])
MOVED = Transaction("t", "deploy", "shop", "rollback", "d", (CHANGE,))


@pytest.fixture
def folder(tmp_path):
    made = Embedded(tmp_path).service("shop", "api")
    made.prepare()
    for sequence, digest in enumerate(DIGESTS.values(), 1):
        made.blob(digest).write_text(digest)
        place = made.release(sequence)
        place.mkdir()
        for name in ("release.json", "SHA256SUMS", "admission.json", ".release.json.x1y2", ".api.77", "api"):
            (place / name).write_text("{}")
    (made.store / f".{DIGESTS['a']}.part").write_text("half")
    return made


def live(folder):
    live = state.Live(slot=0, sequence=2, version="v2", sha256=DIGESTS["b"], mode="socket", port=1)
    state.write(folder, state.State(live, (live.entry(),)))


@pytest.mark.parametrize("act", ["discard", "prune"])
@pytest.mark.parametrize("first", [True, False], ids=["first deploy", "later"])
def test_what_nothing_names_is_removed_and_the_rest_stays(folder, act, first):
    foreign = ["store/notes", "store/folder/notes", f"store/{DIGESTS['a']}.bak", f"store/{'d' * 64}/in a folder"]
    foreign += [
        "releases/notes",
        "releases/1/notes",
        "releases/old/notes",
        "releases/7",
        "data/db",
        "log/0.log",
        "notes",
    ]
    for name in foreign:
        path = folder.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("theirs")
    if not first:
        live(folder)
    getattr(Store(folder.root), act)(MOVED, CHANGE)
    assert [name for name in foreign if (folder.path / name).read_text() != "theirs"] == []
    kept = {path.name for path in folder.store.iterdir() if path.is_file() and len(path.name) == 64}
    assert kept == (set() if first else {DIGESTS["b"]})
    assert not (folder.store / f".{DIGESTS['a']}.part").exists()
    assert {path.name for path in (folder.releases / "1").iterdir()} == {"notes"}
    assert not folder.release(3).exists()
    assert folder.release(2).exists() is not first


def test_what_a_slot_names_stays(folder):
    slots.write(folder, Slot(slot=1, sequence=3, sha256=DIGESTS["c"]))
    Store(folder.root).discard(MOVED, CHANGE)
    assert {path.name for path in folder.store.iterdir()} == {DIGESTS["c"]}


def test_a_service_without_a_folder_has_nothing_to_discard(tmp_path):
    Store(Embedded(tmp_path)).discard(MOVED, CHANGE)
    assert list(tmp_path.iterdir()) == []
