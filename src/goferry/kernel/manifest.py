"""The release manifest, `release.json`: what a sealed folder holds, which release it is, and where it came from.

Canonical JSON (kernel.canonical) of schema 2; every field is always there, and no other is accepted:

    {"schema": 2, "project", "module", "version", "commit", "sequence": int, "created": RFC 3339 UTC,
     "files": [{"name", "size", "sha256", "kind", "goos", "goarch", "variant", "meta"}, …],
     "images": [{"name", "digest", "file", "platforms": […]}, …],
     "toolchain": {…}, "services": {…}, "signatures": ["SHA256SUMS.asc", …], "flags": {"snapshot", "dirty"},
     "critical": {…}, "notes": {…}}

The last two are for capabilities to come (kernel.extension). Schema 1, which is still read, has the same fields without
them. `files` lists everything in the folder but the manifest itself, the list and the signatures, sorted by name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from goferry.kernel import canonical, checksums, extension, invisible, services
from goferry.kernel.fields import Fields
from goferry.kernel.refusals import ManifestMalformed
from goferry.kernel.times import parse_time

CRITICAL = frozenset([services.CRITICAL])
"""Names in a manifest's `critical` that this version knows."""

MANIFEST = "release.json"
SCHEMA = 2
SCHEMAS = (1, 2)
MAX_BYTES = 8 << 20
MAX_VALUES = canonical.MAX_VALUES - 50_000
"""So that what is written about a release, such as a journal, can be read again."""
MAX_SERVICES = 1000
UNCOMMITTED = "uncommitted"
"""The note that lists `{"path", "sha256"}` of each file that was built in and the commit lacks; older ones lack it."""
COMMIT_TIME = "commit-time"
"""The note that says when the commit was made, in the form of `created`; older ones lack it."""
SIGNATURES = {"openpgp": "SHA256SUMS.asc", "minisign": "SHA256SUMS.minisig"}
"""Signature format → the name of its file."""

_RESERVED = (MANIFEST, checksums.LIST, *SIGNATURES.values())
_SHA256 = re.compile("[0-9a-f]{64}")
_IMAGE_DIGEST = re.compile("sha256:[0-9a-f]{64}")
_COMMIT = re.compile("([0-9a-f]{40}([0-9a-f]{24})?)?")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~+/@-]{0,254}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_Ordered = TypeVar("_Ordered", str, bytes)


@dataclass(frozen=True)
class File:
    """One file of the release.

    Attributes:
        name: its name in the folder. size: bytes. sha256: lower-case hex.
        kind: `binary`, `archive`, `image`, `sbom`, ….
        goos, goarch, variant: `linux`, `arm`, `7`; empty for files that fit every platform.
        meta: facts of the kind, JSON types; a binary's `{"main", "program", …}`.
    """

    name: str
    size: int
    sha256: str
    kind: str
    goos: str = ""
    goarch: str = ""
    variant: str = ""
    meta: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ReleasedImage:
    """One image of the release: its repository name, manifest or index digest (`sha256:…`), file, and platforms."""

    name: str
    digest: str
    file: str
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """A release.

    Attributes:
        project, module, version, commit: which release; `commit` is 40 or 64 hex digits or empty.
        sequence: orders the project's releases whatever their version; usually the second of sealing.
        created: RFC 3339, UTC, ending in Z.
        files, images: sorted by name.
        toolchain, services: as in the ledger; JSON types.
        signatures: names of the signature files that sealing made, sorted.
        snapshot, dirty: not built from a release tag; built from a changed work tree.
        critical, notes: the open places (kernel.extension). schema: one of SCHEMAS.
    """

    project: str
    module: str
    version: str
    commit: str
    sequence: int
    created: str
    files: tuple[File, ...]
    images: tuple[ReleasedImage, ...] = ()
    toolchain: Mapping[str, object] = field(default_factory=dict)
    services: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    signatures: tuple[str, ...] = ()
    snapshot: bool = False
    dirty: bool = False
    critical: Mapping[str, object] = field(default_factory=dict)
    notes: Mapping[str, object] = field(default_factory=dict)
    schema: int = SCHEMA

    def to_bytes(self) -> bytes:
        """Return the file's bytes."""
        left_out = ("snapshot", "dirty", *(extension.PLACES if self.schema == 1 else ()))
        record = {name: value for name, value in _fields(self).items() if name not in left_out}
        flags = {"snapshot": self.snapshot, "dirty": self.dirty}
        files, images = [_fields(each) for each in self.files], [_fields(each) for each in self.images]
        return canonical.dumps({**record, "flags": flags, "files": files, "images": images})

    @property
    def why_no_release(self) -> str:
        """Why this is a build and no release, as what follows "is"; empty for a release."""
        if self.dirty:
            return "built from a changed work tree"
        return "a snapshot: it was not built by the run of its tag" if self.snapshot else ""

    @property
    def uncommitted(self) -> list[str] | None:
        """The paths of files that the build read and the commit lacks; None when the release does not say."""
        # Notes are kept as they come, so this one need not have its form.
        listed = self.notes.get(UNCOMMITTED)
        if type(listed) is not list:
            return None
        return [str(entry.get("path", "")) if type(entry) is dict else "" for entry in listed]

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the manifest's bytes, lower-case hex: the identity of the release."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def file(self, name: str) -> File:
        """Return the file of that name.

        Raises:
            KeyError: when the release has none.
        """
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, File]:
        return {entry.name: entry for entry in self.files}


def _fields(record: Manifest | File | ReleasedImage) -> dict[str, object]:
    """Return a record's fields as they are; `dataclasses.asdict` copies each value in them, for seconds."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def parse(data: bytes, kinds: Mapping[str, services.Shape] = services.SHAPES) -> Manifest:
    """Read a manifest strictly; its services may be of these kinds.

    Raises:
        ManifestMalformed: when the bytes are not a canonical manifest of this schema.
        CriticalUnknown: when it says that it can't be understood without a name that is not known here.
        ListNameUnsafe, ListDuplicate: for names that a list would not hold either.
    """
    if len(data) > MAX_BYTES:
        raise ManifestMalformed(f"release.json has {len(data)} bytes; at most {MAX_BYTES} are read")
    try:
        record = canonical.loads(data, MAX_VALUES)
        manifest = _manifest(record, kinds)
        canonical_form = manifest.to_bytes()
    except (ValueError, TypeError, KeyError) as error:
        raise ManifestMalformed(f"release.json: {str(error) or type(error).__name__}") from None
    # Two spellings of one release would be two identities (`digest`) with one meaning.
    if canonical_form != data:
        raise ManifestMalformed("release.json is not in canonical form")
    checksums.refuse_twins([entry.name for entry in manifest.files] + list(_RESERVED))
    return manifest


def _manifest(record: object, kinds: Mapping[str, services.Shape]) -> Manifest:
    schema = _schema(record)
    names = [name for name in Manifest.__dataclass_fields__ if name not in ("snapshot", "dirty")]
    missing = extension.PLACES if schema == 1 else ()
    fields = _object(record, "the manifest", [name for name in (*names, "flags") if name not in missing])
    places = extension.read(fields.record, MANIFEST, CRITICAL)
    flags = _object(fields.mapping("flags"), "flags", ["snapshot", "dirty"])
    snapshot, dirty = flags.flag("snapshot"), flags.flag("dirty")
    project, module, version, commit, created = (
        _visible(fields.text(name), name) for name in ("project", "module", "version", "commit", "created")
    )
    for pattern, name, value in ((_NAME, "project", project), (_WORD, "version", version), (_COMMIT, "commit", commit)):
        _matches(pattern, value, name)
    parse_time(created)
    sequence = fields.number("sequence")
    # JSON's integers are exact below that alone.
    if not 0 < sequence < 2**53:
        raise ValueError(f"sequence {sequence} is out of range")
    toolchain = fields.mapping("toolchain")
    declared = _services(fields, project, kinds)
    files = tuple(_file(entry) for entry in fields.items("files"))
    images = tuple(_image(entry) for entry in fields.items("images"))
    signatures = tuple(fields.texts("signatures"))
    _sorted([entry.name.encode() for entry in files], "files")
    _sorted(signatures, "signatures")
    if not set(signatures) <= set(SIGNATURES.values()):
        raise ValueError("it names a signature format that this Goferry does not know")
    _refuse_strays(images, {entry.name: entry for entry in files})
    return Manifest(
        project=project,
        module=module,
        version=version,
        commit=commit,
        sequence=sequence,
        created=created,
        files=files,
        images=images,
        toolchain=toolchain,
        services=declared,
        signatures=signatures,
        snapshot=snapshot,
        dirty=dirty,
        critical=places.critical,
        notes=places.notes,
        schema=schema,
    )


def _schema(record: object) -> int:
    schema = Fields(record, "the manifest").maybe("schema", int)
    if schema not in SCHEMAS:
        raise ValueError(f"its schema is not one of {SCHEMAS}; a newer Goferry may have written it")
    return schema


def _services(fields: Fields, project: str, kinds: Mapping[str, services.Shape]) -> dict[str, Mapping[str, object]]:
    declared = fields.mapping("services")
    if len(declared) > MAX_SERVICES:
        raise ValueError(f"more than {MAX_SERVICES} services")
    checked = {name: services.check(name, service, kinds) for name, service in declared.items()}
    if checked:
        services.check_project(project)
    return checked


def _refuse_strays(images: Sequence[ReleasedImage], by_name: Mapping[str, File]) -> None:
    for image in images:
        if image.file not in by_name or by_name[image.file].kind != "image":
            raise ValueError(f"image {image.name} names a file that is not one")


def _file(record: object) -> File:
    fields = _object(record, "a file", File.__dataclass_fields__)
    name = fields.text("name")
    sha256, kind, goos, goarch, variant = (
        _visible(fields.text(each), each) for each in ("sha256", "kind", "goos", "goarch", "variant")
    )
    meta, size = fields.mapping("meta"), fields.number("size")
    if size < 0:
        raise ValueError("a size is negative")
    _matches(_SHA256, sha256, "sha256")
    if checksums.check_name(name.encode("utf-8")) in _RESERVED:
        raise ValueError(f"it lists {name} as a file")
    return File(name, size, sha256, kind, goos, goarch, variant, meta)


def _image(record: object) -> ReleasedImage:
    fields = _object(record, "an image", ReleasedImage.__dataclass_fields__)
    name, digest, file = (_visible(fields.text(each), each) for each in ("name", "digest", "file"))
    _matches(_IMAGE_DIGEST, digest, "an image's digest")
    platforms = tuple(_visible(each, "a platform") for each in fields.texts("platforms"))
    return ReleasedImage(name, digest, file, platforms)


def _object(value: object, what: str, keys: Collection[str]) -> Fields:
    fields = Fields(value, what)
    fields.only(keys)
    return fields


def _visible(text: str, what: str) -> str:
    """Refuse a text with characters that nobody sees."""
    if invisible.holds(text):
        raise ValueError(f"{what} holds invisible characters: {text[:80]!a}")
    return text


def _matches(pattern: re.Pattern[str], value: str, what: str) -> None:
    if not pattern.fullmatch(value):
        raise ValueError(f"{what} is not well-formed: {value[:80]!a}")


def _sorted(values: Sequence[_Ordered], what: str) -> None:
    if list(values) != sorted(set(values)):
        raise ValueError(f"{what} are not sorted, or one is listed twice")
