"""What git keeps of a work tree: the files of its index, and those at which git was told not to look."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from goferry.gobuild.revision import GitFailed, git_environ
from goferry.system import process

_SUBMODULE, _LINK = "160000", "120000"


class IndexEntry(Struct, frozen=True):
    """A file of the index.

    Attributes:
        blob: the hash of its content. mode: `100644`, `100755`, `120000` (a symbolic link) or `160000` (a submodule).
        unseen: git was told not to look at it (`--assume-unchanged`, `--skip-worktree`).
    """

    blob: str
    mode: str
    unseen: bool = False

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return self.mode == _LINK


class PackageIndex(Struct, frozen=True):
    """The index of the work tree at `root`, submodules' included: path relative to it, with slashes → entry.

    Attributes:
        root: the work tree's top. entries: what git keeps.
        submodules: path of each submodule → whether it is checked out; git does not look into one that is not.
    """

    root: Path
    entries: Mapping[str, IndexEntry] = field(default_factory=dict)
    submodules: Mapping[str, bool] = field(default_factory=dict)

    def holds(self, path: Path) -> bool:
        """Tell whether git keeps the content of this file; of a link, what it leads to."""
        return self.name(path) in self.entries

    def name(self, path: Path) -> str:
        """Return the path of a file, links followed, relative to the root; with `..` where it lies outside."""
        return os.path.relpath(os.path.realpath(path), os.path.realpath(self.root)).replace(os.sep, "/")


def read(root: Path, environ: Mapping[str, str]) -> PackageIndex:
    """Read the index of the work tree at `root`.

    Raises:
        GitFailed: when git can't read it.
    """
    entries: dict[str, IndexEntry] = {}
    submodules: dict[str, bool] = {}
    for line in _ask(root, environ, "ls-files", "-z", "--stage", "-v").split("\0"):
        facts, _, path = line.partition("\t")
        words = facts.split()
        if len(words) != 4:
            continue
        tag, mode, blob, _stage = words
        if mode != _SUBMODULE:
            entries[path] = IndexEntry(blob, mode, unseen=tag.islower() or tag == "S")
            continue
        submodules[path] = (root / path / ".git").exists()
        if submodules[path]:
            below = read(root / path, environ)
            entries.update({f"{path}/{name}": entry for name, entry in below.entries.items()})
            submodules.update({f"{path}/{name}": there for name, there in below.submodules.items()})
    return PackageIndex(root, entries, submodules)


def others(index: PackageIndex, environ: Mapping[str, str]) -> list[str]:
    """Return what git does not keep, ignored or not: files, and folders of which it keeps none, ending in a slash.

    Raises:
        GitFailed: when git can't tell.
    """
    found = _others(index.root, environ)
    for name, there in index.submodules.items():
        if there:
            found += [f"{name}/{other}" for other in _others(index.root / name, environ)]
    return [*found, *(f"{name}/" for name in filled(index))]


def filled(index: PackageIndex) -> list[str]:
    """Return the submodules that are not checked out and whose folders hold files: git says nothing of those."""
    folders = (name for name, there in index.submodules.items() if not there)
    return [name for name in folders if any(files for _, _, files in os.walk(index.root / name))]


def _others(root: Path, environ: Mapping[str, str]) -> list[str]:
    return [name for name in _ask(root, environ, "ls-files", "-z", "--others", "--directory").split("\0") if name]


def altered(index: PackageIndex, environ: Mapping[str, str]) -> dict[str, str]:
    """Return path → `changed` or `missing` of the files at which git does not look and that are not as it keeps them.

    What a sparse checkout leaves out is not there, but where its folder is there and Go reads it without the file.

    Raises:
        GitFailed: when git can't tell.
    """
    unseen = {name: entry for name, entry in index.entries.items() if entry.unseen}
    if not unseen:
        return {}
    here = [name for name in unseen if os.path.lexists(index.root / name)]
    plain = [name for name in here if not unseen[name].is_link and "\n" not in name]
    files = [name for name in plain if (index.root / name).is_file()]
    blobs = dict(zip(files, _hashed(index.root, environ, files), strict=True))
    for name in here:
        if unseen[name].is_link and (index.root / name).is_symlink():
            blobs[name] = blob(os.fsencode((index.root / name).readlink()), len(unseen[name].blob))
    found = {name: "changed" for name in here if blobs.get(name) != unseen[name].blob}
    sparse = _is_sparse(index.root, environ)
    for name in sorted(unseen.keys() - set(here)):
        if not sparse or (source(name) and _has_seen_source(index, name)):
            found[name] = "missing"
    return found


SOURCES = (
    *(".go", ".c", ".cc", ".cpp", ".cxx", ".m", ".h", ".hh", ".hpp", ".hxx", ".f", ".F", ".for", ".f90"),
    *(".s", ".S", ".sx", ".swig", ".swigcxx", ".syso"),
)
"""What the go command takes from a package's folder (`go help packages`, go/build)."""


def source(name: str) -> bool:
    """Tell by its name whether a build may read a file without being told to."""
    base = name.rsplit("/", 1)[-1]
    return base in ("default.pgo", "go.mod") or (base.endswith(SOURCES) and not base.endswith("_test.go"))


def _has_seen_source(index: PackageIndex, name: str) -> bool:
    folder = name.rpartition("/")[0]
    return any(
        other.rpartition("/")[0] == folder and source(other) and not entry.unseen
        for other, entry in index.entries.items()
    )


def _hashed(root: Path, environ: Mapping[str, str], names: list[str]) -> list[str]:
    if not names:
        return []
    words = ["hash-object", "--stdin-paths"]
    return _ask(root, environ, *words, stdin="".join(f"{name}\n" for name in names)).split()


def blob(content: bytes, digits: int) -> str:
    """Return the hash that git gives to a file's content, of 40 or 64 `digits`."""
    algorithm = hashlib.sha256 if digits == 64 else hashlib.sha1
    return algorithm(b"blob %d\0%b" % (len(content), content)).hexdigest()


def _is_sparse(root: Path, environ: Mapping[str, str]) -> bool:
    words = ["git", "config", "--type=bool", "core.sparseCheckout"]
    return process.run(words, environ=git_environ(root, environ), cwd=root).text.strip() == "true"


def _ask(root: Path, environ: Mapping[str, str], *words: str, stdin: str = "") -> str:
    done = process.run(["git", *words], environ=git_environ(root, environ), cwd=root, stdin=os.fsencode(stdin))
    if done.code:
        raise GitFailed(done.errors.strip(), state="Nothing was built.", advice=["look at it yourself:  git status"])
    return os.fsdecode(done.stdout)
