r"""Packs: many small files in one, compressed block by block, written and read by several threads.

    "goferry-pack 1\n"
    length     4 bytes, big endian, of the index as it lies here
    index      JSON, one zstd frame: {"kind": …, "about": {"slot": …}, "files": [[name, size], …], "blocks": [count, …]}
    and for each block
    length     4 bytes
    block      one zstd frame: the bytes of the next `count` files, in the order of the index

The index comes first, so that a pack can be unpacked while it arrives. Nothing in a pack is believed: names are held to
the pattern of their kind, sizes to limits, and whatever does not fit makes the whole pack unusable, which is a miss and
no error. Files that are there already are left alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec
from msgspec import Struct

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = b"goferry-pack 1\n"
BLOCK = 16 << 20
"""Bytes of a block before it is compressed; a larger file has a block of its own."""
FAST, SMALL = 3, 6
"""Levels of zstd: for packs that a push writes, and for those that stay and are read again and again."""
MOST_FILES = 500_000
MOST_BYTES = 8 << 30
MOST_FILE = 1 << 30
MOST_INDEX = 64 << 20
MOST_BLOCK = 64 << 20
"""Bytes of a block of several files. A larger one is a single file, and such are unpacked one after the other: a few
bytes can claim to be a gigabyte, and several at a time would take all of a machine's memory."""
_LARGE = threading.Lock()
_CHUNK = 256 << 10
"""Bytes that are inflated at once."""
_LENGTH = struct.Struct(">I")
_KIND = re.compile(r"[a-z][a-z-]{0,31}")
_Job = TypeVar("_Job")
_Result = TypeVar("_Result")
Take = Callable[[str, memoryview], bool]
"""Takes a file, its name and its bytes, or does not."""


class PackUnusable(Exception):
    """A pack can't be used; its words are the reason that a miss reports."""


class About(Struct, frozen=True):
    """What decided a pack's content: `slot` is the name of its slot (caches.warm.Slot), or `all`."""

    slot: str = ""


class Index(Struct, frozen=True):
    """What a pack says it holds: the index, as it lies in the pack.

    Attributes:
        kind: `modules`, `packages`. about: what decided its content.
        files: name and size of each, in order. blocks: how many of them each block holds.
    """

    kind: str
    about: About
    files: tuple[tuple[str, int], ...]
    blocks: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size in self.files)


def write(out: BinaryIO, kind: str, slot: str, root: Path, names: Sequence[str], level: int = FAST) -> Index:
    """Write a pack of files below `root`, made for a slot, at a level of zstd.

    Raises:
        PackUnusable: a file changed while it was read.
        OSError: one can't be read, or `out` written.
    """
    files = tuple((name, (root / name).stat().st_size) for name in names)
    index = Index(kind, About(slot), files, _blocks([size for _, size in files]))
    # Not msgspec's own text: packs are the same bytes from one version of Goferry to the next, and json.dumps escapes.
    head = zstd.compress(json.dumps(msgspec.to_builtins(index), separators=(",", ":")).encode(), FAST)
    out.write(MAGIC + _LENGTH.pack(len(head)) + head)
    setting = zstd.CompressionParameter
    options: dict[int, int] = {setting.compression_level: level, setting.enable_long_distance_matching: 1}

    def compressed(part: Sequence[tuple[str, int]]) -> bytes:
        whole = bytearray()
        for name, size in part:
            data = (root / name).read_bytes()
            if len(data) != size:
                raise PackUnusable(f"{name} changed while it was packed")
            whole += data
        return zstd.compress(whole, options=options)

    out.writelines(_LENGTH.pack(len(frame)) + frame for frame in _in_order(compressed, _parts(index)))
    return index


def read(source: BinaryIO, kind: str, pattern: str) -> Index:
    """Read the index at the beginning of a pack, and hold it to its kind and to the limits.

    Raises:
        PackUnusable: with the reason.
    """
    if source.read(len(MAGIC)) != MAGIC:
        raise PackUnusable("it is not a pack of this format")
    data = _inflated(_framed(source, MOST_INDEX), MOST_INDEX)
    try:
        index = msgspec.json.decode(data, type=Index)
    except (ValueError, RecursionError) as error:
        raise PackUnusable("its index is not an index") from error
    _hold(index, kind, pattern)
    return index


def unpack(source: BinaryIO, index: Index, take: Take) -> list[str]:
    """Hand every file that follows the index to `take`, in threads; return the names of those that it did not take.

    Raises:
        PackUnusable: the pack ends early or is not what its index says; what was taken by then, was.
        OSError: as `take` does.
    """

    def work(job: tuple[Sequence[tuple[str, int]], bytes]) -> list[str]:
        part, frame = job
        with _LARGE if max(size for _, size in part) > MOST_BLOCK else contextlib.nullcontext():
            block = _Block(frame, sum(size for _, size in part))
            refused = [name for name, size in part if not take(name, block.next(size))]
            block.end()
        return refused

    jobs = ((part, _framed(source, MOST_FILE)) for part in _parts(index))
    return [name for names in _in_order(work, jobs) for name in names]


class _Block:
    """A block that is inflated a little at a time: new memory for the whole of it costs more than inflating it does."""

    def __init__(self, frame: bytes, size: int) -> None:
        """Raise PackUnusable unless the frame says that it holds `size` bytes (RFC 8878, Frame_Content_Size)."""
        try:
            stated = zstd.get_frame_info(frame).decompressed_size
        except zstd.ZstdError as error:
            raise PackUnusable("a block is damaged") from error
        if stated != size:
            raise PackUnusable("a block is not what the index says")
        self._unpacker, self._frame, self._left = zstd.ZstdDecompressor(), frame, memoryview(b"")

    def next(self, size: int) -> memoryview:
        """Return so many bytes more.

        Raises:
            PackUnusable: there are not so many, or they are damaged.
        """
        if size > len(self._left):
            return self._gathered(size)
        data, self._left = self._left[:size], self._left[size:]
        return data

    def _gathered(self, size: int) -> memoryview:
        whole = memoryview(bytearray(size))
        filled = 0
        while filled < size:
            self._left = self._left or self._more()
            count = min(len(self._left), size - filled)
            if not count:
                raise PackUnusable("a block is shorter than its files")
            whole[filled : filled + count] = self._left[:count]
            filled, self._left = filled + count, self._left[count:]
        return whole

    def _more(self) -> memoryview:
        frame, self._frame = self._frame, b""
        try:
            return memoryview(self._unpacker.decompress(frame, _CHUNK)) if not self._unpacker.eof else memoryview(b"")
        except zstd.ZstdError as error:
            raise PackUnusable("a block is damaged") from error

    def end(self) -> None:
        """Raise PackUnusable unless all of it was taken."""
        if self._left or self._more() or not self._unpacker.eof or self._unpacker.unused_data:
            raise PackUnusable("a block is not what the index says")


class Writer:
    """Writes files below a folder; one that is there already stays as it is, and no link is followed at its end."""

    def __init__(self, root: Path, mode: int = 0o644, stamp: float | None = None) -> None:
        """`stamp`, seconds since 1970, becomes the time of each new file."""
        self._root, self._mode, self._stamp = str(root), mode, stamp
        self._made: set[str] = set()

    def write(self, name: str, data: memoryview) -> None:
        """Write a file, whole or not at all; its folders are made as needed.

        Raises:
            OSError: it can't be written.
        """
        path = f"{self._root}/{name}"
        folder = os.path.dirname(path)  # noqa: PTH120  twenty thousand times
        if folder not in self._made:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103
            self._made.add(folder)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, self._mode)
        except FileExistsError:
            return
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            if self._stamp is not None:
                os.utime(descriptor, (self._stamp, self._stamp))
        except BaseException:
            os.unlink(path)  # noqa: PTH108
            raise
        finally:
            os.close(descriptor)


def _hold(index: Index, kind: str, pattern: str) -> None:
    names = {name for name, _ in index.files}
    matches = re.compile(pattern).fullmatch
    if index.kind != kind or not _KIND.fullmatch(index.kind):
        raise PackUnusable(f"it is a pack of another kind than {kind}")
    if len(index.files) > MOST_FILES or index.size > MOST_BYTES:
        raise PackUnusable(f"it holds more than {MOST_FILES} files or {MOST_BYTES} bytes")
    if len(names) != len(index.files) or not all(matches(name) for name in names):
        raise PackUnusable("it names files that such a pack can't hold")
    if any(not 0 <= size <= MOST_FILE for _, size in index.files):
        raise PackUnusable("it names sizes that no file has")
    if any(count < 1 for count in index.blocks) or sum(index.blocks) != len(index.files):
        raise PackUnusable("its blocks are not those of its files")
    if any(len(part) > 1 and sum(size for _, size in part) > MOST_BLOCK for part in _parts(index)):
        raise PackUnusable("one of its blocks is larger than blocks are")


def _blocks(sizes: Sequence[int]) -> tuple[int, ...]:
    counts: list[int] = []
    filled = 0
    for size in sizes:
        if not counts or filled + size > BLOCK:
            counts.append(0)
            filled = 0
        counts[-1] += 1
        filled += size
    return tuple(counts)


def _parts(index: Index) -> Iterator[Sequence[tuple[str, int]]]:
    start = 0
    for count in index.blocks:
        yield index.files[start : start + count]
        start += count


def _framed(source: BinaryIO, most: int) -> bytes:
    head = source.read(_LENGTH.size)
    length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else most + 1
    if length > most:
        raise PackUnusable("it ends early, or a block is longer than blocks are")
    frame = source.read(length)
    if len(frame) != length:
        raise PackUnusable("it ends early")
    return frame


def _inflated(frame: bytes, most: int) -> bytes:
    try:
        unpacker = zstd.ZstdDecompressor()
        data = unpacker.decompress(frame, most + 1)
    except zstd.ZstdError as error:
        raise PackUnusable("a block is damaged") from error
    if len(data) > most or not unpacker.eof or unpacker.unused_data:
        raise PackUnusable("a block is not what the index says")
    return data


def _in_order(work: Callable[[_Job], _Result], jobs: Iterator[_Job]) -> Iterator[_Result]:
    """Do the jobs in threads and yield what each gives, in order; a few are under way at a time."""
    workers = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers, thread_name_prefix="pack") as pool:
        waiting: list[Future[_Result]] = []
        for job in jobs:
            waiting.append(pool.submit(work, job))
            if len(waiting) > 2 * workers:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
