"""Packs: what is written is read again, and what is damaged or hostile is a miss with a reason."""

import io
import json
import os
import re
import struct
import time

import pytest
from backports import zstd
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.caches import pack

NAMES = re.compile(r"[a-z0-9]{1,8}(/[a-z0-9]{1,8}){0,2}")


def framed(data):
    frame = zstd.compress(data)
    return struct.pack(">I", len(frame)) + frame


def packed(root, files):
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    out = io.BytesIO()
    pack.write(out, "things", "all", root, list(files))
    return out.getvalue()


def unpacked(data, root, check=lambda _, __: True):
    source = io.BytesIO(data)
    index = pack.read(source, "things", NAMES)
    writer = pack.Writer(root, stamp=1_000_000_000)

    def take(name, data):
        taken = check(name, data)
        if taken:
            writer.write(name, data)
        return taken

    return pack.unpack(source, index, take)


@settings(deadline=None, max_examples=examples(30))
@given(files=st.dictionaries(st.from_regex(r"[a-z0-9]{1,4}/[a-z0-9]{1,4}", fullmatch=True), st.binary(max_size=300)))
def test_what_is_packed_comes_out_again(files, tmp_path_factory):
    data = packed(tmp_path_factory.mktemp("from"), files)
    out = tmp_path_factory.mktemp("to")
    assert unpacked(data, out) == []
    assert {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()} == files


def test_blocks_hold_many_small_files_or_one_large_one(tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "BLOCK", 100)
    source = io.BytesIO(packed(tmp_path, {"a": b"x" * 60, "b": b"x" * 40, "c": b"x" * 300, "d": b"", "e": b"x"}))
    assert pack.read(source, "things", NAMES).blocks == (2, 1, 2)


def test_files_that_are_there_stay_and_new_ones_bear_the_stamp(tmp_path):
    data = packed(tmp_path / "from", {"a/one": b"1", "a/two": b"2"})
    out = tmp_path / "to"
    (out / "a").mkdir(parents=True)
    (out / "a" / "one").write_bytes(b"mine")
    unpacked(data, out)
    assert (out / "a" / "one").read_bytes() == b"mine"
    assert (out / "a" / "two").stat().st_mtime == 1_000_000_000


def test_what_the_check_does_not_take_is_told_and_not_written(tmp_path):
    data = packed(tmp_path / "from", {"good": b"1", "bad": b"2"})
    assert unpacked(data, tmp_path / "to", lambda name, _: name != "bad") == ["bad"]
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["good"]


def test_a_link_in_the_way_is_not_followed(tmp_path):
    data = packed(tmp_path / "from", {"one": b"1"})
    out = tmp_path / "to"
    out.mkdir()
    (out / "one").symlink_to(tmp_path / "elsewhere")
    unpacked(data, out)
    assert not (tmp_path / "elsewhere").exists()


def forged(**changes):
    text = {"kind": "things", "about": {}, "files": [["a", 1]], "blocks": [1], **changes}
    head = zstd.compress(json.dumps(text).encode())
    block = zstd.compress(b"x")
    return pack.MAGIC + struct.pack(">I", len(head)) + head + struct.pack(">I", len(block)) + block


HOSTILE = {
    "nothing": b"",
    "another format": b"PK\x03\x04" + b"\0" * 60,
    "another kind": forged(kind="others"),
    "a path outside": forged(files=[["../a", 1]]),
    "an absolute path": forged(files=[["/etc/passwd", 1]]),
    "one name twice": forged(files=[["a", 1], ["a", 1]], blocks=[2]),
    "a negative size": forged(files=[["a", -1]]),
    "a size of no file": forged(files=[["a", 1 << 40]]),
    "a size without end": forged(files=[["a", float("inf")]]),
    "a size that is not a number": forged(files=[["a", float("nan")]]),
    "blocks without end": forged(blocks=[float("inf")]),
    "an index of nothing": forged(files=None, blocks=None),
    "an about that is a text": forged(about="abc"),
    "blocks of other files": forged(blocks=[2]),
    "an empty block": forged(blocks=[0, 1]),
    "a block of gigabytes": forged(files=[["a", 1 << 30], ["b", 1 << 30]], blocks=[2]),
    "more than the index says": forged(files=[["a", 0]]),
    "less than the index says": forged(files=[["a", 2]]),
    "an index that is a list": forged(files={"a": 1}),
    "an endless index": pack.MAGIC + struct.pack(">I", 0xFFFFFFFF),
    "an index that is not zstd": pack.MAGIC + struct.pack(">I", 4) + b"abcd",
    "deep nesting": pack.MAGIC + framed(b"[" * 100_000),
    "a bomb": pack.MAGIC + framed(b" " * (pack.MOST_INDEX + 2)),
}


def test_large_files_are_unpacked_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "MOST_BLOCK", 100)
    monkeypatch.setattr(pack, "BLOCK", 100)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    data, under_way, most = packed(tmp_path, dict.fromkeys("abcdefgh", b"x" * 200)), [], []

    def take(name, _):
        under_way.append(name)
        most.append(len(under_way))
        time.sleep(0.005)
        under_way.remove(name)
        return True

    assert unpacked(data, tmp_path / "to", take) == []
    assert max(most) == 1


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_pack_is_unusable_with_a_reason(data, tmp_path):
    with pytest.raises(pack.PackUnusable, match=r"\w"):
        unpacked(data, tmp_path / "to")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_pack_cut_or_changed_anywhere_is_unusable_or_checked(tmp_path):
    data = packed(tmp_path / "from", {"a": b"1" * 50, "b": b"2" * 50})
    for length in range(len(data)):
        with pytest.raises(pack.PackUnusable):
            unpacked(data[:length], tmp_path / f"cut-{length}")
