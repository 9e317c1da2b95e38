"""The log's arithmetic against RFC 6962's definitions written out plainly."""

import hashlib

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.golang import _tlog as tlog


def plain_root(records):
    """MTH of RFC 6962 section 2.1, as it stands there."""
    if not records:
        return hashlib.sha256(b"").digest()
    if len(records) == 1:
        return hashlib.sha256(b"\0" + records[0]).digest()
    k = 1
    while k * 2 < len(records):
        k *= 2
    return hashlib.sha256(b"\1" + plain_root(records[:k]) + plain_root(records[k:])).digest()


def reader(new_log, size, spoil=None):
    log = new_log()
    log.fill(size)

    def read(tiles):
        data = [log.tile(tile) for tile in tiles]
        return [spoil(tile, item) for tile, item in zip(tiles, data, strict=True)] if spoil else data

    return log, tlog.TreeReader(tlog.Tree(size, log.root(size)), read)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 255, 256, 257, 511, 600])
def test_roots_inclusion_and_consistency(new_log, size):
    log, tree = reader(new_log, size)
    assert tree.tree.root == plain_root(log.records)
    for index in {0, 1, size // 2, size - 1} - set(range(size, 9)):
        path = tree.audit(index)
        leaf = tlog.leaf_hash(log.records[index])
        assert tlog.included(path, tree.tree, index, leaf)
        assert not tlog.included(path, tree.tree, index, leaf[::-1])
        assert not tlog.included([*path, leaf], tree.tree, index, leaf)
        assert not tlog.included(path[1:], tree.tree, index, leaf) or not path
        assert not tlog.included(path, tlog.Tree(size, leaf[::-1]), index, leaf)
    for older in {1, size // 2, size - 1, size} - {0}:
        assert tree.root_of(older) == plain_root(log.records[:older])


@settings(deadline=None, max_examples=examples(40))
@given(st.integers(2, 1000), st.data())
def test_an_index_is_included_at_its_place_only(size, data):
    one, two = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    steps = tlog.audit_path(size, one)
    covered = sorted((n << level, (n + 1) << level) for step in steps for level, n in step)
    assert covered[0][0] == 0 or one == 0
    assert sum(high - low for low, high in covered) == size - 1
    assert (len(steps) == len(tlog.audit_path(size, two))) or one != two


@pytest.mark.parametrize("index", [-1, 5, 6])
def test_no_such_record(index):
    with pytest.raises(ValueError, match="not in a tree"):
        tlog.audit_path(5, index)
    assert not tlog.included([], tlog.Tree(5, b""), index, b"")


def test_any_altered_tile_is_seen(new_log):
    seen = []
    reader(new_log, 600, lambda tile, data: seen.append(tile) or data)[1].audit(5)
    assert len(seen) > 2
    for altered in seen:

        def spoil(tile, data, altered=altered):
            return bytes(reversed(data)) if tile == altered else data

        with pytest.raises(tlog.TileInconsistent):
            reader(new_log, 600, spoil)[1].audit(5)


def test_tile_paths():
    assert tlog.Tile(4, 1234067).path == "tile/8/4/x001/x234/067"
    assert tlog.Tile(0, 5, 1).path == "tile/8/0/005.p/1"
