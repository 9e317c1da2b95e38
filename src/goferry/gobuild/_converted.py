"""Files that the work tree has otherwise than the commit, while git calls the tree clean.

git converts files when it checks them out: line ends by this machine's `core.autocrlf`, contents by filters, links to
plain files where `core.symlinks` is off. A program into which such a file goes is another one on another machine. What
the commit itself asks for (`eol=crlf` in its .gitattributes, a file that Git LFS keeps) is as the commit has it: the
measure is what git makes of these files without any settings.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote

from msgspec import Struct

from goferry.gobuild import _index as indexes
from goferry.gobuild._index import IndexEntry, PackageIndex
from goferry.gobuild.replaced import Replacement
from goferry.gobuild.revision import git_environ
from goferry.kernel.errors import Advice
from goferry.system import process

_POINTER = rb"version https://git-lfs\.github\.com/spec/v1\n(?:[a-z0-9.-]+ .*\n)*?oid sha256:([0-9a-f]{64})\n"
_POINTER_SIZE = 1024
"""A pointer of Git LFS is smaller (its specification, docs/spec.md)."""
_ATTRIBUTES = ".gitattributes"
_EMBED = b"//go:embed"
_LFS = Advice(
    "fetch what Git LFS keeps:  git lfs pull",
    step="fetch what Git LFS keeps:  - uses: actions/checkout@REF  with: {lfs: true}",
)


class Converted(Struct, frozen=True):
    """What was found of the files that are released.

    Attributes:
        replaced: files for which the commit does not stand.
        filtered: files that a filter made which the commit's .gitattributes name, such as git-crypt; their names.
        pointers: files of Git LFS whose content was not fetched; their names. They are among `replaced`, too.
    """

    replaced: tuple[Replacement, ...] = ()
    filtered: tuple[str, ...] = ()
    pointers: tuple[str, ...] = ()


def find(
    index: PackageIndex,
    environ: Mapping[str, str],
    released: Callable[[], Iterable[Path]],
    *,
    packed: Sequence[Path] = (),
    release: bool = True,
) -> Converted:
    """Compare the files that go into programs and archives with what the commit has.

    Args:
        index: what git keeps.
        environ: git's surroundings.
        released: asks Go which files it reads; called only where a file may be among them that matters.
        packed: further files, which go into archives.
        release: whether all files are compared, as for a release of a clean tree; else those of Git LFS alone are.
    """
    pointers = set(_pointers(index))
    other = _differing(index, set(map(index.name, packed))) if release else {}
    if not pointers and not other:
        return Converted()
    read = {index.name(path) for path in (*released(), *packed)}
    pointers &= read
    other = {name: data for name, data in other.items() if name in read}
    links = [name for name in other if index.entries[name].is_link]
    made, filtered = _neutral(index, environ, [name for name in other if name not in links]) if other else ({}, set())
    changed = [name for name in other if name not in links and not _stands(made.get(name, b""), other[name])]
    gone = [*map(_pointer, sorted(pointers)), *map(_plain_link, sorted(links))]
    return Converted(
        (
            *gone,
            *(_changed(name, other[name], made.get(name, b"")) for name in sorted(changed) if name not in filtered),
        ),
        tuple(sorted(name for name in changed if name in filtered)),
        tuple(sorted(pointers)),
    )


def hints(found: Converted) -> tuple[str, ...]:
    """Return a sentence for each pointer, for whoever builds a snapshot."""
    return tuple(f"{name} is a pointer of Git LFS, and goes in as it is: git lfs pull" for name in found.pointers)


def _pointer(name: str) -> Replacement:
    return Replacement(f"{name} is a pointer of Git LFS, in place of its content", _LFS)


def _plain_link(name: str) -> Replacement:
    return Replacement(
        f"{name} is a link in the commit and a plain file here (core.symlinks)",
        f"make it a link:  git config core.symlinks true && rm {quote(name)} && git checkout -- {quote(name)}",
    )


def _changed(name: str, here: bytes, committed: bytes) -> Replacement:
    if _unix(here) == _unix(committed):
        return Replacement(
            f"{name} has other line ends than in the commit (core.autocrlf or core.eol of this machine)",
            "check all files out as they are:  git config core.autocrlf false && git config core.eol lf && "
            "git rm -rq --cached . && git reset -q --hard",
        )
    return Replacement(
        f"{name} is not as in the commit: settings of this machine's git changed it when it was checked out",
        "look for a filter in git's settings:  git config --show-origin --get-regexp 'filter|attributes'",
    )


def _unix(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")


def _stands(committed: bytes, here: bytes) -> bool:
    """Tell whether a file is what the commit says, which may say it by a pointer of Git LFS."""
    pointer = re.match(_POINTER, committed) if len(committed) < _POINTER_SIZE else None
    return here == committed or (pointer is not None and hashlib.sha256(here).hexdigest() == pointer[1].decode())


def _pointers(index: PackageIndex) -> Iterator[str]:
    """Yield the files that are pointers of Git LFS, where the commit says that it uses it."""
    names = [name for name in index.entries if name.rpartition("/")[2] == _ATTRIBUTES]
    if not any(b"filter=lfs" in _read(index.root / name) for name in names):
        return
    for name, entry in index.entries.items():
        path = index.root / name
        if not entry.is_link and _size(path) < _POINTER_SIZE and re.match(_POINTER, _read(path)):
            yield name


def _differing(index: PackageIndex, packed: Collection[str]) -> dict[str, bytes]:
    """Return path → content of the files that are not byte for byte as git keeps them and that a build may read.

    Those are source by their names, those of `packed`, and what lies below the folder of a source file that embeds.
    """
    found: dict[str, bytes] = {}
    embedding: set[str] = set()
    later: list[str] = []
    for name in index.entries:
        if name not in packed and not indexes.source(name):
            later.append(name)
            continue
        data = _compare(index, name, found)
        if name.endswith(".go") and _EMBED in data:
            embedding.add(name[: name.rfind("/") + 1])
    folders = tuple(embedding)
    for name in later:
        if name.startswith(folders):
            _compare(index, name, found)
    return found


def _compare(index: PackageIndex, name: str, found: dict[str, bytes]) -> bytes:
    entry, path = index.entries[name], index.root / name
    if entry.unseen or path.is_symlink() or not path.is_file():
        return b""  # gobuild.replaced reports what is unseen or missing
    data = _read(path)
    if entry.is_link or indexes.blob(data, len(entry.blob)) != entry.blob:
        found[name] = data
    return data


def _neutral(
    index: PackageIndex, environ: Mapping[str, str], names: Iterable[str]
) -> tuple[dict[str, bytes], set[str]]:
    """Check files out by the commit alone: path → content, and those for which it names a filter that is not LFS's."""
    import tempfile  # loaded where there is something to check out alone

    made: dict[str, bytes] = {}
    filtered: set[str] = set()
    below: dict[str, list[str]] = {}
    for name in names:
        tops = [top for top, there in index.submodules.items() if there and name.startswith(f"{top}/")]
        below.setdefault(max(tops, key=len, default=""), []).append(name)
    for top, whole in below.items():
        prefix = f"{top}/" if top else ""
        kept = [name for name in index.entries if name.startswith(prefix) and name.rpartition("/")[2] == _ATTRIBUTES]
        entries = {name[len(prefix) :]: index.entries[name] for name in (*kept, *whole)}
        with tempfile.TemporaryDirectory(prefix="goferry-") as room:
            copy = _Copy(index.root / prefix, Path(room), entries, environ)
            made |= {name: _read(copy.tree / name[len(prefix) :]) for name in whole}
            filtered |= {prefix + name for name in copy.filtered()} & set(whole)
    return made, filtered


class _Copy:
    """Files of one repository, checked out in a new one that has its objects and neither settings nor filters."""

    def __init__(self, top: Path, room: Path, entries: Mapping[str, IndexEntry], environ: Mapping[str, str]) -> None:
        self.tree, self._entries = room / "tree", entries
        self.tree.mkdir()
        asked = ["git", "rev-parse", "--git-path", "objects"]
        objects = process.run(asked, environ=git_environ(top, environ), cwd=top).text.rstrip("\n")
        self._env = {
            **git_environ(self.tree, environ),
            **dict.fromkeys(("HOME", "XDG_CONFIG_HOME"), str(room / "home")),
            **dict.fromkeys(("GIT_CONFIG_NOSYSTEM", "GIT_ATTR_NOSYSTEM"), "1"),
            "GIT_DIR": str(room / "git"),
            "GIT_WORK_TREE": str(self.tree),
        }
        digits = {len(entry.blob) for entry in entries.values()}
        self._ask("init", "-q", "--template=", f"--object-format={'sha256' if digits == {64} else 'sha1'}")
        self._env["GIT_OBJECT_DIRECTORY"] = str(top / objects)
        listed = "".join(f"{entry.mode} {entry.blob} 0\t{name}\0" for name, entry in entries.items())
        self._ask("update-index", "-z", "--index-info", given=listed)
        self._ask("checkout-index", "-a", "-q")

    def filtered(self) -> Iterator[str]:
        """Yield the files for which .gitattributes name a filter that is not Git LFS's."""
        given = "".join(f"{name}\0" for name in self._entries)
        words = self._ask("check-attr", "--cached", "-z", "--stdin", "filter", given=given).split("\0")
        for name, value in zip(words[::3], words[2::3], strict=False):
            if value not in ("unspecified", "unset", "set", "lfs"):
                yield name

    def _ask(self, *words: str, given: str = "") -> str:
        done = process.run(["git", *words], environ=self._env, cwd=self.tree, stdin=os.fsencode(given))
        return os.fsdecode(done.stdout)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return _POINTER_SIZE


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
