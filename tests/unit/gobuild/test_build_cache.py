"""What a build compiles from, and what the ledger says of it."""

import pytest

from goferry.artifacts import Compiled, Ledger, LedgerPack
from goferry.artifacts.ledger import LedgerInvalid
from goferry.caches import ci_job
from goferry.caches.warm import TAGS, CacheSlot, Unpacked, Warm
from goferry.gobuild.build_cache import BuildCache, strict
from goferry.kernel import canonical

LINUX, DARWIN = (CacheSlot("1.27.3", goos, "arm64", {TAGS: ""}) for goos in ("linux", "darwin"))
CI = {"CI": "true", "GITHUB_RUN_ID": "7", "GITHUB_JOB": "build", "RUNNER_TRACKING_ID": "one"}
NEXT = {**CI, "RUNNER_TRACKING_ID": "two"}
LAPTOP = {"HOME": "/home/a"}
SIGNED = Unpacked("a" * 32, frozenset(["x"]), "1" * 64, signed=True)


@pytest.fixture
def warm(tmp_path):
    return Warm(tmp_path / "cache", tmp_path)


def chosen(warm, tmp_path, environ, *, snapshot=False):
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    return BuildCache.choose(warm, environ, work, snapshot=snapshot)


@pytest.mark.parametrize(
    ("environ", "snapshot", "wanted"),
    [(CI, False, True), (CI, True, False), (LAPTOP, False, False), ({"CI": "1"}, False, True), ({}, True, False)],
)
def test_a_release_in_ci_is_held_to_what_is_proven(environ, snapshot, wanted):
    assert strict(environ, snapshot=snapshot) is wanted


@pytest.mark.parametrize("begun", ["never", "plainly", "by another job", "and doubted"])
def test_what_this_job_did_not_begin_has_no_part_in_a_release(warm, tmp_path, begun):
    if begun == "plainly":
        warm.make()
    elif begun != "never":
        warm.begin(ci_job.identity(NEXT if begun == "by another job" else CI))
        warm.note_packs(LINUX, {"deps": SIGNED})
    if begun == "and doubted":
        warm.doubt()
    ground = chosen(warm, tmp_path, CI)
    with ground.working(LINUX, "build") as working:
        assert working.environ == {"GOCACHE": str(tmp_path / "work/gocache"), "GOCACHEPROG": ""}
        assert not list(working.gocache.iterdir())
        working.whole = True
    ground.keep("build", [working])
    assert ground.environ([LINUX]) == working.environ
    assert ground.compiled([LINUX]) == (Compiled(LINUX.name, "cold", ()),)
    assert warm.used(LINUX, "build") is None


def test_what_this_job_began_is_used_and_told(warm, tmp_path):
    warm.begin(ci_job.identity(CI))
    warm.note_packs(LINUX, {"own": SIGNED, "deps": SIGNED})
    ground = chosen(warm, tmp_path, CI)
    with ground.working(LINUX, "build") as working:
        assert working.gocache == warm.gocache(LINUX)
        working.whole = True
    ground.keep("build", [working])
    assert warm.used(LINUX, "build") is not None
    packs = tuple(LedgerPack(kind, "1" * 64, signed=True) for kind in ("deps", "own"))
    assert ground.compiled([LINUX, DARWIN, LINUX]) == (
        Compiled(DARWIN.name, "cold", ()),
        Compiled(LINUX.name, "packs", packs),
    )


@pytest.mark.parametrize(("environ", "snapshot"), [(CI, True), (LAPTOP, False)])
def test_everything_else_uses_what_is_there(warm, tmp_path, environ, snapshot):
    ground = chosen(warm, tmp_path, environ, snapshot=snapshot)
    with ground.working(LINUX, "build") as working:
        assert working.environ == {}
    assert ground.environ([LINUX]) == {}
    assert ground.compiled([LINUX]) == (Compiled(LINUX.name, "gocache", ()),)
    assert not list((tmp_path / "work").iterdir())


def test_the_ledger_keeps_it_and_one_of_before_has_none(tmp_path, warm):
    ledger = Ledger("shop", "v1.0.0", compiled=chosen(warm, tmp_path, CI).compiled([LINUX]))
    ledger.save(tmp_path)
    assert Ledger.load(tmp_path) == ledger
    record = canonical.loads((tmp_path / "goferry.json").read_bytes())
    assert record.pop("compiled")
    assert Ledger.parse(canonical.dumps(record)).compiled == ()


@pytest.mark.parametrize(
    "entry", ["x", 1, {}, {"slot": "a", "from": "elsewhere", "packs": []}, {"slot": 7, "from": "cold", "packs": []}]
)
def test_an_odd_entry_is_no_ledger(tmp_path, entry):
    Ledger("shop", "v1.0.0", compiled=[entry]).save(tmp_path)
    with pytest.raises(LedgerInvalid):
        Ledger.load(tmp_path)
