"""A whole little world in a folder: a checksum database with its own key, and a file:// proxy that serves it.

The toolchain in it says that it is a fake; the real one is installed in tests/integration/test_setup_go.py.
"""

import base64
import hashlib
import io
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from goferry.config.settings import Settings
from goferry.golang import (
    _modzip as modzip,
    _signed_note as signed_note,
    _tlog as tlog,
    _toolchain_store as toolchain_store,
)

NAME = "sums.example.test"
FILES = {
    "VERSION": b"go1.27.3\ntime 2026-10-19T00:00:00Z\n",
    "bin/go": b"#!/bin/sh\necho a fake go for tests\n",
    "bin/gofmt": b"#!/bin/sh\necho a fake gofmt for tests\n",
    "pkg/tool/x/compile": b"#!/bin/sh\necho a fake compile for tests\n",
    "lib/wasm/go_js_wasm_exec": b"#!/bin/sh\n",
    "lib/time/zoneinfo.zip": b"none\n",
    "src/_go.mod": b"module std\n",
    "src/cmd/_go.mod": b"module cmd\n",
    "src/fmt/print.go": b"package fmt\n" * 500,
}


class Log:
    """A transparency log in memory that can be written out as Go's checksum database serves it."""

    def __init__(self, seed: bytes = b"k" * 32, name: str = NAME) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(seed)
        public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key = signed_note.NoteKey(name, signed_note.ED25519 + public)
        self.records: list[bytes] = []

    def add(self, record: bytes) -> int:
        self.records.append(record)
        return len(self.records) - 1

    def fill(self, count: int) -> None:
        for _ in range(count):
            self.add(f"example.test/m{len(self.records)} v1.0.0 h1:{'A' * 43}=\n".encode())

    def hash(self, level: int, n: int) -> bytes:
        if level == 0:
            return tlog.leaf_hash(self.records[n])
        return tlog.inner_hash(self.hash(level - 1, 2 * n), self.hash(level - 1, 2 * n + 1))

    def root(self, size: int) -> bytes:
        return tlog.fold([self.hash(*coordinate) for coordinate in tlog.cover(0, size)])

    def head(self, size: int | None = None) -> bytes:
        size = len(self.records) if size is None else size
        text = f"go.sum database tree\n{size}\n{base64.b64encode(self.root(size)).decode()}\n"
        return self.sign(text)

    def sign(self, text: str) -> bytes:
        signature = base64.b64encode(self.key.hash + self.private.sign(text.encode())).decode()
        return f"{text}\n\u2014 {self.key.name} {signature}\n".encode()

    def tile(self, tile: tlog.Tile) -> bytes:
        first = tile.n << tlog.HEIGHT
        return b"".join(self.hash(tlog.HEIGHT * tile.level, first + at) for at in range(tile.width))

    def write(self, folder: Path, size: int | None = None) -> None:
        size = len(self.records) if size is None else size
        base = folder / "sumdb" / self.key.name
        put(base / "supported", b"")
        level = 0
        while size >> (tlog.HEIGHT * level):
            count = size >> (tlog.HEIGHT * level)
            for n in range(-(-count // tlog.FULL)):
                tile = tlog.Tile(level, n, min(tlog.FULL, count - n * tlog.FULL))
                put(base / tile.path, self.tile(tile))
            level += 1

    def write_lookup(self, folder: Path, version: str, index: int, size: int | None = None) -> Path:
        data = f"{index}\n".encode() + self.records[index] + b"\n" + self.head(size)
        return put(folder / "sumdb" / self.key.name / "lookup" / f"{toolchain_store.MODULE}@{version}", data)


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def toolchain_zip(version: str, files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{toolchain_store.MODULE}@{version}/{name}", content)
    return buffer.getvalue()


def h1_of(version: str, files: dict[str, bytes]) -> str:
    prefix = f"{toolchain_store.MODULE}@{version}/"
    return modzip.h1({prefix + name: hashlib.sha256(content).hexdigest() for name, content in files.items()})


class World:
    """The log, the proxy's folder, and settings that point at them."""

    files = FILES

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.proxy = folder / "proxy"
        self.log = Log()
        self.log.fill(300)
        self.goos, self.goarch = toolchain_store.host()
        self.versions: list[str] = []

    def module_version(self, version: str) -> str:
        return toolchain_store.module_version(version, self.goos, self.goarch)

    def publish(self, version: str, files: dict[str, bytes] | None = None) -> Path:
        """Record a toolchain, write log and proxy anew, and return the zip's path."""
        files = FILES if files is None else files
        full = self.module_version(version)
        index = self.log.add(
            f"{toolchain_store.MODULE} {full} {h1_of(full, files)}\n{toolchain_store.MODULE} {full}/go.mod h1:{'B' * 43}=\n".encode()
        )
        self.versions.append(full)
        put(self.proxy / toolchain_store.MODULE / "@v" / "list", "\n".join(self.versions).encode() + b"\n")
        self.log.write(self.proxy)
        self.log.write_lookup(self.proxy, full, index)
        return put(self.zip_path(version), toolchain_zip(full, files))

    def zip_with(self, version: str, changes: dict[str, bytes]) -> bytes:
        return toolchain_zip(self.module_version(version), {**FILES, **changes})

    def zip_path(self, version: str) -> Path:
        return self.proxy / toolchain_store.MODULE / "@v" / f"{self.module_version(version)}.zip"

    def lookup_path(self, version: str) -> Path:
        return self.proxy / "sumdb" / NAME / "lookup" / f"{toolchain_store.MODULE}@{self.module_version(version)}"

    def settings(self, **environ: str) -> Settings:
        base = {"GOPROXY": f"file://{self.proxy}", "GOSUMDB": self.log.key.text, "GOENV": "off", "PATH": ""}
        tools = environ.pop("RUNNER_TOOL_CACHE", "")
        return Settings({**base, **environ}, self.folder / "cache", Path(tools) if tools else None)

    def left(self) -> list[str]:
        """Everything on disk that looks like a toolchain or a part of one."""
        found = []
        for base in ("cache/toolchains", "tools/go"):
            found += [path.name for path in (self.folder / base).rglob("*") if not path.name.endswith(".lock")]
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def new_log() -> type[Log]:
    return Log
