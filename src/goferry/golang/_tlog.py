"""The transparency log's arithmetic: RFC 6962 hashes, inclusion, consistency, and Go's tiles. Pure: no I/O.

A hash is named by its coordinate `(level, n)`: it covers the records `n * 2**level` to `(n + 1) * 2**level - 1`. A tile
of height 8 lists up to 256 neighbouring hashes of the levels 0, 8, 16, …; what lies between is computed from them.
Sources: RFC 6962 section 2.1; research.swtch.com/tlog; golang.org/x/mod/sumdb/tlog.

    leaf hash  = SHA-256(0x00 + record)
    inner hash = SHA-256(0x01 + left + right)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

HEIGHT = 8
FULL = 1 << HEIGHT
SIZE = hashlib.sha256().digest_size

Coordinate = tuple[int, int]


class Tree(Struct, frozen=True):
    """A tree head: how many records it has and its root hash (32 bytes)."""

    size: int
    root: bytes


class Tile(Struct, frozen=True):
    """A tile's place: its level (0, 1, 2 for the hash levels 0, 8, 16), its number in the level, and its width."""

    level: int
    n: int
    width: int = FULL

    @property
    def path(self) -> str:
        """The tile's address below the database's: `tile/8/0/x001/x234/067.p/1`, three digits an element."""
        digits, rest = f"{self.n % 1000:03d}", self.n // 1000
        while rest:
            digits, rest = f"x{rest % 1000:03d}/{digits}", rest // 1000
        partial = "" if self.width == FULL else f".p/{self.width}"
        return f"tile/{HEIGHT}/{self.level}/{digits}{partial}"


class TileInconsistent(ValueError):
    """Tiles do not add up to the tree head."""


def leaf_hash(record: bytes) -> bytes:
    """Return a record's hash."""
    return hashlib.sha256(b"\x00" + record).digest()


def inner_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def cover(low: int, high: int) -> Iterator[Coordinate]:
    """Yield the fewest whole subtrees that cover the records from `low` to `high - 1`, largest first."""
    while low < high:
        level = (high - low).bit_length() - 1
        yield level, low >> level
        low += 1 << level


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the root over the hashes of a `cover`; of none, the empty tree's (RFC 6962: SHA-256 of nothing)."""
    if not hashes:
        return hashlib.sha256().digest()
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = inner_hash(left, root)
    return root


def audit_path(size: int, index: int) -> list[list[Coordinate]]:
    """Return, from the leaf's sibling up to the root, what each hash of the inclusion proof is folded from."""
    if not 0 <= index < size:
        raise ValueError(f"record {index} is not in a tree of {size}")
    path: list[list[Coordinate]] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + (1 << ((high - low - 1).bit_length() - 1))
        if index < middle:
            path.append(list(cover(middle, high)))
            high = middle
        else:
            path.append(list(cover(low, middle)))
            low = middle
    return path[::-1]


def included(path: Sequence[bytes], tree: Tree, index: int, leaf: bytes) -> bool:
    """Return whether the inclusion proof holds (RFC 6962 section 2.1.1)."""
    if not 0 <= index < tree.size:
        return False
    sides: list[bool] = []
    low, high = 0, tree.size
    while high - low > 1:
        middle = low + (1 << ((high - low - 1).bit_length() - 1))
        sides.append(index < middle)
        low, high = (low, middle) if index < middle else (middle, high)
    if len(sides) != len(path):
        return False
    for on_left, sibling in zip(reversed(sides), path, strict=True):
        leaf = inner_hash(leaf, sibling) if on_left else inner_hash(sibling, leaf)
    return leaf == tree.root


def _tile_of(coordinate: Coordinate) -> tuple[int, int, int, int]:
    """Return the tile's level and number, and the first and last+1 of its hashes that make up the coordinate."""
    level, n = coordinate
    within = level % HEIGHT
    number = (n << within) >> HEIGHT
    first = (n << within) - (number << HEIGHT)
    return level // HEIGHT, number, first, first + (1 << within)


def _widest(level: int, n: int, size: int) -> Tile:
    """Return the tile as wide as a tree of `size` records has it."""
    width = min(FULL, (size >> (HEIGHT * level)) - (n << HEIGHT))
    if width < 1:
        raise ValueError(f"tile {level}/{n} is not in a tree of {size}")
    return Tile(level, n, width)


def _from_tile(data: bytes, coordinate: Coordinate) -> bytes:
    _, _, first, last = _tile_of(coordinate)
    return _subtree(data[first * SIZE : last * SIZE])


def _subtree(data: bytes) -> bytes:
    """Return the root over a power of two of neighbouring hashes."""
    hashes = [data[at : at + SIZE] for at in range(0, len(data), SIZE)]
    while len(hashes) > 1:
        hashes = [inner_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


ReadTiles = Callable[[Sequence[Tile]], Sequence[bytes]]


class TreeReader:
    """Reads hashes of one tree; every tile is proven against the tree head before a hash of it is used.

    Args:
        tree: the signed head.
        read_tiles: returns each tile's bytes (32 * width), from wherever.
        keep: called with the tiles and their bytes once they are proven.
    """

    def __init__(
        self, tree: Tree, read_tiles: ReadTiles, keep: Callable[[Tile, bytes], None] = lambda _tile, _data: None
    ) -> None:
        self.tree = tree
        self._read_tiles = read_tiles
        self._keep = keep
        self._proven: dict[tuple[int, int], bytes] = {}

    def hashes(self, coordinates: Sequence[Coordinate]) -> list[bytes]:
        """Return the hashes of whole subtrees.

        Raises:
            TileInconsistent: when the tiles do not support the tree head.
            ValueError: for a coordinate outside the tree.
        """
        for level, n in coordinates:
            if (n + 1) << level > self.tree.size:
                raise ValueError(f"({level}, {n}) is not in a tree of {self.tree.size}")
        if not self._proven:
            self._prove_edge()
        wanted = self._missing(coordinates)
        for tile, data in zip(wanted, self._read(wanted), strict=True):
            parent = (HEIGHT * (tile.level + 1), tile.n)
            # A tile that is not full lies on the tree's right edge, which is proven already.
            if tile.width != FULL or self._hash(parent) != _subtree(data):
                raise TileInconsistent(f"{tile.path} does not fit the tile above it")
            self._accept(tile, data)
        return [self._hash(coordinate) for coordinate in coordinates]

    def root_of(self, size: int) -> bytes:
        """Return the root that this tree had when it held `size` records (a consistency proof, RFC 6962 2.1.2)."""
        return fold(self.hashes(list(cover(0, size))))

    def audit(self, index: int) -> list[bytes]:
        """Return the inclusion proof of a record."""
        steps = audit_path(self.tree.size, index)
        self.hashes([coordinate for step in steps for coordinate in step])
        return [fold(self.hashes(step)) for step in steps]

    def _prove_edge(self) -> None:
        """Fetch the tiles that hold the subtrees of the whole tree, and check them against its root."""
        edge = list(cover(0, self.tree.size))
        places = dict.fromkeys(_tile_of(coordinate)[:2] for coordinate in edge)
        tiles = [_widest(level, n, self.tree.size) for level, n in places]
        data = dict(zip(places, self._read(tiles), strict=True))
        root = fold([_from_tile(data[_tile_of(coordinate)[:2]], coordinate) for coordinate in edge])
        if root != self.tree.root:
            raise TileInconsistent(f"the tiles do not add up to the root of the tree of {self.tree.size}")
        for tile in tiles:
            self._accept(tile, data[tile.level, tile.n])

    def _missing(self, coordinates: Sequence[Coordinate]) -> list[Tile]:
        """Return the tiles still to fetch, parents before children."""
        found: dict[tuple[int, int], Tile] = {}
        for coordinate in coordinates:
            level, n = _tile_of(coordinate)[:2]
            while (level, n) not in self._proven and (level, n) not in found:
                found[level, n] = _widest(level, n, self.tree.size)
                level, n = level + 1, n >> HEIGHT
        return sorted(found.values(), key=lambda tile: (-tile.level, tile.n))

    def _read(self, tiles: Sequence[Tile]) -> Sequence[bytes]:
        data = self._read_tiles(tiles) if tiles else ()
        for tile, content in zip(tiles, data, strict=True):
            if len(content) != tile.width * SIZE:
                raise TileInconsistent(f"{tile.path} has {len(content)} bytes, not {tile.width * SIZE}")
        return data

    def _accept(self, tile: Tile, data: bytes) -> None:
        self._proven[tile.level, tile.n] = data
        self._keep(tile, data)

    def _hash(self, coordinate: Coordinate) -> bytes:
        return _from_tile(self._proven[_tile_of(coordinate)[:2]], coordinate)
