"""Where toolchains are kept, and the record beside each that lets a later run call it proven without the network.

With a runner's tool cache (RUNNER_TOOL_CACHE), in its own layout, so that other steps find them:

    go/1.27.3/x64/            the toolchain
    go/1.27.3/x64.complete    the tool cache's marker
    go/1.27.3/x64.proof.json  our record

Elsewhere, or where another step's Go stands at that place already: toolchains/go1.27.3.linux-amd64/ in Goferry's cache.

The record holds the whole proof (record, signed tree head, inclusion path), which a later run checks again from its
bytes and the key. Whether the files are still those that were proven is not said beside them, where whoever may change
them could say so, but in Goferry's own cache (golang.untouched); where it is not known there (a restored cache, an
image), every file is hashed again and held to the proof.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from goferry.artifacts.native import host
from goferry.artifacts.toolchain import Toolchain
from goferry.config.settings import Settings
from goferry.golang import _signed_note as signed_note, _tree as tree
from goferry.golang._proof import Proof, Written
from goferry.golang._untouched import TreeWatch
from goferry.golang.versions import GoVersion
from goferry.kernel import canonical
from goferry.kernel.errors import Refused
from goferry.kernel.files import write_atomically

MODULE = "golang.org/toolchain"
SCHEMA = 1

_RUNNER_ARCH = {"amd64": "x64", "386": "x32"}


def module_version(version: str, goos: str, goarch: str) -> str:
    """Return a toolchain's module version: `v0.0.1-go1.27.3.linux-amd64` (cmd/go/internal/toolchain)."""
    return f"v0.0.1-go{version}.{goos}-{goarch}"


def listed(text: str, goos: str, goarch: str) -> list[GoVersion]:
    """Return the versions for one platform in a proxy's list of the toolchain module."""
    found = re.findall(rf"^v0\.0\.1-go(\S+)\.{goos}-{goarch}$", text, re.MULTILINE | re.ASCII)
    versions = []
    for item in found:
        with contextlib.suppress(ValueError):
            versions.append(GoVersion(item))
    return versions


class ToolchainPlace(Struct, frozen=True):
    """A folder for one toolchain, with its record, lock and (in a tool cache) marker beside it."""

    root: Path
    marker: Path | None = None

    @property
    def record(self) -> Path:
        """The record's file."""
        return self.root.with_name(self.root.name + ".proof.json")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the place for this process; others wait, and a lock dies with its process."""
        self.root.parent.mkdir(parents=True, exist_ok=True)
        with self.root.with_name(f".{self.root.name}.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """Yield an empty folder beside the place, gone at the end; call inside `locked`, which makes leftovers ours."""
        for old in self.root.parent.glob(f".{self.root.name}.partial-*"):
            shutil.rmtree(old, ignore_errors=True)
        folder = self.root.with_name(f".{self.root.name}.partial-{os.urandom(4).hex()}")
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, folder: Path, proof: Proof, key: signed_note.NoteKey) -> None:
        """Move a finished toolchain out of a workspace into the place: record, one rename, marker."""
        folder.chmod(0o755)
        if self.root.exists():
            self.root.rename(folder.with_name("replaced"))
        self.write_record(proof, key)
        folder.rename(self.root)
        if self.marker:
            self.marker.touch()

    def write_record(self, proof: Proof, key: signed_note.NoteKey) -> None:
        """Write the record of what is proven."""
        record = {"schema": SCHEMA, "key": key.text, "proof": proof.as_json()}
        write_atomically(self.record, canonical.dumps(record))


class _Record(Struct, frozen=True):
    """The record beside a toolchain: the proof, and the key of the checksum database that signed it."""

    schema: int
    key: str
    proof: Written


def places(settings: Settings, version: str, goos: str, goarch: str) -> list[ToolchainPlace]:
    """Return where a version may lie, best first."""
    own = ToolchainPlace(settings.cache / "toolchains" / f"go{version}.{goos}-{goarch}")
    if settings.tool_cache is None:
        return [own]
    return [tool_cache_place(settings.tool_cache, version, goarch), own]


def tool_cache_place(tool_cache: Path, version: str, goarch: str) -> ToolchainPlace:
    """Return a version's place in a runner's tool cache, which spells versions semantically: `1.28.0-rc.1`."""
    match = re.fullmatch(r"(\d+\.\d+)(?:\.(\d+))?(?:(alpha|beta|rc)(\d+))?", version)
    assert match
    base, patch, kind, number = match.groups()
    semantic = f"{base}.{patch or 0}" + (f"-{kind}.{number}" if kind else "")
    arch = _RUNNER_ARCH.get(goarch, goarch)
    root = tool_cache / "go" / semantic / arch
    return ToolchainPlace(root, root.with_name(arch + ".complete"))


def recorded_version(record: Path) -> GoVersion | None:
    """Return the version that a record beside a toolchain is of, or None; nothing is checked yet."""
    goos, goarch = host()
    try:
        versions = listed(msgspec.convert(canonical.loads(record.read_bytes()), _Record).proof.version, goos, goarch)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return versions[0] if versions else None


def free(candidates: list[ToolchainPlace]) -> ToolchainPlace:
    """Return the first place that is ours or empty, and writable; the last is Goferry's own."""
    for place in candidates[:-1]:
        folder = place.root
        while not folder.exists():
            folder = folder.parent
        ours = place.record.is_file() or not (place.root.exists() or (place.marker and place.marker.exists()))
        if ours and os.access(folder, os.W_OK):
            return place
    return candidates[-1]


class KeptToolchain(Struct, frozen=True):
    """What a place's record proves: the toolchain, or why it does not count."""

    toolchain: Toolchain | None
    why: str = ""


def read_installed(
    place: ToolchainPlace,
    version: str,
    goos: str,
    goarch: str,
    *,
    watch: TreeWatch,
    key: signed_note.NoteKey | None = None,
) -> KeptToolchain:
    """Check an installed toolchain against its record, without the network.

    `key` is the configured database's; None takes a record by Go's own database's key only. `watch` knows what was
    hashed before.
    """
    wanted = module_version(version, goos, goarch)
    if not (place.root.is_dir() and place.record.is_file()):
        return KeptToolchain(None)
    try:
        record = msgspec.convert(canonical.loads(place.record.read_bytes()), _Record)
        proof, recorded = Proof.of(record.proof), signed_note.key(record.key)
        if record.schema != SCHEMA or (proof.module, proof.version) != (MODULE, wanted):
            return KeptToolchain(None, "its record is of another toolchain")
        if recorded.data != signed_note.GO_KEY and recorded != key:
            return KeptToolchain(None, "its record is by another checksum database")
        proof.check(recorded)
        if not watch.untouched(place.root, proof.h1):
            if tree.hash_folder(place.root, f"{MODULE}@{wanted}/") != proof.h1:
                return KeptToolchain(None, "its files are not those that were proven")
            with contextlib.suppress(OSError):
                watch.keep(place.root, proof.h1)
    except (OSError, ValueError, KeyError, TypeError, Refused, signed_note.ChecksumDatabaseUnknown) as error:
        return KeptToolchain(None, f"its record cannot be used: {error}")
    return KeptToolchain(toolchain(place.root, version, proof, recorded))


def toolchain(root: Path, version: str, proof: Proof, key: signed_note.NoteKey) -> Toolchain:
    """Describe a proven toolchain."""
    head = proof.check(key)
    evidence = {
        "module": f"{proof.module}@{proof.version}",
        "h1": proof.h1,
        "tree": head.size,
        "root": head.root.hex(),
        "log": f"{key.name}+{key.hash.hex()}",
    }
    return Toolchain(version, root, "module", "checksum-database", evidence)
