"""The ledger, `dist/goferry.json`: what a `dist/` folder holds until it is sealed, and where it came from.

Every stage reads it, adds artifacts and writes it back whole, so a stage may run later or on another runner. The file
is canonical JSON; the folder is flat: an artifact's path is its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, convert, field, to_builtins
from msgspec.structs import asdict, replace

from goferry.artifacts import given
from goferry.kernel import canonical
from goferry.kernel.errors import Misuse, Refused, printable
from goferry.kernel.files import sha256_file, write_atomically

LEDGER = "goferry.json"
SCHEMA = 1
_NAME = r"(?!goferry\.json$)[A-Za-z0-9_][^/\\\x00-\x1f\x7f]*"
_MAKE = ("name the folder that a build wrote, or make one:  goferry build --out DIST",)
KINDS = ("binary", "archive", "package", "sbom", "image", "checksums", "manifest", "signature", "provenance")


class LedgerMissing(Misuse):
    """The folder has no ledger, `goferry.json`.

    Usual causes: `goferry build` did not write this folder, or it has already been sealed.
    """

    name = "ledger-missing"


class LedgerInvalid(Misuse):
    """The ledger, `goferry.json`, cannot be parsed.

    Usual causes: it was edited by hand, cut off, or written by a newer Goferry.
    """

    name = "ledger-invalid"


class DistSealed(Refused):
    """The folder is sealed: its list is signed, and nothing can be added to it.

    Usual causes: a second `goferry build` or `goferry image` after `goferry sign`. The version is finished: deploy or
    publish it, or remove the folder and build again. Signing a sealed folder again changes neither list nor manifest,
    and deploying what is already live changes nothing.
    """

    name = "dist-sealed"


class Uncommitted(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that the build read and the commit lacks: its path in the repository, and its digest in hex."""

    path: str
    sha256: str


class LedgerPack(Struct, frozen=True, forbid_unknown_fields=True):
    """A pack of compiled packages: its kind, its digest in hex, and whether a trusted signature covers it."""

    kind: str
    sha256: str
    signed: bool


class Compiled(Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from"}):
    """What the programs of a build cache's slot were compiled from; `source` as in gobuild.ground."""

    slot: str
    source: Literal["cold", "packs", "gocache"]
    packs: tuple[LedgerPack, ...]


class Artifact(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the folder.

    Attributes:
        name: the file's name in the folder, never with a slash.
        project: the project in goferry.yml that it belongs to.
        kind: one of KINDS.
        goos, goarch, variant: `linux`, `arm64`, `v8.0`; empty for files that fit every platform.
        size: bytes. sha256: lower-case hex.
        meta: facts of the kind; a binary's: `{"main": "./cmd/api", "ldflags": "-s -w", …}`, JSON types.
    """

    name: str
    project: str
    kind: str
    size: int
    sha256: str
    goos: str = ""
    goarch: str = ""
    variant: str = ""
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """`linux/amd64` or `linux/arm/7`; empty for files that fit every platform."""
        return "/".join(part for part in (self.goos, self.goarch, self.variant) if part)

    @property
    def main(self) -> str:
        """The package that a binary is of, `./cmd/api`; empty for other files."""
        return str(self.meta.get("main", ""))

    @classmethod
    def of_file(cls, path: Path, **fields: object) -> Artifact:
        """Describe a file that lies in the folder."""
        known: dict[str, Any] = dict(fields)
        return cls(name=path.name, size=path.stat().st_size, sha256=sha256_file(path), **known)


class Ledger(Struct, forbid_unknown_fields=True):
    """What the folder holds and where it came from.

    Attributes:
        project: the project's name. module: its module path.
        version: `v1.4.0`, or a pseudo-version of a commit without a tag. scheme: how it is read (artifacts.schemes).
        tag: what names the version in git, `api/v1.4.0`; empty: the version itself.
        commit: 40 hex digits, or empty outside git. date: the commit's time, RFC 3339 UTC.
        dirty: the work tree differed from the commit. snapshot: not built from a release tag.
        trace: the event stream's trace id.
        toolchain: `Toolchain.as_record()`.
        services: name → the service's declaration as in goferry.yml, with `binary`: the main's program name.
        shards: ids of the plan's shards that this folder holds; empty when it was not split.
        uncommitted: each file that the build read and the commit lacks, by its path.
        compiled: of each build cache. It is of this run and not of the version: no release carries it.
        artifacts: by name.
    """

    project: str
    version: str
    module: str = ""
    commit: str = ""
    date: str = ""
    dirty: bool = False
    snapshot: bool = False
    scheme: str = "go"
    tag: str = ""
    trace: str = ""
    toolchain: dict[str, Any] = field(default_factory=dict)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    shards: list[str] = field(default_factory=list)
    uncommitted: tuple[Uncommitted, ...] = ()
    compiled: tuple[Compiled, ...] = ()
    artifacts: dict[str, Artifact] = field(default_factory=dict)

    @property
    def go(self) -> str:
        """The version of Go that built it, `1.27.3`; empty where it is not said."""
        return str(self.toolchain.get("version", ""))

    def add(self, artifact: Artifact) -> None:
        """Add or replace an artifact by its name."""
        self.artifacts[artifact.name] = artifact

    def of_kind(self, kind: str) -> Iterator[Artifact]:
        """Yield the artifacts of one kind, by name."""
        for name in sorted(self.artifacts):
            if self.artifacts[name].kind == kind:
                yield self.artifacts[name]

    def uncommitted_lines(self, most: int = 20) -> list[str]:
        """Return a line for each uncommitted file, for a person, and at most `most`."""
        lines = [f"not in the commit: {printable(each.path, 200)}  {each.sha256}" for each in self.uncommitted]
        return lines if len(lines) <= most else [*lines[:most], f"not in the commit: {len(lines) - most} more files"]

    def save(self, folder: Path) -> None:
        """Write the ledger into `folder`.

        Raises:
            DistSealed: when the folder is sealed.
        """
        refuse_sealed(folder)
        artifacts = [self.artifacts[name] for name in sorted(self.artifacts)]
        record = {**asdict(self), "schema": SCHEMA, "artifacts": artifacts}
        write_atomically(folder / LEDGER, canonical.dumps(to_builtins(record)))

    @classmethod
    def load(cls, folder: Path) -> Ledger:
        """Read the ledger of `folder`.

        Raises:
            FolderUnreadable: the release's folder, or a file in it, cannot be opened.
            DistSealed: the folder is sealed: its list is signed, and nothing can be added to it.
            LedgerMissing: the folder has no ledger, `goferry.json`.
            LedgerInvalid: the ledger, `goferry.json`, cannot be parsed.
        """
        given.refuse_absent(folder)
        refuse_sealed(folder)
        try:
            data = (folder / LEDGER).read_bytes()
        except OSError as error:
            raise LedgerMissing(f"{folder} has no {LEDGER}", advice=_MAKE) from error
        return cls.parse(data, str(folder / LEDGER))

    @classmethod
    def parse(cls, data: bytes, where: str = LEDGER) -> Ledger:
        """Read a ledger from its bytes; `where` names them in errors.

        Raises:
            LedgerInvalid: when they are not a ledger of this schema.
        """
        try:
            record: Any = canonical.loads(data)
            _demand(record.pop("schema") == SCHEMA, "another schema")
            entries = convert(record.pop("artifacts"), tuple[Artifact, ...])
            plain = all(entry.kind in KINDS and re.fullmatch(_NAME, entry.name) for entry in entries)
            _demand(plain, "an artifact of unknown kind or without a plain name")
            ledger = replace(convert(record, cls), artifacts={entry.name: entry for entry in entries})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise LedgerInvalid(
                f"{where}: {error}", advice=["remove the folder and build again:  goferry build"]
            ) from error
        return ledger


class _Sealed(Struct, frozen=True):
    """What a release.json says that it is; nobody has verified it here."""

    project: str
    version: str


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def refuse_sealed(folder: Path) -> None:
    """Raise DistSealed when `folder` holds a signed list."""
    if (folder / "SHA256SUMS").exists():
        raise DistSealed(
            f"{folder} is sealed{_sealed_as(folder)}, and nothing can be added to it",
            state="Nothing was written.",
            advice=[
                f"it is ready to be deployed or published:  goferry verify {given.typed(folder)} --trust FILE",
                "or build the next version into another folder:  goferry build --out OTHER",
                "or remove this one first; goferry up replaces its own by itself",
            ],
        )


def _sealed_as(folder: Path) -> str:
    """Return ` as shop v1.2.3` by what the folder says of itself, for a person; empty where it does not."""
    try:
        sealed = convert(canonical.loads((folder / "release.json").read_bytes()), _Sealed)
    except (OSError, ValueError):
        return ""
    return " as " + printable(f"{sealed.project} {sealed.version}", 200)
