"""Modules that are kept between jobs: the downloads that go.sum knows, and held to it before Go may see them.

Go checks a module once, when it downloads it, and does not look again (cmd/go/internal/modfetch): whoever can write to
a cache that is restored could change what is compiled. So a restored zip or go.mod counts only when its hash h1 is the
one that a go.sum of the repository has (golang.org/x/mod/sumdb/dirhash, "Hash1"); all else in a pack is left out.

    cache/download/<escaped path>/@v/<escaped version>.zip      h1 of its files = the line of go.sum
    cache/download/<escaped path>/@v/<escaped version>.mod      h1 of this one file = the line with /go.mod
    …                                            .info, .ziphash  not kept: made anew from what was proven
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from goferry.golang import modzip
from goferry.golang.proxies import escaped

NAME = r"(?:[a-z0-9!][a-z0-9!._~-]*/)+@v/v[0-9A-Za-z!.+-]+\.(?:zip|mod)"
TOOLCHAIN = "golang.org/toolchain/"
_LINE = re.compile(r"(?m)^(\S+) (v\S+?)(/go\.mod)? (h1:[A-Za-z0-9+/]{43}=)[ \t\r]*$")


@dataclass(frozen=True)
class Module:
    """A file of the download cache that go.sum knows: of which module, in which version, with which h1."""

    path: str
    version: str
    h1: str


def wanted(sums: Iterable[str]) -> dict[str, Module]:
    """Return what the texts of go.sum and go.work.sum files know: name below cache/download → module.

    A file of two hashes is left out, and so are Go's own toolchains.
    """
    found: dict[str, Module] = {}
    unclear: set[str] = set()
    for path, version, of_mod, h1 in _lines(sums):
        name = f"{escaped(path)}/@v/{escaped(version)}.{'mod' if of_mod else 'zip'}"
        if found.setdefault(name, Module(path, version, h1)).h1 != h1:
            unclear.add(name)
    return {
        name: each
        for name, each in found.items()
        if name not in unclear and re.fullmatch(NAME, name) and not name.startswith(TOOLCHAIN)
    }


def genuine(module: Module, name: str, data: bytes) -> bool:
    """Whether a file of the download cache is the one that go.sum knows."""
    if name.endswith(".mod"):
        return modzip.h1({"go.mod": hashlib.sha256(data).hexdigest()}) == module.h1
    try:
        with zipfile.ZipFile(BytesIO(data)) as opened:
            infos = opened.infolist()
            if len(infos) > modzip.MOST_FILES or sum(info.file_size for info in infos) > modzip.MOST_BYTES:
                return False
            digests = {info.orig_filename: _digest(opened, info) for info in infos}
            return len(digests) == len(infos) and modzip.h1(digests) == module.h1
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError, RuntimeError):
        return False


def _digest(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    digest = hashlib.sha256()
    with opened.open(info) as file:
        while block := file.read(modzip.BLOCK):
            digest.update(block)
    return digest.hexdigest()


def complete(downloads: Path, name: str, module: Module) -> None:
    """Write what Go expects beside a proven zip: its hash, and the shortest note of its version that Go reads.

    Without the hash Go would compute it once more (modfetch/fetch.go, hashZip); without the note `go mod download`
    would ask a proxy for it (modfetch/cache.go, Stat).
    """
    stem = downloads / name.removesuffix(".zip")
    for end, text in ((".ziphash", module.h1), (".info", json.dumps({"Version": module.version}))):
        path = Path(f"{stem}{end}")
        if not path.exists():
            path.write_text(text, "utf-8")


def _lines(sums: Iterable[str]) -> Iterator[tuple[str, str, str, str]]:
    for text in sums:
        for match in _LINE.finditer(text):
            yield match[1], match[2], match[3] or "", match[4]
