"""Which entries of Go's build cache count as used, and which Go could have written."""

import hashlib
import os
import time

import pytest

from goferry.caches import gocache


def output(folder, data):
    digest = hashlib.sha256(data).hexdigest()
    return put(folder, f"{digest[:2]}/{digest}-d", data)


def action(folder, word, of):
    identity = hashlib.sha256(word).hexdigest()
    text = f"v1 {identity} {of[3:-2]} {100:20d} {1_700_000_000_000_000_000:20d}\n"
    return put(folder, f"{identity[:2]}/{identity}-a", text.encode())


def put(folder, name, data):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return name


def test_what_has_a_new_time_after_ageing_was_used(tmp_path):
    one, two = output(tmp_path, b"one"), output(tmp_path, b"two")
    mine = action(tmp_path, b"act", one)
    put(tmp_path, "trim.txt", b"1")
    put(tmp_path, "00/README", b"x")
    (tmp_path / "11").mkdir(exist_ok=True)
    (tmp_path / "11" / ("11" + "1" * 62 + "-d")).mkdir()  # a program that `go tool` kept
    assert gocache.used(tmp_path) == tuple(sorted([one, two, mine]))
    gocache.age(tmp_path)
    assert gocache.used(tmp_path) == ()
    os.utime(tmp_path / two)
    assert gocache.used(tmp_path) == (two,)


def test_ageing_leaves_what_is_old_enough_as_it_is(tmp_path):
    """Go trims what was not used for five days: ageing must not bring that nearer each time."""
    name = output(tmp_path, b"old")
    then = time.time() - 86_400
    os.utime(tmp_path / name, (then, then))
    for _ in range(3):
        gocache.age(tmp_path)
    assert abs((tmp_path / name).stat().st_mtime - then) < 1
    fresh = output(tmp_path, b"new")
    for _ in range(3):
        gocache.age(tmp_path)
    aged = time.time() - (tmp_path / fresh).stat().st_mtime
    assert 3600 < aged < 3600 * 3


@pytest.mark.parametrize(
    ("name", "data", "genuine"),
    [
        ("d", b"bytes", True),
        ("d", b"other bytes", False),
        ("a", None, True),
        ("a", b"", False),
        ("a", b"v1 " + b"0" * 64 + b" " + b"1" * 64 + b" 1 1\n", False),
        ("a", b"v2", False),
    ],
)
def test_an_entry_is_held_to_its_name(tmp_path, name, data, genuine):
    if name == "d":
        assert gocache.genuine(output(tmp_path, b"bytes"), data) is genuine
    else:
        mine = action(tmp_path, b"act", output(tmp_path, b"one"))
        assert gocache.genuine(mine, (tmp_path / mine).read_bytes() if data is None else data) is genuine


def test_indexes_of_packages_and_what_leads_to_them_are_not_kept(tmp_path):
    """They are made for one folder and one time of checkout."""
    index, archive = output(tmp_path, b"go index v2\nx"), output(tmp_path, b"!<arch>\n")
    names = [index, archive, action(tmp_path, b"one", index), action(tmp_path, b"two", archive)]
    names.append(action(tmp_path, b"elsewhere", "00/" + "0" * 64 + "-d"))  # its output is another pack's
    assert gocache.compiled(tmp_path, names) == set(names) - {index, names[2]}
