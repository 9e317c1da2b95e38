"""Verification of a sealed folder: the same on the client, in the action and on the host.

    1 the list's bytes     SHA256SUMS, at most 1 MiB
    2 its signatures       each one that is there must be good, and enough trusted keys must have signed
    3 the list             strictly parsed; what it says is the signers' from here on
    4 release.json         its bytes by the list, then parsed; list and manifest must name the same files
    5 policy               project, the keys' scope, and the floor, for a release that is being admitted
    6 the folder           holds exactly what is listed
    7 each file            opened without following links, hashed from that descriptor

Nothing is executed, nothing is written, no network is used. Files that are opened later by name could have been
replaced since: hash again from the descriptor that you use, as kernel.verify.open_file and hash_file do.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from goferry.kernel import checksums, invisible, manifest, signatures
from goferry.kernel.certificate import Verifier
from goferry.kernel.checksums import LIST
from goferry.kernel.manifest import MANIFEST, SIGNATURES, Manifest
from goferry.kernel.openpgp import MAX_BYTES as MAX_SIGNATURE
from goferry.kernel.refusals import (
    FileAltered,
    FileLinked,
    FileMissing,
    FileNotRegular,
    FileUnlisted,
    FolderUnreadable,
    KeyOutOfScope,
    ListMissing,
    ListsDisagree,
    ListTooLarge,
    ManifestMissing,
    ProjectMismatch,
    SequenceConflict,
    SequenceLower,
    SignatureMissing,
)
from goferry.kernel.services import SHAPES, Shape
from goferry.kernel.signatures import Signer
from goferry.kernel.trustfile import TrustFile

_BLOCK = 1 << 20


class Floor(NamedTuple):
    """The newest release that was admitted: its sequence and its manifest's SHA-256.

    The digest is empty when a person set the floor: then any release of that sequence is fine.
    """

    sequence: int
    manifest_digest: str


@dataclass(frozen=True)
class Verified:
    """A release that was accepted.

    Attributes:
        manifest: None only when a single file was asked for and `release.json` is not there.
        signers: at least the threshold's number of different keys.
        unchecked: names of signature files that could not be judged here.
        digest: the SHA-256 of release.json, lower-case hex; empty without a manifest.
        files: name → SHA-256 of everything that was asked for and checked.
        proof: the list and the signature files that vouch for the rest, name → bytes.
    """

    manifest: Manifest | None
    signers: tuple[Signer, ...]
    unchecked: tuple[str, ...]
    digest: str
    files: dict[str, str]
    proof: Mapping[str, bytes] = field(default_factory=dict)


def verify(
    folder: Path,
    trust: TrustFile,
    *,
    openpgp: Sequence[Verifier] | None = None,
    project: str = "",
    now: int,
    only: str | Collection[str] = "",
    floor: Floor | None = None,
    kinds: Mapping[str, Shape] = SHAPES,
) -> Verified:
    """Judge the sealed folder `folder`; return what it is, or raise the first refusal.

    Args:
        folder: where list, signatures, manifest and files lie.
        trust: whose signatures count.
        openpgp: asked, in order, about OpenPGP keys that pure Python can't check (kernel.openpgp); None: gpgv when it
            is on PATH.
        project: the project that is wanted; empty: any that the keys' scopes allow.
        now: seconds since the epoch.
        only: check this file alone; others, and release.json, may be absent, and foreign files may lie beside it. A
            collection of names: check these; release.json and the signatures that it names must be there too.
        floor: refuse what is older than this; give it when a release is admitted, never for rollback or recovery.
        kinds: of which its services may be.

    Raises:
        Refusal: one of kernel.refusals.
    """
    # All is opened below this one descriptor, whatever is put in the folder's place meanwhile.
    with _opened(folder) as root:
        data = _read_list(root, folder)
        signed = _read_signatures(root)
        signers, unchecked = signatures.check(signed, data, trust, openpgp, now)
        # Only now: nothing of the list is read before somebody trusted vouches for it.
        listed = checksums.parse(data)
        single = isinstance(only, str)
        release = _read_manifest(root, listed, kinds, optional=single and only not in ("", MANIFEST))
        _check_policy(release, signers, trust, project)
        if release is not None:
            _check_agreement(release, listed)
            check_floor(release, floor)
        wanted = _wanted(listed, only)
        if release is not None and not (single and only):
            _check_signatures(os.listdir(root), release)
        if release is not None and single and not only:
            _check_entries(os.listdir(root), listed, release)
        for name in wanted:
            if name != MANIFEST:
                _check_file(root, name, listed[name], release)
    digest = release.digest if release is not None else ""
    files = {name: listed[name] for name in wanted}
    return Verified(release, signers, unchecked, digest, files, {LIST: data, **signed})


def check_floor(release: Manifest, floor: Floor | None) -> None:
    """Refuse a release below the floor; the same release again is fine.

    Raises:
        SequenceLower: the release is older than one that was admitted before.
        SequenceConflict: another release with the same sequence number but different content was admitted
            before.
    """
    if floor is None or release.sequence > floor.sequence:
        return
    if release.sequence < floor.sequence:
        raise SequenceLower(
            f"{release.project} {release.version} has sequence {release.sequence}; "
            f"{floor.sequence} was admitted before",
            advice=[
                "to go back on purpose:  goferry rollback --to VERSION",
                "to release old code again, build it into an empty folder and sign that; a sealed one keeps its own",
            ],
        )
    if floor.manifest_digest and release.digest != floor.manifest_digest:
        raise SequenceConflict(
            f"another release of {release.project} with sequence {release.sequence} was admitted before",
            advice=["seal one of them again; the sequence is then the second of sealing"],
        )


def open_file(name: str, root: int) -> int:
    """Open a regular file with one name in the folder `root` (a descriptor), following no link; return its descriptor.

    Raises:
        FileMissing: a listed file does not exist.
        FileNotRegular: a listed name is a symbolic link, a folder, a pipe or a device instead of a file.
        FileLinked: a listed file has a second name (a hard link).
        FolderUnreadable: the release's folder, or a file in it, cannot be opened.
    """
    try:
        # O_NONBLOCK: a named pipe in the place of a file would keep us waiting for whoever writes to it.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=root)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise FileMissing(f"{shown(name)} is listed, but not there") from None
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise FileNotRegular(f"{shown(name)} is not a regular file") from None
        raise FolderUnreadable(f"cannot open {shown(name)}: {error.strerror}") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise FileNotRegular(f"{shown(name)} is not a regular file")
    # By another name somebody could write to the file, wherever that lies.
    if status.st_nlink != 1:
        os.close(descriptor)
        raise FileLinked(f"{shown(name)} has {status.st_nlink} names (hard links)")
    return descriptor


def shown(name: str) -> str:
    """Return a name that anybody may have chosen for a message: quoted and escaped unless every character is seen.

    A name with a line break could otherwise begin a line of its own, which a runner may take for a command.
    """
    return ascii(name) if invisible.holds(name) else name


def hash_file(descriptor: int) -> tuple[str, int]:
    """Return the SHA-256 (lower-case hex) and the size of what a descriptor reads from here to its end."""
    digest, size = hashlib.sha256(), 0
    while True:
        block = os.read(descriptor, _BLOCK)
        if not block:
            return digest.hexdigest(), size
        digest.update(block)
        size += len(block)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    try:
        root = os.open(str(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise FolderUnreadable(
            f"cannot open the folder {folder}: {error.strerror}",
            advice=["make it:  goferry build --out DIST", "seal it:  goferry sign DIST --openpgp-key FILE"],
        ) from None
    try:
        yield root
    finally:
        os.close(root)


def _read(root: int, name: str, limit: int) -> bytes:
    """Read at most one byte more than `limit`."""
    descriptor = open_file(name, root)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit + 1)


def _read_list(root: int, folder: Path) -> bytes:
    try:
        data = _read(root, LIST, checksums.MAX_BYTES)
    except FileMissing:
        raise ListMissing(
            f"{folder} has no {LIST}", advice=[f"seal it first:  goferry sign {folder} --openpgp-key FILE"]
        ) from None
    if len(data) > checksums.MAX_BYTES:
        raise ListTooLarge(f"{LIST} has more than {checksums.MAX_BYTES} bytes")
    return data


def _read_signatures(root: int) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name in SIGNATURES.values():
        with contextlib.suppress(FileMissing):
            found[name] = _read(root, name, MAX_SIGNATURE)
    return found


def _read_manifest(root: int, listed: dict[str, str], kinds: Mapping[str, Shape], *, optional: bool) -> Manifest | None:
    if MANIFEST not in listed:
        raise ManifestMissing(f"{LIST} does not list {MANIFEST}")
    try:
        data = _read(root, MANIFEST, manifest.MAX_BYTES)
    except FileMissing:
        if optional:
            return None
        raise ManifestMissing(f"{MANIFEST} is listed, but not there") from None
    if hashlib.sha256(data).hexdigest() != listed[MANIFEST]:
        raise FileAltered(f"{MANIFEST} is not the file that was signed")
    return manifest.parse(data, kinds)


def _check_policy(release: Manifest | None, signers: Sequence[Signer], trust: TrustFile, project: str) -> None:
    by_id = {key.id: key for key in trust.keys}
    keys = [by_id[signer.id] for signer in signers]
    if release is None:
        if project or not all(key.covers("*") for key in keys):
            raise ManifestMissing(f"{MANIFEST} is needed to tell which project this is", advice=["get it as well"])
        return
    for key in keys:
        if not key.covers(release.project):
            scope = ", ".join(key.scope)
            raise KeyOutOfScope(f"key {key.id} signs for {scope}, not for {release.project}")
    if project and release.project != project:
        raise ProjectMismatch(f"this is {release.project} {release.version}, not a release of {project}")


def _check_agreement(release: Manifest, listed: dict[str, str]) -> None:
    described = {entry.name: entry.sha256 for entry in release.files}
    described[MANIFEST] = listed[MANIFEST]
    if described != listed:
        odd = sorted(name for name in set(described) | set(listed) if described.get(name) != listed.get(name))
        raise ListsDisagree(f"{LIST} and {MANIFEST} disagree on {', '.join(odd[:3])}")


def _wanted(listed: dict[str, str], only: str | Collection[str]) -> list[str]:
    if isinstance(only, str) and not only:
        return list(listed)
    names = [only] if isinstance(only, str) else sorted(set(only))
    for name in names:
        if name not in listed:
            raise FileUnlisted(f"{shown(name)} is not in {LIST}")
    return names


def _check_signatures(entries: Sequence[str], release: Manifest) -> None:
    for name in release.signatures:
        if name not in entries:
            raise SignatureMissing(f"{name} was made when the folder was sealed, but is not there")


def _check_entries(entries: Sequence[str], listed: dict[str, str], release: Manifest) -> None:
    present = set(entries)
    missing = sorted(set(listed) - present)
    if missing:
        raise FileMissing(f"listed, but not there: {', '.join(missing[:3])}", missing=missing[:100])
    # Only the signatures that sealing made: one that was laid beside them later is a stranger's.
    added = sorted(present - set(listed) - {LIST, *release.signatures})
    if added:
        raise FileUnlisted(
            f"not listed, but there: {', '.join(shown(name) for name in added[:3])}",
            advice=["remove it, or find out who put it there"],
        )


def _check_file(root: int, name: str, expected: str, release: Manifest | None) -> None:
    descriptor = open_file(name, root)
    try:
        size = os.fstat(descriptor).st_size
        if release is not None and size != release.file(name).size:
            raise FileAltered(f"{name} has {size} bytes instead of {release.file(name).size}")
        digest, read = hash_file(descriptor)
    finally:
        os.close(descriptor)
    # The size again: the file may have changed since it was compared.
    if digest != expected or read != size:
        raise FileAltered(f"{name} has SHA-256 {digest} instead of {expected}")
