"""What a program says of its own origin (`runtime/debug.ReadBuildInfo`, `go version -m`): revision, time, version.

The go command asks git for it. It is shown a folder made for this one build: this commit, and one tag, the version that
is built. So the same commit gives the same bytes from a full, a shallow and a sparse checkout, in a linked worktree, as
another owner, and whatever other tags the commit has; and the version is the one that is released.

    DIST/.building/git/.git        HEAD, the commit's object, the tag
    DIST/.building/git/tree/       the work tree of that repository: empty
    DIST/.building/git/src         a link to the repository, where Go would not find a `.git` folder at its top

The commit's object is the real one, so its hash is too. `refs/replace` makes git read it as a commit with nothing in it
but the module files, which is all that Go looks for (cmd/go/internal/modfetch), so no other object is needed.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from goferry.artifacts import semver
from goferry.gobuild import tags
from goferry.gobuild.revision import git_environ
from goferry.kernel.digits import number
from goferry.system import process

VERSION_SINCE = (1, 24)
"""The first Go that stamps the version of the main module too."""
DEVEL = "(devel)"
"""What Go says where it knows no version."""

_SETTING = "core.useReplaceRefs"
"""What the caller's environment may not turn off: variables have the last word over a repository's settings."""


class StampImpossible(Exception):
    """Git or Go can't be asked; the message says why. Nothing is stamped then, and the build goes on."""


class Stamp(Struct, frozen=True):
    """What Go is to see.

    Attributes:
        root: the repository's top. commit: its commit. dirty: whether the work tree counts as changed.
        files: path of a go.mod, relative to the root → module path.
        here: tags on the commit. before: tags on its parent.
        leaves: the build reads code from outside of the repository, by a path that starts in it.
    """

    root: Path
    commit: str
    dirty: bool
    files: Mapping[str, str]
    here: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    leaves: bool = False


class StampedTree(Struct, frozen=True):
    """Where to run Go so that it sees the stamp: the folder in place of the repository's top, and variables."""

    root: Path
    env: Mapping[str, str]


def plan(
    *, go: str, root: Path, commit: str, dirty: bool, version: str, modules: Mapping[str, str], top: str
) -> Stamp | None:
    """Return what Go is to see, None without a commit.

    Args:
        go: the version of the toolchain, `1.27.3`.
        root: the repository's top.
        commit: hex digits, or empty.
        dirty: the work tree differs from the commit.
        version: what is built, also a pseudo-version, also with `+dirty`.
        modules: module path → folder relative to the root, with slashes.
        top: the module path of the go.mod at the root, or empty.
    """
    if not commit:
        return None
    files = {("" if folder == "." else f"{folder}/") + "go.mod": path for path, folder in modules.items()}
    here: list[str] = []
    before: list[str] = []
    for path in sorted(modules):
        found = _expressed(version, path, go)
        prefix = _prefix(path, top, go)
        if found is None or prefix is None or prefix + found.text in here:
            continue
        if not found.pseudo:
            here.append(prefix + found.text)
        elif (base := _base(found)) is not None:
            before.append(prefix + base)
    return Stamp(root, commit, dirty, files, tuple(here), tuple(before))


def main_version(*, go: str, version: str, module: str, top: str, date: str, commit: str, dirty: bool) -> str:
    """Return the version that Go stamps for a program of `module`: ours where Go can express it, else its own.

    Args:
        go: the version of the toolchain, `1.27.3`.
        version: what is built.
        module: the main package's module.
        top: the module of the go.mod at the root, or empty.
        date: the commit's, RFC 3339.
        commit: hex digits, or empty.
        dirty: the work tree differs from the commit.
    """
    if not commit or _numbers(go) < VERSION_SINCE or _prefix(module, top, go) is None:
        return DEVEL
    if _expressed(version, module, go) is not None:
        return version
    stamp = "".join(character for character in date if character.isdigit())[:14]
    major = 0 if _numbers(go) == VERSION_SINCE else tags.major_of(module)
    return semver.pseudo(None, major, stamp, commit) + ("+dirty" if dirty else "")


def _numbers(go: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)", go)
    return tuple(int(part) for part in found.groups()) if found else ()


def _expressed(version: str, module: str, go: str) -> semver.SemanticVersion | None:
    """Return our version where Go takes it for this module: `+dirty` is Go's to add. 1.24 has no v2 and higher."""
    found = semver.parse(version.removesuffix("+dirty"))
    if found is None or found.meta or (_numbers(go) == VERSION_SINCE and found.major > 1):
        return None
    return found if tags.fits(found.text, module) else None


def _prefix(module: str, top: str, go: str) -> str | None:
    """Return what Go expects before the version in a tag of `module`, None where it doesn't look for tags.

    1.24 looks at the tags of the repository's top for every module in it, and asks for no go.mod there.
    """
    if _numbers(go) == VERSION_SINCE:
        return ""
    root, path = _unversioned(top), _unversioned(module)
    if not top or not (path + "/").startswith(root + "/"):
        return None
    inner = path[len(root) :].strip("/")
    return f"{inner}/" if inner else ""


def _unversioned(path: str) -> str:
    above, _, last = path.rpartition("/")
    return above if above and last == f"v{tags.major_of(path)}" else path


def _base(pseudo: semver.SemanticVersion) -> str | None:
    """Return the tag before a pseudo-version's commit, None where there is none (go.dev/ref/mod#pseudo-versions)."""
    pre = pseudo.pre.rpartition("-")[0].rpartition(".")[0]  # without the stamp and the commit
    if not pre:
        return None
    numbers = f"v{pseudo.major}.{pseudo.minor}"
    return f"{numbers}.{pseudo.patch - 1}" if pre == "0" else f"{numbers}.{pseudo.patch}-{pre.removesuffix('.0')}"


def module_of(file: Path) -> str:
    """Return the module path that a go.mod declares, or an empty text."""
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    words = next((line.split() for line in lines if line.split()[:1] == ["module"]), [])
    return words[1].strip('"`') if len(words) > 1 else ""


def prepare(stamp: Stamp, place: Path, environ: Mapping[str, str]) -> StampedTree:
    """Make the folder that Go is shown.

    Args:
        stamp: what is to be seen.
        place: the folder to make, which is not there.
        environ: the surroundings, for git and with its variables.

    Raises:
        StampImpossible: when the commit can't be read, or Go would not see what is prepared.
    """
    raw = _commit(stamp, environ)
    git, tree = place / ".git", place / "tree"
    for folder in (git / "objects", git / "refs" / "heads", git / "refs" / "replace", tree):
        folder.mkdir(parents=True)
    kind = hashlib.sha256 if len(stamp.commit) == 64 else hashlib.sha1
    objects = _Objects(git / "objects", "sha256" if len(stamp.commit) == 64 else "sha1")
    if objects.put("commit", raw) != stamp.commit:
        raise StampImpossible("git's answer is not the commit")
    blobs = {path: objects.put("blob", f"module {module}\n".encode()) for path, module in stamp.files.items()}
    top = _tree(objects, blobs)
    when = _when(raw)
    parents = [objects.put("commit", _plain(top, [], when))] if stamp.before else []
    seen = objects.put("commit", _plain(top, parents, when))
    refs = {f"replace/{stamp.commit}": seen}
    refs |= {f"tags/{tag}": stamp.commit for tag in stamp.here}
    refs |= {f"tags/{tag}": parents[0] for tag in stamp.before}
    for name, target in refs.items():
        (git / "refs" / name).parent.mkdir(parents=True, exist_ok=True)
        (git / "refs" / name).write_text(f"{target}\n")
    (git / "HEAD").write_text(f"{stamp.commit}\n")
    sha256 = kind is hashlib.sha256
    (git / "config").write_text(
        f"[core]\n\trepositoryformatversion = {int(sha256)}\n\tbare = false\n\tworktree = {_quoted(tree)}\n"
        "\tuseReplaceRefs = true\n\tfsmonitor = false\n\tuntrackedCache = false\n"
        + ("[extensions]\n\tobjectformat = sha256\n" if sha256 else "")
    )
    if not stamp.dirty:  # without an index git finds the module files removed
        (git / "index").write_bytes(_index(blobs, kind))
    env = _settings(environ)
    if (stamp.root / ".git").is_dir():
        return StampedTree(stamp.root, {**env, "GIT_DIR": str(git)})
    if stamp.leaves:
        raise StampImpossible("a linked work tree or a submodule, with code from outside of it")
    (place / "src").symlink_to(stamp.root, target_is_directory=True)  # a linked worktree, or a submodule
    top_file = stamp.root / "go.mod"
    if top_file.is_file():
        (place / "go.mod").write_text(f"module {module_of(top_file)}\n")
    return StampedTree(place / "src", env)


def _settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's settings of git for one run with ours after them (git-config(1), "Environment")."""
    count = number(environ.get("GIT_CONFIG_COUNT", "")) or 0
    given = environ.get("GIT_CONFIG_PARAMETERS", "")
    return {
        "GIT_CONFIG_COUNT": str(count + 1),
        f"GIT_CONFIG_KEY_{count}": _SETTING,
        f"GIT_CONFIG_VALUE_{count}": "true",
        **({"GIT_CONFIG_PARAMETERS": f"{given} '{_SETTING}'='true'"} if given else {}),
    }


def _commit(stamp: Stamp, environ: Mapping[str, str]) -> bytes:
    try:
        done = process.run(
            ["git", "cat-file", "commit", stamp.commit], environ=git_environ(stamp.root, environ), cwd=stamp.root
        )
    except process.ToolMissing as error:
        raise StampImpossible("git is not on this machine") from error
    if done.code:
        raise StampImpossible("git can't read the commit")
    return done.stdout


def _when(raw: bytes) -> int:
    for line in raw.split(b"\n\n", 1)[0].split(b"\n"):
        words = line.split()
        if line.startswith(b"committer ") and len(words) > 3 and words[-2].isdigit():
            return int(words[-2])
    raise StampImpossible("the commit has no time")


def _plain(tree: str, parents: list[str], when: int) -> bytes:
    who = f"goferry <goferry> {when} +0000"
    lines = [f"tree {tree}", *(f"parent {each}" for each in parents), f"author {who}", f"committer {who}"]
    return ("\n".join(lines) + "\n\nstamp\n").encode()


class _Objects(Struct, frozen=True):
    """A folder of loose objects (gitformat-loose(5))."""

    folder: Path
    algorithm: str

    def put(self, kind: str, content: bytes) -> str:
        data = b"%b %d\0%b" % (kind.encode(), len(content), content)
        name = hashlib.new(self.algorithm, data).hexdigest()
        path = self.folder / name[:2] / name[2:]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(zlib.compress(data))
        return name


def _tree(objects: _Objects, blobs: Mapping[str, str]) -> str:
    """Write the tree of these files, path → hash, and return its hash."""
    entries: dict[str, tuple[bytes, str]] = {}
    below: dict[str, dict[str, str]] = {}
    for path, blob in blobs.items():
        first, _, rest = path.partition("/")
        if rest:
            below.setdefault(first, {})[rest] = blob
        else:
            entries[first] = (b"100644", blob)
    for name, files in below.items():
        entries[name + "/"] = (b"40000", _tree(objects, files))
    content = b"".join(
        b"%b %b\0%b" % (mode, name.rstrip("/").encode(), bytes.fromhex(digest))
        for name, (mode, digest) in sorted(entries.items(), key=lambda item: item[0].encode())
    )
    return objects.put("tree", content)


def _index(blobs: Mapping[str, str], kind: object) -> bytes:
    """Return an index of these files that git takes for unchanged without looking (gitformat-index(5), version 2)."""
    assert callable(kind)
    data = b"DIRC" + struct.pack(">LL", 2, len(blobs))
    for path, blob in sorted(blobs.items(), key=lambda item: item[0].encode()):
        name = path.encode()
        flags = 0x8000 | min(len(name), 0xFFF)
        entry = struct.pack(">10L", 0, 0, 0, 0, 0, 0, 0o100644, 0, 0, 0) + bytes.fromhex(blob)
        entry += struct.pack(">H", flags) + name
        data += entry + b"\0" * (8 - len(entry) % 8)
    return data + bytes(kind(data).digest())


def _quoted(path: Path) -> str:
    text = os.fspath(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
