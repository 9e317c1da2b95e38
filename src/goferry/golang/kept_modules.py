"""Modules that are kept between jobs: as Go unpacked them, and held to go.sum before Go may see them again.

Go checks a module once, when it downloads it, and does not look again (cmd/go/internal/modfetch): whoever can write to
a cache that is restored could change what is compiled. So what is restored counts only when its hash h1 is the one that
a go.sum of the repository has (golang.org/x/mod/sumdb/dirhash, "Hash1"); all else in a pack is left out.

    <escaped path>@<escaped version>/…                       h1 of these files = the line of go.sum
    cache/download/<escaped path>/@v/<escaped version>.mod   h1 of this one file = the line with /go.mod
    …                                  .info, .ziphash       not kept: made anew from what was proven

The zips are not kept. h1 is a hash of the files in them, so the files prove as much; they pack better than what is
compressed already, and neither we nor Go inflate them. Go takes an unpacked module without its zip
(modfetch/fetch.go, DownloadDir), and looks at its hash in .ziphash.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from goferry.caches.pack import Writer
from goferry.golang import _modzip as modzip
from goferry.golang._proxies import escaped

_PATH = r"(?:[a-z0-9!_~-][a-z0-9!._~-]*/)+"
_VERSION = r"v[0-9A-Za-z!.+-]+"
_PART = r"(?!\.{1,2}(?:/|$))[^/\\\x00-\x1f\x7f]+"
_MOD = rf"cache/download/{_PATH}@v/{_VERSION}\.mod"
_TREE = rf"{_PATH}[a-z0-9!_~-][a-z0-9!._~-]*@{_VERSION}|[a-z0-9!_~-][a-z0-9!._~-]*@{_VERSION}"
NAME = rf"(?:{_MOD}|(?:{_TREE})(?:/{_PART})+)"
"""What a pack of modules may name; relative to GOMODCACHE."""
TOOLCHAIN = "golang.org/toolchain@"
_DOWNLOADS = "cache/download"


class Module(Struct, frozen=True):
    """What go.sum knows: of which module, in which version, with which h1."""

    path: str
    version: str
    h1: str


class Sums(Struct, frozen=True):
    """What the go.sum files of a project know: the .mod files, and the modules by their folder in GOMODCACHE."""

    mods: dict[str, Module]
    trees: dict[str, Module]

    @property
    def inputs(self) -> dict[str, str]:
        """Everything, by name, with its hash: what a pack's key is made from."""
        return {name: each.h1 for name, each in {**self.mods, **self.trees}.items()}


def wanted(sums: Iterable[str]) -> Sums:
    """Return what texts of go.sum know; what two of them disagree on, toolchains and strange names are left out."""
    mods: dict[str, Module] = {}
    trees: dict[str, Module] = {}
    unclear: set[str] = set()
    for path, version, of_mod, h1 in _lines(sums):
        if of_mod:
            found, name = mods, f"{_DOWNLOADS}/{escaped(path)}/@v/{escaped(version)}.mod"
        else:
            found, name = trees, f"{escaped(path)}@{escaped(version)}"
        if found.setdefault(name, Module(path, version, h1)).h1 != h1:
            unclear.add(name)

    def good(found: dict[str, Module], pattern: str) -> dict[str, Module]:
        fits = re.compile(pattern).fullmatch
        return {
            name: each
            for name, each in found.items()
            if name not in unclear and fits(name) and TOOLCHAIN not in f"{each.path}@"
        }

    return Sums(good(mods, _MOD), good(trees, _TREE))


def names(modcache: Path, sums: Sums) -> list[str]:
    """Return the files below GOMODCACHE that a pack holds: what Go has of what go.sum knows, whole modules alone."""
    found = [name for name in sums.mods if (modcache / name).is_file()]
    for tree in sums.trees:
        stem = _stem(modcache, tree)
        folder = modcache / tree
        if folder.is_dir() and Path(f"{stem}.ziphash").is_file() and not Path(f"{stem}.partial").exists():
            for at, _, files in os.walk(folder):
                below = f"{tree}{at[len(str(folder)) :]}"
                found += [f"{below}/{file}" for file in sorted(files)]
    return found


class Restoring:
    """Modules on their way into GOMODCACHE: they are written aside, and moved there once they are proven."""

    def __init__(self, modcache: Path, sums: Sums) -> None:
        """Raises OSError where the folder can't be written."""
        self._modcache, self._sums = modcache, sums
        modcache.mkdir(parents=True, exist_ok=True)
        self._aside = Path(tempfile.mkdtemp(dir=modcache, prefix=".goferry-"))
        self._writer, self._mods = Writer(self._aside, 0o444), Writer(modcache)
        self._there = {tree for tree in sums.trees if (modcache / tree).exists()}
        self._digests: dict[str, dict[str, str]] = {}

    def take(self, name: str, data: memoryview) -> bool:
        """Take a file of a pack (see caches.pack.unpack); what is there, or not in go.sum, is passed over."""
        if name.startswith(_DOWNLOADS):
            module = self._sums.mods.get(name)
            if module is None:
                return True
            if modzip.h1({"go.mod": hashlib.sha256(data).hexdigest()}) != module.h1:
                return False
            self._mods.write(name, data)
            return True
        end = name.index("/", name.index("@"))
        tree, module = name[:end], self._sums.trees.get(name[:end])
        if module is not None and tree not in self._there:
            whole = f"{module.path}@{module.version}{name[end:]}"
            self._digests.setdefault(tree, {})[whole] = hashlib.sha256(data).hexdigest()
            self._writer.write(name, data)
        return True

    def settle(self) -> list[str]:
        """Let Go see the modules whose hash is that of go.sum; return the folders of the others.

        Raises:
            OSError: the folder can't be written.
        """
        refused = []
        for tree, digests in self._digests.items():
            module = self._sums.trees[tree]
            if modzip.h1(digests) != module.h1:
                refused.append(tree)
                continue
            _complete(self._modcache, tree, module)
            target = self._modcache / tree
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                (self._aside / tree).rename(target)
            except OSError:
                if not target.is_dir():  # another job's is as good
                    raise
                continue
            for folder, _, _ in os.walk(target, topdown=False):  # as Go leaves them (modfetch, makeDirsReadOnly)
                os.chmod(folder, 0o555)  # noqa: PTH101, S103
        return refused

    def close(self) -> None:
        """Remove what was not let through."""
        shutil.rmtree(self._aside, ignore_errors=True)


def _complete(modcache: Path, tree: str, module: Module) -> None:
    """Write what Go expects beside an unpacked module: its hash, and the shortest note of its version that Go reads.

    Without the hash Go would call the module damaged (modfetch/fetch.go, checkMod); without the note `go mod download`
    would ask a proxy for it (modfetch/cache.go, Stat).
    """
    stem = _stem(modcache, tree)
    Path(stem).parent.mkdir(parents=True, exist_ok=True)
    for end, text in ((".ziphash", module.h1), (".info", json.dumps({"Version": module.version}))):
        path = Path(f"{stem}{end}")
        if not path.exists():
            path.write_text(text, "utf-8")


def _stem(modcache: Path, tree: str) -> str:
    path, _, version = tree.rpartition("@")
    return f"{modcache}/{_DOWNLOADS}/{path}/@v/{version}"


def _lines(sums: Iterable[str]) -> Iterator[tuple[str, str, str, str]]:
    for text in sums:
        for match in re.finditer(r"(?m)^(\S+) (v\S+?)(/go\.mod)? (h1:[A-Za-z0-9+/]{43}=)[ \t\r]*$", text):
            yield match[1], match[2], match[3] or "", match[4]
