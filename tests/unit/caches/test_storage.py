"""Packs in a folder: each written once, the newest or the one of a key found, and what is damaged passed over."""

import json
import os

import pytest

from goferry.caches import storage
from goferry.caches.storage import Folder, KeptPack, PlaceUnknown, Stored

KEYS = ["a" * 32, "b" * 32]
WHERE = "shop-1/deps/go1-linux-amd64-0"


def kept(time, key=KEYS[0], **more):
    return KeptPack(WHERE, f"{time}-{key}", key, 4, 10, 1, "0" * 64, 1.5, {"go.sum": "1"}, **more)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "place")


@pytest.fixture
def pack(tmp_path):
    path = tmp_path / "pack"
    path.write_bytes(b"pack")
    return path


def test_the_pack_of_a_key_is_found_before_a_newer_one(folder, pack):
    assert storage.find(folder, WHERE, KEYS[0]) == (None, False)
    old, new = kept("20260101T000000Z"), kept("20260102T000000Z", KEYS[1])
    for each in (old, new):
        assert storage.put(folder, each, pack)
    assert storage.find(folder, WHERE, KEYS[0]) == (old, True)
    assert storage.find(folder, WHERE, KEYS[1]) == (new, True)
    assert storage.find(folder, WHERE, "c" * 32) == (new, False)
    with folder.open(WHERE, old.name) as file:
        assert file.read() == b"pack"
    assert [(each.where, each.name, each.bytes) for each in folder.all()] == [
        (WHERE, old.name, 4),
        (WHERE, new.name, 4),
    ]
    folder.remove(WHERE, new.name)
    assert storage.find(folder, WHERE, "c" * 32) == (old, False)


def test_what_is_there_stays_as_it_is(folder, pack):
    one = kept("20260101T000000Z")
    storage.put(folder, one, pack)
    pack.write_bytes(b"other")
    storage.put(folder, one, pack)
    with folder.open(WHERE, one.name) as file:
        assert file.read() == b"pack"
    assert not list(folder._path.rglob(".*"))


def noted(**changes):
    said = {"bytes": 4, "size": 10, "files": 1, "sha256": "0" * 64, "seconds": 1.5, "inputs": {}, **changes}
    return json.dumps(said).encode()


NOTES = [b"", b"[]", b"{}", b'{"bytes": "x"}', b"\xff", b"[" * 100_000]
NOTES += [noted(**{name: -1}) for name in ("bytes", "size", "files", "seconds")]
NOTES += [noted(**{name: 10**400}) for name in ("bytes", "size", "files", "seconds")]
NOTES += [noted(seconds=float("nan")), noted(bytes=float("inf")), noted(sha256="../../x"), noted(sha256="0" * 63)]


@pytest.mark.parametrize("note", NOTES)
def test_a_damaged_note_is_passed_over(folder, pack, note, tmp_path):
    good, bad = kept("20260101T000000Z"), kept("20260103T000000Z", KEYS[1])
    storage.put(folder, good, pack)
    storage.put(folder, bad, pack)
    (tmp_path / "place" / "v1" / WHERE / f"{bad.name}.json").write_bytes(note)
    assert storage.find(folder, WHERE, KEYS[1]) == (good, False)


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/hostname"), os.mkfifo, os.mkdir])
def test_what_is_no_plain_file_is_passed_over(folder, pack, make, tmp_path):
    good, bad = kept("20260101T000000Z"), kept("20260103T000000Z", KEYS[1])
    storage.put(folder, good, pack)
    storage.put(folder, bad, pack)
    for end in ("json", "pack"):
        path = tmp_path / "place" / "v1" / WHERE / f"{bad.name}.{end}"
        path.unlink()
        make(path)
    assert storage.find(folder, WHERE, KEYS[1]) == (good, False)
    with pytest.raises(FileNotFoundError, match="not a plain file"):
        folder.open(WHERE, bad.name)


def test_a_note_without_a_pack_is_written_once_and_is_no_pack(folder):
    folder.write("shop-1/signed", "f" * 64, b"one")
    folder.write("shop-1/signed", "f" * 64, b"two")
    assert folder.note("shop-1/signed", "f" * 64) == b"one"
    assert not list(folder.all())
    folder.remove("shop-1/signed", "f" * 64)
    with pytest.raises(FileNotFoundError):
        folder.note("shop-1/signed", "f" * 64)


def test_names_that_are_none_of_ours_are_passed_over(folder, pack, tmp_path):
    storage.put(folder, kept("20260101T000000Z"), pack)
    (tmp_path / "place" / "v1" / WHERE / "99999999T000000Z-x.json").write_text("{}")
    assert storage.find(folder, WHERE, "c" * 32)[0].name == "20260101T000000Z-" + KEYS[0]


@pytest.mark.parametrize("text", ["", "http://bucket/x", "s4://x"])
def test_what_is_no_place_is_named(text):
    with pytest.raises(PlaceUnknown):
        storage.opened(text)


def test_what_newer_ones_replaced_and_what_nobody_uses_may_go():
    now, day = 1_000_000_000.0, 86_400
    packs = [Stored("p/own/s", f"2026010{n}T000000Z-{'a' * 32}", 1, now - day) for n in (1, 2, 3)]
    packs += [Stored("p/deps/s", "20250101T000000Z-" + "a" * 32, 1, now - day)]
    packs += [Stored("p/deps/old", "20250101T000000Z-" + "a" * 32, 1, now - 31 * day)]
    gone = storage.surplus(packs, 2, 30, now)
    assert [(each.where, each.name[:8]) for each in gone] == [("p/own/s", "20260101"), ("p/deps/old", "20250101")]
