"""The build caches of a checkout: a slot for each target, and what counts as used."""

import hashlib
import os

import pytest

from goferry.caches.warm import TAGS, CacheSlot, Unpacked, Used, Warm

SLOT = CacheSlot("1.27.3", "linux", "amd64", {"CGO_ENABLED": "0", "GOAMD64": "v1", TAGS: ""})


def write(folder, data):
    digest = hashlib.sha256(data).hexdigest()
    path = folder / digest[:2] / f"{digest}-d"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return f"{digest[:2]}/{path.name}"


@pytest.fixture
def warm(tmp_path):
    made = Warm(tmp_path / "cache", tmp_path)
    made.make()
    return made


def test_what_decides_the_compiler_s_output_has_a_slot_of_its_own():
    slots = [
        SLOT,
        CacheSlot("1.27.4", "linux", "amd64", SLOT.flags),
        CacheSlot("1.27.3", "linux", "arm64", SLOT.flags),
        CacheSlot("1.27.3", "linux", "amd64", {**SLOT.flags, "GOAMD64": "v3"}),
        CacheSlot("1.27.3", "linux", "amd64", {**SLOT.flags, TAGS: "netgo"}),
    ]
    assert len({slot.name for slot in slots}) == len(slots)
    assert SLOT.name.startswith("go1.27.3-linux-amd64-")
    assert SLOT.environ == {"GOOS": "linux", "GOARCH": "amd64", "CGO_ENABLED": "0", "GOAMD64": "v1"}


def test_without_the_folder_go_uses_its_own(tmp_path):
    warm = Warm(tmp_path / "cache", tmp_path)
    with warm.working(SLOT, "build linux/amd64") as working:
        assert working.environ == {}
        working.whole = True
    warm.forget("build")
    warm.keep("build", [working])
    assert warm.used(SLOT, "build") is None
    assert not (tmp_path / "cache").exists()


def work(warm, word, *, whole=True, slot=SLOT):
    with warm.working(slot, "build " + word) as working:
        names = [write(working.gocache, word.encode()), write(working.gocache, b"shared")]
        working.whole = whole
    return working, set(names)


def test_what_all_pieces_of_work_used_counts(warm):
    (one, first), (two, second) = work(warm, "one"), work(warm, "two")
    warm.keep("build", [one, two])
    assert warm.used(SLOT, "build") == Used(frozenset(first | second), pytest.approx(0, abs=5))
    assert warm.used(SLOT, "test") is None
    warm.forget("build")
    assert warm.used(SLOT, "build") is None


def test_one_that_was_not_whole_spoils_its_own_slot_alone(warm):
    other = CacheSlot("1.27.3", "linux", "arm64", {TAGS: ""})
    works = [work(warm, "one")[0], work(warm, "two", whole=False)[0], work(warm, "one", slot=other)[0]]
    warm.keep("build", works)
    assert warm.used(SLOT, "build") is None
    assert warm.used(other, "build") is not None


def test_what_lay_there_and_was_not_used_does_not_count(warm):
    stale = write(warm.gocache(SLOT), b"stale")
    os.utime(warm.gocache(SLOT) / stale)
    working, names = work(warm, "one")
    warm.keep("build", [working])
    assert warm.used(SLOT, "build").names == names


def test_what_was_unpacked_is_remembered(warm):
    assert warm.packs(SLOT) == {}
    warm.note_packs(SLOT, {"deps": Unpacked("a" * 32, frozenset(["x", "y"])), "own": Unpacked("b" * 32, frozenset())})
    assert warm.packs(SLOT) == {
        "deps": Unpacked("a" * 32, frozenset(["x", "y"])),
        "own": Unpacked("b" * 32, frozenset()),
    }
    (warm.root / "packs" / f"{SLOT.name}.json").write_text("[1]")
    assert warm.packs(SLOT) == {}


def test_only_the_job_that_began_it_finds_it_proven(warm):
    warm.make()
    assert not warm.proven("1")
    stale = warm.gocache(SLOT) / write(warm.gocache(SLOT), b"stale")
    warm.begin("1")
    assert warm.there
    assert not stale.exists()
    assert [warm.proven(job) for job in ("1", "2", "")] == [True, False, False]
    warm.doubt()
    assert not warm.proven("1")
    warm.begin("")
    assert warm.there
    assert not warm.proven("")


def test_what_cannot_be_removed_is_never_proven(warm, tmp_path):
    (tmp_path / "other").mkdir()
    warm.remove()
    warm.root.symlink_to(tmp_path / "other")
    with pytest.raises(OSError):
        warm.begin("1")
    assert not warm.proven("1")
