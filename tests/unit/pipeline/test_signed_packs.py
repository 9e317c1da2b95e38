"""What an attacker can do to a place of packs: each is a miss with a reason, and nothing of it is ever used.

Only who has a key of the cache can say of a pack that a release may be compiled from it.
"""

import base64
import hashlib
import io
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from goferry.artifacts import Toolchain
from goferry.caches import pack, statement, storage as places
from goferry.caches.statement import PackStatement, StatementEntry
from goferry.caches.warm import CacheSlot, Warm
from goferry.cli.main import run
from goferry.config import model
from goferry.config.load import Loaded
from goferry.config.settings import Settings
from goferry.golang import _modzip as modzip
from goferry.kernel.errors import GoferryError
from goferry.kernel.trustfile import TrustFile
from goferry.pipeline import caching
from goferry.pipeline.caching import _belief as belief
from goferry.pipeline.caching._bring import looked_up, restore_modules, restore_slot
from goferry.pipeline.caching._pack_report import PackRow
from goferry.pipeline.caching._take import listed
from goferry.pipeline.caching.scope import Scope, key_of
from goferry.trust import _sequoia as sequoia, keys as signing
from goferry.trust._minisign_key import MinisignSecretKey

NOW = int(time.time())
SLOT = CacheSlot("1.27.3", "plan9", "amd64", {"CGO_ENABLED": "0", "tags": ""})
RUN = {"GITHUB_REPOSITORY_ID": "712345678", "GITHUB_SHA": "c" * 40, "GITHUB_RUN_ID": "1"}
KEY = MinisignSecretKey.from_seed(b"12345678", b"s" * 32)
OTHER = MinisignSecretKey.from_seed(b"87654321", b"t" * 32)


def entry(data):
    """An output and the entry of an action that has it, as Go writes them."""
    output = hashlib.sha256(data).hexdigest()
    action = hashlib.sha256(b"action of " + data).hexdigest()
    line = f"v1 {action} {output} {len(data):20} {NOW * 10**9:20}\n".encode()
    return {f"{output[:2]}/{output}-d": data, f"{action[:2]}/{action}-a": line}


GOOD = entry(b"compiled")


class Shop:
    """A project, the place of its packs, and a machine that restores them."""

    def __init__(self, folder):
        self.folder, self.repository = folder, folder / "shop"
        self.repository.mkdir()
        self.place = places.Folder(folder / "place")
        self.trust = self.repository / "goferry.cache.trust"
        self.trusts(KEY)
        self.settings = Settings(RUN, folder / "cache")
        loaded = Loaded(model.Project(), "shop", self.repository, self.repository, None)
        go = Toolchain("1.27.3", folder / "go", "module", "unproven")
        warm = Warm(self.settings.cache, self.repository)
        environ = {"GOMODCACHE": str(folder / "modules")}
        self.ground = Scope(loaded, go, environ, (), warm, {"go.sum": "1"}, "example.com/shop")

    def trusts(self, key, **more):
        entry = replace(key.signer().as_trust_key(), role="cache", **more)
        self.trust.write_bytes(TrustFile((entry,)).to_bytes())

    def path(self, kept, end="pack"):
        return self.folder / "place" / "v1" / kept.where / f"{kept.name}.{end}"

    def keep(self, data, kind="deps", slot=SLOT, at="20260101T000000Z", **note):
        """Lay a pack there, as whoever can write to the place could."""
        (self.folder / "pack").write_bytes(data)
        key, digest = key_of(self.ground.decides), hashlib.sha256(data).hexdigest()
        said = {"bytes": len(data), "size": 1, "files": 1, "sha256": digest, "seconds": 1.0, **note}
        kept = places.KeptPack(self.ground.where(kind, slot), f"{at}-{key}", key, **said)
        places.put(self.place, kept, self.folder / "pack")
        return kept

    def sign(self, kept, kind="deps", slot=SLOT, *, key=KEY, name="", **said):
        """Lay a statement there, of which a key says that it is true."""
        packs = (StatementEntry(kind, slot, said.pop("sha256", kept.sha256)),)
        told = {"repository": RUN["GITHUB_REPOSITORY_ID"], "project": self.ground.name, "commit": "d" * 40, **said}
        made = PackStatement(**told, packs=packs)
        data = statement.with_signatures(made, {"minisign": key.sign(made.signed, NOW)})
        self.place.write(f"{self.ground.name}/signed", name or kept.sha256, data)

    def statement(self, kept):
        return self.folder / "place" / "v1" / self.ground.name / "signed" / f"{kept.sha256}.json"

    def believing(self):
        names = (self.ground.name, self.ground.called)
        return replace(self.ground, belief=belief.believing(self.place, *names, self.trust, self.settings))

    def restore(self, kind="deps"):
        """Restore what is signed; return what came of one kind, why, and the files that lie in the slot."""
        self.ground.warm.begin("1")
        (row,) = [row for row in restore_slot(self.believing(), self.place, SLOT) if row.kind == kind]
        folder = self.ground.warm.gocache(SLOT)
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*-[ad]")}
        return row.done, row.why, files


def packed(tmp_path, files=GOOD, kind="deps", slot=SLOT):
    root = tmp_path / "packed"
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    out = io.BytesIO()
    pack.write(out, kind, slot.name, root, sorted(files))
    return out.getvalue()


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


@pytest.fixture
def data(tmp_path):
    return packed(tmp_path)


def test_a_signed_pack_is_restored_and_remembered_as_signed(shop, data):
    kept = shop.keep(data)
    shop.sign(kept)
    assert shop.restore() == ("restored", "", GOOD)
    held = shop.ground.warm.packs(SLOT)["deps"]
    assert (held.sha256, held.signed) == (kept.sha256, True)
    assert shop.ground.warm.proven("1")


def test_what_nobody_signed_is_a_miss(shop, data):
    shop.keep(data)
    assert shop.restore() == ("missed", "it is not signed", {})


def test_an_older_one_that_is_signed_is_taken_before_a_newer_one_that_is_not(shop, data, tmp_path):
    kept = shop.keep(data)
    shop.sign(kept)
    for day in range(2, 6):
        shop.keep(packed(tmp_path, entry(b"%d" % day)), at=f"2026010{day}T000000Z")
    assert shop.restore() == ("restored", "", GOOD)


def test_only_so_many_are_looked_at(shop, data, tmp_path):
    shop.sign(shop.keep(data))
    for second in range(belief._TRIES):
        shop.keep(packed(tmp_path, entry(b"%d" % second)), at=f"20260102T0000{second:02}Z")
    assert shop.restore()[0] == "missed"


def changed_object(data, tmp_path):
    """The action's entry has its right name, and leads to an output that somebody else wrote."""
    evil = entry(b"evil")
    output = next(name for name in evil if name.endswith("-d"))
    action = next(name for name in GOOD if name.endswith("-a"))
    return packed(
        tmp_path, {action: GOOD[action].replace(GOOD[action][68:132], output[3:-2].encode()), output: b"evil"}
    )


CHANGED = {
    "an object changed": changed_object,
    "cut": lambda data, _: data[:-1],
    "emptied": lambda _, __: b"",
    "a byte changed": lambda data, _: data[:-1] + bytes([data[-1] ^ 1]),
    "a byte more": lambda data, _: data + b"x",
    "much more": lambda data, _: data + bytes(5 << 20),
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_a_changed_pack_in_the_place_of_a_signed_one_is_a_miss(shop, data, change, tmp_path):
    kept = shop.keep(data)
    shop.sign(kept)
    changed = change(data, tmp_path)
    shop.path(kept).write_bytes(changed)
    assert shop.restore() == ("missed", "it is not the pack that was signed", {})


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_a_changed_pack_whose_note_tells_the_truth_is_not_signed(shop, data, change, tmp_path):
    kept = shop.keep(data)
    shop.sign(kept)
    shop.path(kept).unlink()
    shop.path(kept, "json").unlink()
    changed = shop.keep(change(data, tmp_path))
    assert shop.restore() == ("missed", "it is not signed", {})
    shop.place.write(f"{shop.ground.name}/signed", changed.sha256, shop.statement(kept).read_bytes())
    assert shop.restore() == ("missed", "its statement names other packs", {})


def test_an_object_that_is_not_what_its_name_says_is_a_miss_even_where_it_is_signed(shop, tmp_path):
    name = next(name for name in GOOD if name.endswith("-d"))
    shop.sign(shop.keep(packed(tmp_path, {name: b"evil"})))
    done, why, files = shop.restore()
    assert (done, files) == ("missed", {})
    assert "none that Go writes" in why


@pytest.mark.parametrize(
    "other",
    [
        CacheSlot("1.27.4", SLOT.goos, SLOT.goarch, SLOT.flags),
        CacheSlot(SLOT.go, "linux", SLOT.goarch, SLOT.flags),
        CacheSlot(SLOT.go, SLOT.goos, "arm64", SLOT.flags),
        CacheSlot(SLOT.go, SLOT.goos, SLOT.goarch, {**SLOT.flags, "tags": "netgo"}),
    ],
    ids=["Go", "system", "processor", "flags"],
)
def test_a_pack_for_something_else_is_a_miss(shop, tmp_path, other):
    data = packed(tmp_path, slot=other)
    kept = shop.keep(data)  # in the place of this slot
    shop.sign(kept, slot=other)
    assert shop.restore() == ("missed", "its statement names it for another kind, Go, target or flags", {})
    shop.statement(kept).unlink()
    shop.sign(kept)  # and even where the signer was deceived
    assert shop.restore() == ("missed", "it was made for another Go, target or flags", {})


def test_a_pack_of_another_kind_is_a_miss(shop, tmp_path):
    kept = shop.keep(packed(tmp_path, kind="own"))
    shop.sign(kept, kind="own")
    assert shop.restore()[:2] == ("missed", "its statement names it for another kind, Go, target or flags")
    shop.statement(kept).unlink()
    shop.sign(kept)
    assert shop.restore() == ("missed", "it is a pack of another kind than deps", {})


SAID = {
    "another repository's": ({"repository": "1"}, "its statement is of another repository, 1"),
    "another project's": ({"project": "site-1"}, "its statement is of another project, site-1"),
    "another pack's": ({"sha256": "e" * 64}, "its statement names other packs"),
}


@pytest.mark.parametrize(("change", "why"), SAID.values(), ids=SAID)
def test_a_statement_of_something_else_is_a_miss(shop, data, change, why):
    shop.sign(shop.keep(data), **change)
    assert shop.restore() == ("missed", why, {})


def bad_signature(shop, kept):
    record = json.loads(shop.statement(kept).read_bytes())
    lines = record["signatures"]["minisign"].splitlines()
    lines[1] = lines[1][:-3] + ("AA" if lines[1][-3:-1] != "AA" else "BB") + lines[1][-1]
    record["signatures"]["minisign"] = "\n".join(lines)
    shop.statement(kept).write_text(json.dumps(record))


def signed_as(key, **trust):
    def change(shop, kept):
        shop.statement(kept).unlink()
        shop.sign(kept, key=key)
        shop.trusts(KEY, **trust)

    return change


def written(data):
    return lambda shop, kept: shop.statement(kept).write_bytes(data)


def trusting(data):
    return lambda shop, _: shop.trust.write_bytes(data)


STATEMENTS = {
    "none": (lambda shop, kept: shop.statement(kept).unlink(), "it is not signed"),
    "empty": (written(b""), "its statement can't be read"),
    "text": (written(b"\x1b[31mhello\n::error::x"), "its statement can't be read"),
    "deeply nested": (written(b"[" * 100_000), "its statement can't be read"),
    "too large": (written(b" " * (2 << 20)), "its statement can't be read"),
    "without a signature": (
        lambda shop, kept: shop.statement(kept).write_bytes(
            statement.with_signatures(
                statement.parse(json.dumps(json.loads(shop.statement(kept).read_bytes())["statement"]).encode()), {}
            )
        ),
        "there is no signature beside the statement",
    ),
    "with a bad signature": (bad_signature, "not signed by a key that counts"),
    "by an unknown key": (signed_as(OTHER), "which the trust file does not list"),
    "by a revoked key": (signed_as(KEY, revoked_at=NOW + 9), "is revoked"),
    "by an expired key": (signed_as(KEY, valid_until=NOW), "was valid until"),
    "by a key of another project": (signed_as(KEY, scope=("site",)), "does not sign for shop"),
    "a link": (
        lambda shop, kept: (
            shop.statement(kept).rename(shop.folder / "aside"),
            shop.statement(kept).symlink_to(shop.folder / "aside"),
        ),
        "it is not signed",
    ),
    "without a trust file": (lambda shop, _: shop.trust.unlink(), "cannot read the trust file"),
    "with a trust file of nothing": (trusting(b""), "is not a trust file"),
    "with a release's trust file": (
        trusting(TrustFile((KEY.signer().as_trust_key(),)).to_bytes()),
        "role of a key is not one of cache",
    ),
}


@pytest.mark.parametrize(("change", "why"), STATEMENTS.values(), ids=STATEMENTS)
def test_what_no_good_signature_covers_is_a_miss(shop, data, change, why):
    kept = shop.keep(data)
    shop.sign(kept)
    change(shop, kept)
    done, told, files = shop.restore()
    assert (done, files) == ("missed", {})
    assert why in told
    assert told.isprintable()


@pytest.mark.parametrize(
    "make", [lambda path: path.symlink_to("/dev/zero"), os.mkfifo, os.mkdir], ids=["link", "pipe", "folder"]
)
def test_a_pack_that_is_no_file_is_a_miss(shop, data, make):
    kept = shop.keep(data)
    shop.sign(kept)
    shop.path(kept).unlink()
    make(shop.path(kept))
    done, why, files = shop.restore()
    assert (done, files) == ("missed", {})
    assert "not a plain file" in why


def test_a_link_in_the_folder_s_place_is_not_followed(shop, data, tmp_path):
    shop.sign(shop.keep(data))
    (tmp_path / "elsewhere").mkdir()
    shop.ground.warm.root.parent.mkdir(parents=True)
    shop.ground.warm.root.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="exists"):
        shop.ground.warm.begin("1")
    assert not list((tmp_path / "elsewhere").iterdir())


HOSTILE = {
    "paths outside": {"files": [["../../../../evil-d", 1]], "blocks": [1]},
    "an absolute path": {"files": [["/tmp/evil-d", 1]], "blocks": [1]},
    "a bomb": {"files": [[name, 1] for name in GOOD], "blocks": [len(GOOD)]},
    "sizes of no file": {"files": [[name, 1 << 40] for name in GOOD], "blocks": [len(GOOD)]},
}


@pytest.mark.parametrize("index", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("signs", [True, False], ids=["signed", "unsigned"])
def test_a_hostile_pack_is_a_miss_even_where_the_signer_was_deceived(shop, index, signs):
    framed = [pack.zstd.compress(json.dumps({"kind": "deps", "about": {"slot": SLOT.name}, **index}).encode())]
    framed.append(pack.zstd.compress(bytes(64 << 20)))
    data = pack.MAGIC + b"".join(len(frame).to_bytes(4, "big") + frame for frame in framed)
    kept = shop.keep(data)
    if signs:
        shop.sign(kept)
        done, why, files = shop.restore()
    else:
        shop.ground.warm.make()
        row = restore_slot(shop.ground, shop.place, SLOT)[0]
        done, why, files = row.done, row.why, {}
    assert (done, files) == ("missed", {})
    assert why
    assert not list(shop.folder.rglob("evil*"))


@pytest.mark.parametrize("digest", ["../../../../etc/passwd", "a" * 63, "", "A" * 64])
def test_a_note_that_names_no_digest_is_passed_over(shop, data, digest):
    shop.keep(data, sha256=digest)
    assert shop.restore() == ("missed", "nothing is kept yet", {})


def test_what_tests_add_is_never_taken(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(Scope, "native", property(lambda _: SLOT))
    kept = shop.keep(packed(tmp_path, kind="tests"), kind="tests")
    shop.place.write(f"{shop.ground.name}/signed", kept.sha256, b"{}")
    assert shop.restore("tests") == ("missed", "what tests add is never signed", {})


def test_status_tells_which_are_signed(shop, data, tmp_path):
    shop.sign(shop.keep(data))
    shop.keep(packed(tmp_path, entry(b"new")), at="20260202T000000Z")

    def looked(signed):
        row = looked_up(shop.believing(), shop.place, "deps", SLOT, shop.ground.decides, signed=signed)
        return row.done, row.signed, row.sha256[:6]

    digest = hashlib.sha256(data).hexdigest()[:6]
    assert looked(signed=True) == ("there", True, digest)
    done, signed, newest = looked(signed=False)
    assert (done, signed) == ("there", False)
    assert newest != digest


MODULE, FILES = "example.com/dep@v1.2.3", {"go.mod": b"module example.com/dep\n", "a.go": b"package a\n"}


def sums_of(files):
    return modzip.h1({f"{MODULE}/{name}": hashlib.sha256(data).hexdigest() for name, data in files.items()})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, "the newest"),
        ({"a.go": b"package evil\n"}, "1 of it are not"),
        ({"more.go": b"package a\n"}, "1 of it are not"),
    ],
    ids=["as it is", "a file changed", "a file more"],
)
def test_modules_count_by_go_sum_beside_signed_packs(shop, tmp_path, change, why):
    """No signature is asked for: go.sum says of each module which bytes it has."""
    (shop.repository / "go.sum").write_text(f"example.com/dep v1.2.3 {sums_of(FILES)}\n")
    files = {f"{MODULE}/{name}": data for name, data in {**FILES, **change}.items()}
    kept = shop.keep(packed(tmp_path, files, "modules", CacheSlot("", "", "")), "modules", None)
    assert kept.where.endswith("/modules/all")
    (row,) = restore_modules(shop.believing(), shop.place)
    assert (row.done, row.why[: len(why)]) == ("restored", why)
    assert (tmp_path / "modules" / MODULE).exists() is not bool(change)


def saved(slot=SLOT, kind="deps", digest="a" * 64):
    return PackRow(kind, slot.name, "saved", sha256=digest)


@pytest.fixture
def lists(shop, monkeypatch):
    """`lists(rows)` writes the list of what was saved."""
    monkeypatch.setattr(Scope, "slots", property(lambda _: {SLOT.name: SLOT}))

    def write(*rows, proven=True, settings=shop.settings):
        path = shop.folder / "list"
        row = listed(shop.ground, rows, path, settings, proven=proven)
        return path, row

    return write


def signs(shop, *paths, settings=None, **more):
    return belief.sign(
        paths,
        str(shop.folder / "place"),
        **{
            "key": signing.Secret("GOFERRY_CACHE_KEY", KEY.to_bytes()),
            "trust": shop.trust,
            "directory": shop.repository,
            "settings": settings or shop.settings,
            **more,
        },
    )


def test_what_this_job_made_is_listed_and_signed_and_believed(shop, data, lists):
    kept = shop.keep(data)
    path, row = lists(saved(digest=kept.sha256), saved(kind="tests"), replace(saved(kind="own"), done="kept"))
    assert (row.done, row.why) == ("listed", "1 packs")
    said = statement.parse(path.read_bytes())
    assert said == PackStatement("712345678", shop.ground.name, "c" * 40, (StatementEntry("deps", SLOT, kept.sha256),))
    assert [each.done for each in signs(shop, path, dry_run=True)] == ["would be signed"]
    assert shop.restore()[0] == "missed"
    (row,) = signs(shop, path)
    assert (row.done, row.signed, row.sha256) == ("signed", True, kept.sha256)
    assert shop.restore() == ("restored", "", GOOD)
    assert [each.done for each in signs(shop, path)] == ["signed"]  # again


def test_a_job_that_is_not_proven_lists_nothing(shop, lists):
    path, row = lists(saved(), proven=False)
    assert statement.parse(path.read_bytes()).packs == ()
    assert "restore --signed" in row.why
    assert signs(shop, path) == []


def test_outside_git_and_runners_the_list_is_the_project_s(shop, lists, tmp_path):
    path, _ = lists(saved(), settings=Settings({}, tmp_path / "cache"))
    said = statement.parse(path.read_bytes())
    assert (said.repository, said.commit) == (shop.ground.name, "")
    assert [each.done for each in signs(shop, path, settings=Settings({}, tmp_path / "cache"))] == ["signed"]


def test_what_lies_in_a_statement_s_place_stays_and_is_told(shop, data, lists):
    kept = shop.keep(data)
    shop.place.write(f"{shop.ground.name}/signed", kept.sha256, b"junk")
    (row,) = signs(shop, lists(saved(digest=kept.sha256))[0])
    assert row.done == "missed"
    assert "can't be read" in row.why


@pytest.mark.parametrize(
    ("trust", "why"),
    [
        ({"valid_until": NOW - 9}, "was valid until"),
        ({"revoked_at": NOW - 9}, "is revoked"),
        ({"scope": ("site",)}, ""),
    ],
    ids=["expired", "revoked", "of another project"],
)
def test_what_would_not_be_believed_is_not_laid_there(shop, data, lists, trust, why):
    shop.trusts(KEY, **trust)
    kept = shop.keep(data)
    (row,) = signs(shop, lists(saved(digest=kept.sha256))[0])
    assert why in row.why
    assert row.done == ("missed" if why else "signed")
    assert shop.restore()[0] == "missed"


def text(path, data):
    path.write_bytes(data)
    return path


def bent(shop, lists, **environ):
    return lists(saved(), settings=Settings({**RUN, **environ}, shop.folder / "cache"))[0]


REFUSED = {
    "another repository": (lambda shop, lists: bent(shop, lists, GITHUB_REPOSITORY_ID="1"), "statement-foreign"),
    "another commit": (lambda shop, lists: bent(shop, lists, GITHUB_SHA="d" * 40), "statement-foreign"),
    "no list": (lambda shop, _: text(shop.folder / "list", b"{}"), "statement-invalid"),
    "a list with a word of an attacker": (
        lambda shop, _: text(shop.folder / "list", b'{"schema": 1, "\x1b[31m": 1}'),
        "statement-invalid",
    ),
    "a list of nothing": (lambda shop, _: text(shop.folder / "list", b""), "statement-invalid"),
    "no file": (lambda shop, _: shop.folder / "absent", "statement-invalid"),
    "a folder": (lambda shop, _: shop.folder, "statement-invalid"),
    "packs of tests": (
        lambda shop, lists: text(shop.folder / "list", lists(saved())[0].read_bytes().replace(b'"deps"', b'"tests"')),
        "statement-invalid",
    ),
}


@pytest.mark.parametrize(("make", "name"), REFUSED.values(), ids=REFUSED)
def test_a_list_that_is_not_this_run_s_is_not_signed(shop, lists, make, name):
    with pytest.raises(GoferryError) as caught:
        signs(shop, make(shop, lists))
    assert caught.value.name == name
    assert caught.value.state == "Nothing was signed."
    assert not (shop.folder / "place").exists()


UNFIT = {
    "no key": ({"key": None}, "key-unusable"),
    "nothing in it": ({"key": signing.Secret("KEY", b"\n")}, "key-unusable"),
    "a public key": ({"key": signing.Secret("KEY", KEY.public_file())}, "key-unusable"),
    "another key": ({"key": signing.Secret("KEY", OTHER.to_bytes())}, "key-unknown"),
    "no trust file": ({"trust": Path("absent")}, "trust-file-missing"),
}


@pytest.mark.parametrize(("change", "name"), UNFIT.values(), ids=UNFIT)
def test_a_key_that_is_not_the_cache_s_is_named(shop, lists, change, name):
    path, _ = lists(saved())
    with pytest.raises(GoferryError) as caught:
        signs(shop, path, **change)
    assert caught.value.name == name
    assert caught.value.advice
    assert not (shop.folder / "place").exists()


def test_an_openpgp_key_signs_too(shop, data, lists):
    secret, _ = sequoia.generate("caches")
    signer = sequoia.load(secret, "", "it")
    shop.trust.write_bytes(TrustFile((replace(signer.as_trust_key(), role="cache"),)).to_bytes())
    kept = shop.keep(data)
    signs(shop, lists(saved(digest=kept.sha256))[0], key=signing.Secret("KEY", secret))
    assert shop.restore() == ("restored", "", GOOD)


def test_what_is_pruned_takes_its_statement_along(shop, data):
    kept = shop.keep(data)
    shop.sign(kept)
    caching.prune(str(shop.folder / "place"), keep=1, days=0, dry_run=True)
    assert shop.statement(kept).exists()
    caching.prune(str(shop.folder / "place"), keep=1, days=0)
    assert not [path for path in (shop.folder / "place").rglob("*") if path.is_file()]


@pytest.fixture
def command(shop, monkeypatch, capsys):
    """`command(words)` runs `goferry cache …` in the repository; returns its exit code and its JSON."""
    for name, value in RUN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GOFERRY_CACHE_KEY", raising=False)
    monkeypatch.chdir(shop.repository)

    def call(*words):
        code = run(["cache", *map(str, words), "--json"])
        told = capsys.readouterr()
        assert KEY.to_bytes().splitlines()[1].decode() not in told.out + told.err
        return code, json.loads(told.out.splitlines()[-1])

    return call


@pytest.mark.parametrize("by", ["a file", "the environment", "base64 in the environment"])
def test_the_command_signs_with_a_key_from_a_file_or_the_environment(shop, data, lists, command, monkeypatch, by):
    kept = shop.keep(data)
    path, _ = lists(saved(digest=kept.sha256))
    words = ["sign", path, "--to", shop.folder / "place"]
    code, told = command(*words)
    assert (code, told["error"]) == (2, "key-unusable")
    assert "or set GOFERRY_CACHE_KEY" in told["advice"]
    if by == "a file":
        (shop.folder / "key").write_bytes(KEY.to_bytes())
        words += ["--key", shop.folder / "key"]
    else:
        text = KEY.to_bytes()
        text = base64.b64encode(text) if by.startswith("base64") else text
        monkeypatch.setenv("GOFERRY_CACHE_KEY", text.decode())
    code, told = command(*words)
    assert (code, [each["done"] for each in told["packs"]]) == (0, ["signed"])
    assert shop.restore() == ("restored", "", GOOD)


def test_the_command_names_the_key_s_fault_by_its_variable(shop, lists, command, monkeypatch):
    monkeypatch.setenv("GOFERRY_CACHE_KEY", "rubbish")
    code, told = command("sign", lists(saved())[0], "--to", shop.folder / "place")
    assert (code, told["error"]) == (2, "key-unusable")
    assert "GOFERRY_CACHE_KEY" in told["what"]
