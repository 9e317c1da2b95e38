"""The checksum database: look a module up, prove the answer, and keep the tree head that was seen.

    lookup → record, signed tree head
           → the head must continue the head kept from before (or be part of it): else the database forked
           → the record must be in the newer of the two trees
           → the newer head is kept

Served below `<proxy>/sumdb/<name>/` where a proxy of the GOPROXY list supports it, else at the database itself
(golang.org/design/25530-sumdb, golang.org/x/mod/sumdb.Client).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from goferry.golang import _signed_note as signed_note, _tlog as tlog
from goferry.golang._proof import Proof, ProofInvalid, RecordForeign, tree_head
from goferry.golang._proxies import ProxyLacks, ProxyList, escaped, fetch
from goferry.kernel.errors import Refused
from goferry.kernel.files import write_atomically
from goferry.system.http import Client

T = TypeVar("T")

_RECORD_LIMIT = 1 << 20
_TILE_LIMIT = tlog.FULL * tlog.SIZE


class ChecksumDatabaseOff(Refused):
    """GOSUMDB=off disables the checksum database, so nothing that is installed could be verified.

    Usual causes: it was set for private modules, where GONOSUMDB or GOPRIVATE is the right setting. The toolchain is
    still verified with those.
    """

    name = "checksum-database-off"


class ChecksumDatabaseForked(Refused):
    """The checksum database shows two histories: the tree head seen now does not continue the one seen before.

    Usual causes: a proxy serves a forged tree to some of its users. A restored or replaced private database looks the
    same.
    """

    name = "checksum-database-forked"


class ChecksumDatabaseRolledBack(Refused):
    """The checksum database is behind a tree head that was seen before, and cannot show that it is part of it.

    Usual causes: a mirror still serves an old copy of the database.
    """

    name = "checksum-database-rolled-back"


class TileAltered(Refused):
    """A tile of the checksum database does not match the signed tree head.

    Usual causes: a damaged cache of a proxy, or a forged tile.
    """

    name = "tile-altered"


class NotInChecksumDatabase(Refused):
    """The checksum database has no record of this module version.

    Usual causes: a version that was never published, or a custom toolchain that only a private proxy serves.
    """

    name = "not-in-checksum-database"


def parse_record(data: bytes) -> tuple[int, bytes, bytes]:
    """Split the answer of a lookup into the record's number, its text and the signed tree head.

    Raises:
        ProofInvalid: when it is not such an answer.
    """
    first, newline, rest = data.partition(b"\n")
    text, split, head = rest.partition(b"\n\n")
    good = newline and split and re.fullmatch(rb"0|[1-9]\d{0,17}", first) and text
    if not good or re.search(rb"[\x00-\x09\x0b-\x1f]", text):
        raise ProofInvalid("the checksum database's answer is not a record", state="Nothing was installed.")
    return int(first), text + b"\n", head


class ChecksumDatabase:
    """A client of one database.

    Args:
        key: of the database.
        url: its address when GOSUMDB gives one, else empty: found through `proxies`.
        proxies: the GOPROXY list.
        client: for the network.
        cache: folder for the kept head and for proven tiles.
    """

    def __init__(self, key: signed_note.NoteKey, url: str, proxies: ProxyList, client: Client, cache: Path) -> None:
        self.key = key
        self._url = url.rstrip("/")
        self._proxies = proxies
        self._client = client
        self._folder = cache / "sumdb" / hashlib.sha256(key.text.encode()).hexdigest()[:16]

    def lookup(self, module: str, version: str) -> Proof:
        """Return the proof of a module version's hash, checked.

        Raises:
            Refused: one of the classes above or of `proof`, when anything does not hold.
            NotInChecksumDatabase: when it has no record. Unreachable: when it does not answer.
        """
        try:
            answer = self._get(f"lookup/{escaped(module)}@{escaped(version)}", _RECORD_LIMIT)
        except ProxyLacks as error:
            raise NotInChecksumDatabase(
                f"{self.key.name} has no record of {module}@{version}", state="Nothing was installed."
            ) from error
        index, record, message = parse_record(answer)
        offered = tree_head(message, self.key)
        head, tree = self._merge(message, offered)
        if index >= tree.size:
            raise ProofInvalid(f"record {index} is beyond the tree of {tree.size}", state="Nothing was installed.")
        path = self._from_tree(tree, f"record {index}", lambda reader: reader.audit(index))
        proof = Proof(module, version, index, record, head, tuple(path))
        proof.check(self.key)
        if not record.startswith(f"{module} ".encode()):
            raise RecordForeign(f"record {index} is not one of {module}", state="Nothing was installed.")
        return proof

    def _merge(self, message: bytes, offered: tlog.Tree) -> tuple[bytes, tlog.Tree]:
        """Hold the offered head to the kept one, keep the newer, and return it."""
        latest = self._folder / "latest"
        with self._locked():
            kept_message = latest.read_bytes() if latest.is_file() else b""
            if not kept_message:
                write_atomically(latest, message)
                return message, offered
            kept = tree_head(kept_message, self.key)
            if offered.size > kept.size:
                self._hold(kept, offered, rolled_back=False)
                write_atomically(latest, message)
                return message, offered
            self._hold(offered, kept, rolled_back=True)
            return kept_message, kept

    def _hold(self, older: tlog.Tree, newer: tlog.Tree, *, rolled_back: bool) -> None:
        """Check that the newer tree continues the older one."""
        if older.size == newer.size:
            same = older.root == newer.root
        else:
            try:
                what = f"the trees of {older.size} and {newer.size}"
                same = self._from_tree(newer, what, lambda reader: reader.root_of(older.size)) == older.root
            except ProxyLacks as error:
                if not rolled_back:
                    raise
                raise ChecksumDatabaseRolledBack(
                    f"{self.key.name} offers a tree of {older.size} and lacks the tiles of the tree of {newer.size} "
                    "that was seen before",
                    state="Nothing was installed.",
                    advice=["use another proxy in GOPROXY"],
                ) from error
        if not same:
            raise ChecksumDatabaseForked(
                f"{self.key.name} shows two histories: the tree of {older.size} is not the beginning of the tree of "
                f"{newer.size}",
                state="Nothing was installed.",
                advice=["use another network or proxy", f"keep the evidence: {self._folder}"],
            )

    def _from_tree(self, tree: tlog.Tree, what: str, work: Callable[[tlog.TreeReader], T]) -> T:
        """Run `work` over a tree; kept tiles that do not fit it (a fork, a damaged cache) are fetched again."""
        try:
            return work(tlog.TreeReader(tree, self._tiles, self._keep))
        except tlog.TileInconsistent:
            pass
        try:
            return work(tlog.TreeReader(tree, self._fetched_tiles))
        except tlog.TileInconsistent as error:
            raise TileAltered(
                f"the checksum database's tiles for {what}: {error}",
                state="Nothing was installed.",
                advice=["use another proxy in GOPROXY"],
            ) from error

    def _tiles(self, tiles: Sequence[tlog.Tile]) -> list[bytes]:
        return self._each(self._tile, tiles)

    def _fetched_tiles(self, tiles: Sequence[tlog.Tile]) -> list[bytes]:
        return self._each(self._fetched_tile, tiles)

    def _each(self, read: Callable[[tlog.Tile], bytes], tiles: Sequence[tlog.Tile]) -> list[bytes]:
        with ThreadPoolExecutor(max_workers=8, thread_name_prefix="tile") as pool:
            return list(pool.map(read, tiles))

    def _tile(self, tile: tlog.Tile) -> bytes:
        full = tlog.Tile(tile.level, tile.n)
        for candidate in (tile, full):
            kept = self._folder / candidate.path
            if kept.is_file():
                data = kept.read_bytes()
                if len(data) == candidate.width * tlog.SIZE:
                    return data[: tile.width * tlog.SIZE]
        return self._fetched_tile(tile)

    def _fetched_tile(self, tile: tlog.Tile) -> bytes:
        full = tlog.Tile(tile.level, tile.n)
        try:
            return self._get(tile.path, _TILE_LIMIT)
        except ProxyLacks:
            if tile == full:
                raise
            # A partial tile may be gone once the full one exists.
            return self._get(full.path, _TILE_LIMIT)[: tile.width * tlog.SIZE]

    def _keep(self, tile: tlog.Tile, data: bytes) -> None:
        path = self._folder / tile.path
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, data)

    def _get(self, path: str, limit: int) -> bytes:
        if not self._url:
            self._url = self._find()
        return fetch(self._client, f"{self._url}/{path}", limit)

    def _find(self) -> str:
        """Return the first proxy's address of the database, else the database's own."""

        def supported(base: str) -> str:
            fetch(self._client, f"{base}/sumdb/{self.key.name}/supported", 4096)
            return f"{base}/sumdb/{self.key.name}"

        try:
            return self._proxies.attempt(supported)
        except ProxyLacks:
            return "https://" + self.key.name

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def database(gosumdb: str, proxies: ProxyList, client: Client, cache: Path) -> ChecksumDatabase:
    """Return the client that GOSUMDB asks for: `NAME`, `NAME URL`, `NAME+HASH+KEY` or `NAME+HASH+KEY URL`.

    Raises:
        ChecksumDatabaseOff: for `off`. ChecksumDatabaseUnknown: when the key is not known.
    """
    words = gosumdb.split()
    if words == ["off"]:
        raise ChecksumDatabaseOff(
            "GOSUMDB=off: what would be installed could not be proven",
            state="Nothing was installed.",
            advice=["unset it for this run:  env -u GOSUMDB goferry setup-go", "for private modules set GOPRIVATE"],
        )
    if not 1 <= len(words) <= 2:
        raise signed_note.ChecksumDatabaseUnknown(
            f"GOSUMDB is {gosumdb!r}", state="Nothing was installed.", advice=["see what Go has:  go env GOSUMDB"]
        )
    return ChecksumDatabase(signed_note.key(words[0]), words[1] if len(words) == 2 else "", proxies, client, cache)
