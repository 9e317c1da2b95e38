"""The store: binaries by digest, releases as folders with their proof, and what of both may be removed.

A file is copied into `store/.<digest>.part`, hashed while it is copied, and gets its name only when the digest is the
listed one, the machine can run it, and its bytes are on the disk. So what lies under a digest's name is that digest's.

Removed are binaries and releases alone, each by a name that only the agent gives. The service's data and logs, and what
anybody else put into its folder, stay whatever happens; `host.takedown` has the one way to remove those.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Callable, NamedTuple

from goferry.host import executable, history, incoming, slots, state
from goferry.host.layout import ServiceFolder
from goferry.kernel import canonical, checksums, files, manifest, verify
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.outcomes import BlobChanged, DiskFull, WrongPlatform
from goferry.kernel.refusals import FileMissing, ManifestMalformed

if TYPE_CHECKING:
    from goferry.host.target import HostTarget

MARGIN = 4 << 20
"""Bytes that stay free for journals and state, so that going back never lacks room."""
_BLOB = re.compile(r"[0-9a-f]{64}|\.[0-9a-f]{64}\.part")
_SEQUENCE = re.compile("[0-9]+")
ADMISSION = "admission.json"
"""Beside a stored release: when it was admitted."""
_WRITTEN = (manifest.MANIFEST, ADMISSION, checksums.LIST, *manifest.SIGNATURES.values())


class Admitted(NamedTuple):
    """A release that was admitted.

    Attributes:
        release: its manifest.
        proof: the list and the signatures that vouch for it, name → bytes.
        at: when it was judged, seconds since the epoch.
    """

    release: manifest.Manifest
    proof: Mapping[str, bytes]
    at: int

    def files(self) -> dict[str, bytes]:
        """Return what is kept of it beside its binaries, name → bytes."""
        return {
            **self.proof,
            manifest.MANIFEST: self.release.to_bytes(),
            ADMISSION: canonical.dumps({"schema": 1, "admitted": self.at}),
        }


class Store:
    """What lies on the disk for each service of a target."""

    def __init__(self, root: HostTarget, source: Path | None = None, admitted: Admitted | None = None) -> None:
        """`source` is the folder of the release that was admitted; a rollback or a recovery needs neither."""
        self.root, self.source, self.admitted = root, source, admitted

    def stage(self, transaction: Transaction, change: Change) -> None:
        """Bring the candidate's binary into the store, or, for a rollback, prove that it is still there.

        Raises:
            BlobChanged: a file differs from what the signed list says.
            WrongPlatform: the release has no binary that runs on this host.
            DiskFull: the target's disk has no room for the release.
        """
        folder = self.root.service(transaction.project, change.service)
        folder.prepare()
        if not self._holds(folder, change.sha256):
            self._copy(folder, change)
        if self.admitted is not None:
            self._describe(folder, change, self.admitted)

    def _holds(self, folder: ServiceFolder, sha256: str) -> bool:
        path = folder.blob(sha256)
        # Hashed again, though only what was hashed gets this name: a disk may fail, and people edit.
        return path.is_file() and not path.is_symlink() and files.sha256_file(path) == sha256

    def _copy(self, folder: ServiceFolder, change: Change) -> None:
        source, name = self._from(folder, change)
        if source is None:
            raise BlobChanged(
                f"the stored binary of {change.service} {change.version} is gone or was changed",
                state="Nothing was switched.",
                advice=["deploy a release instead:  goferry deploy DIST"],
            )
        part = folder.store / f".{change.sha256}.part"
        try:
            for attempt in (1, 2):
                try:
                    return self._copy_once(folder, change, part, source, name)
                except OSError as error:
                    if error.errno not in (errno.ENOSPC, errno.EDQUOT) or attempt == 2:
                        raise
                    _remove(part)
                    self._remove_unnamed(folder, {change.sha256})
                    incoming.remove_unclaimed(self.root)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self._full(folder, change) from error
            raise
        finally:
            _remove(part)

    def _from(self, folder: ServiceFolder, change: Change) -> tuple[Path | None, str]:
        """Return the folder and the name to copy from: the release's, or another service's store that has the bytes."""
        if self.source is not None and os.path.lexists(str(self.source / change.source)):
            return self.source, change.source
        for other in self.root.services():
            if other.path != folder.path and self._holds(other, change.sha256):
                return other.store, change.sha256
        if self.source is not None:  # a stored one that was changed must not be announced as held again
            _remove(folder.blob(change.sha256))
        return None, ""

    def _copy_once(self, folder: ServiceFolder, change: Change, part: Path, source: Path, name: str) -> None:
        space = os.statvfs(str(folder.store))
        if space.f_bavail * space.f_frsize < change.size + MARGIN:
            raise OSError(errno.ENOSPC, "no room")
        digest = _copy_hashed(source, name, part)
        if digest != change.sha256:
            raise BlobChanged(
                f"{change.source} has SHA-256 {digest[:12]}…, the signed list says {change.sha256[:12]}…",
                state="Nothing was installed.",
                advice=["treat the folder as hostile; get the release again"],
            )
        # Before it gets its name: what has one counts as held, and clients no longer send its bytes.
        reason = executable.cannot_run(part)
        if reason:
            raise WrongPlatform(f"{change.source} can't run here: {reason}", state="Nothing was installed.")
        os.replace(str(part), str(folder.blob(change.sha256)))
        files.sync_folder(folder.store)

    def _full(self, folder: ServiceFolder, change: Change) -> DiskFull:
        space = os.statvfs(str(folder.path))
        free = space.f_bavail * space.f_frsize
        return DiskFull(
            f"{change.source} needs {change.size} bytes and {MARGIN} to spare; {free} are free",
            state="Nothing was installed.",
            advice=[f"make room on the disk of {self.root.path}"],
        )

    def _describe(self, folder: ServiceFolder, change: Change, admitted: Admitted) -> None:
        """Keep what was admitted, with its proof: a rollback judges it again, by the trust file of that day."""
        place = folder.release(change.sequence)
        place.mkdir(exist_ok=True)
        for name, data in admitted.files().items():
            files.write_atomically(place / name, data, 0o600)

    def record(self, transaction: Transaction, change: Change) -> None:
        """Note the candidate as live, what can be gone back to from it, and after a deploy the floor."""
        folder = self.root.service(transaction.project, change.service)
        before = state.read(folder)
        now = state.Live.of(change)
        # A recovery may do this act a second time, when the state says so already.
        if before.live != now or before.stopped:
            kept = state.kept(self.root, transaction.project)
            known = history.find(before.history, change.sequence)
            held = history.committed(
                before.history,
                now.entry(transaction.digest or (known.digest if known else "")),
                before.live.sequence if before.live else 0,
                keep=self.root.keep(transaction.project),
                floor=kept.floor.sequence if kept else None,
            )
            state.write(folder, state.State(now, held))
        if transaction.kind == "deploy":
            state.raise_floor(self.root, transaction.project, change.sequence, transaction.digest)
        # Last, as from here on the version is started again forever, also at boot.
        slot = slots.read(folder, change.slot)
        if slot and not slot.guarded:
            slots.write(folder, slot._replace(guarded=True))

    def prune(self, transaction: Transaction, change: Change) -> None:
        """Remove what neither the history nor a slot names."""
        self._remove_unnamed(self.root.service(transaction.project, change.service), set())

    def discard(self, transaction: Transaction, change: Change) -> None:
        """Remove what the candidate left in the store."""
        folder = self.root.service(transaction.project, change.service)
        if folder.store.is_dir():
            self._remove_unnamed(folder, set())

    def _remove_unnamed(self, folder: ServiceFolder, keep: set[str]) -> None:
        blobs, sequences = set(keep), set()
        for sequence, sha256 in _named(folder):
            blobs.add(sha256)
            sequences.add(str(sequence))
        for path in folder.releases.iterdir():
            if _SEQUENCE.fullmatch(path.name) and path.name not in sequences and not keep:
                _remove_release(path, folder.name)
        for path in folder.store.iterdir():
            if _BLOB.fullmatch(path.name) and path.name not in blobs:
                _remove(path)


def _remove_release(place: Path, service: str) -> None:
    """Remove a release's folder: what was written there, and the folder unless somebody else put something there."""
    if place.is_symlink() or not place.is_dir():
        return
    written = (*_WRITTEN, service)  # an older agent made a link of the service's name
    for path in place.iterdir():
        if path.name in written or path.name.startswith(tuple(f".{name}." for name in written)):
            _remove(path)
    with contextlib.suppress(OSError):
        place.rmdir()


def held(root: HostTarget) -> list[str]:
    """Return the digests of all stored binaries; whoever uses one hashes it first."""
    found = set()
    for folder in root.services():
        with contextlib.suppress(OSError):
            found |= {path.name for path in folder.store.iterdir() if len(path.name) == 64}
    return sorted(found)


def refuse_missing(root: HostTarget, changes: Iterable[Change], received: Mapping[str, str]) -> None:
    """Refuse before anything begins when a binary was neither received nor is held.

    Raises:
        FileMissing: with the files.
    """
    stored = set(held(root))
    missing = [each.source for each in changes if each.source not in received and each.sha256 not in stored]
    if missing:
        raise FileMissing(f"neither sent nor held: {', '.join(missing)}", missing=missing)


def _remove(path: Path) -> None:
    """Remove a file or a link; a folder is nothing that the agent would have put in its place, and stays."""
    with contextlib.suppress(FileNotFoundError, IsADirectoryError):
        path.unlink()


def _named(folder: ServiceFolder) -> Iterator[tuple[int, str]]:
    kept = state.read(folder)
    for each in (*kept.history, kept.live, slots.read(folder, 0), slots.read(folder, 1)):
        if each is not None:
            yield each.sequence, each.sha256


def _copy_hashed(folder: Path, name: str, part: Path) -> str:
    # The folder may be the client's: what was verified there may have changed, so it is hashed anew.
    root = os.open(str(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        source = verify.open_file(name, root)
    finally:
        os.close(root)
    digest = hashlib.sha256()
    with os.fdopen(source, "rb") as reader, open(str(part), "wb") as writer:
        for block in iter(lambda: reader.read(1 << 20), b""):
            digest.update(block)
            writer.write(block)
        os.fchmod(writer.fileno(), 0o555)
        # On the disk before it gets its name, which would stand for an empty file after a power cut.
        writer.flush()
        os.fsync(writer.fileno())
    return digest.hexdigest()


def stored_release(folder: ServiceFolder, sequence: int) -> manifest.Manifest:
    """Return the manifest that was kept with a release in the store.

    Raises:
        BlobChanged: when it is gone or damaged.
    """
    path = folder.release(sequence) / "release.json"
    try:
        return manifest.parse(path.read_bytes(), folder.root.shapes)
    except (OSError, ManifestMalformed) as error:
        raise BlobChanged(f"the store lost release {sequence} of {folder.name}") from error


def services_of(folders: Mapping[str, ServiceFolder]) -> Callable[[str, int], Collection[str]]:
    """Return a look into the store: (service, sequence) → the services that this release declares."""
    return lambda name, sequence: stored_release(folders[name], sequence).services
