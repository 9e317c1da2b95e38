"""What may be started on a host: which release is admitted, and which one a rollback may take.

A release is admitted when its signatures are good (kernel.verify), it is not below the trust file's minimum, neither
its date nor its sequence comes from the future, and it is not below the floor, unless it is what serves.

A rollback may take what was committed here when the keys that signed it are not revoked now and it is not below the
minimum. The floor is not asked: it is against replay by others, and this is the host's own past.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goferry.host import history, shim, slots, state
from goferry.host.layout import ServiceFolder
from goferry.host.store import ADMISSION, stored_release
from goferry.host.target import HostTarget
from goferry.kernel import canonical, sequence, trustfile, verify
from goferry.kernel.checksums import LIST
from goferry.kernel.errors import Failed
from goferry.kernel.machine import Change
from goferry.kernel.manifest import MANIFEST, Manifest
from goferry.kernel.outcomes import BlobChanged
from goferry.kernel.refusals import (
    KeyNotYetValid,
    KeyRevoked,
    Refusal,
    SequenceConflict,
    SignatureInFuture,
)
from goferry.kernel.sequence import HostClockBehind, ReleaseInFuture
from goferry.kernel.times import format_time, parse_time
from goferry.kernel.trustfile import TrustFile, TrustKey
from goferry.kernel.verify import Floor

if TYPE_CHECKING:
    from goferry.host.view import Shown


def admit(root: HostTarget, release: Manifest, trust: TrustFile, wanted: Collection[str], now: int) -> None:
    """Judge a release whose signatures are good.

    Args:
        root: the target.
        release: what was verified.
        trust: the trust file.
        now: the host's clock, seconds since the epoch.
        wanted: the services that are to be deployed; empty: all that the release declares.

    Raises:
        Refusal: the order's: below the minimum, from the future, lower than the floor, of another's sequence.
        StateDamaged, BlobChanged: when the host can't tell.
    """
    rules = trust.project(release.project)
    sequence.check_minimum(release.project, release.version, release.sequence, rules)
    folders = _services(root, release.project)
    # The minimum, above, bars even what serves. The floor does not: it is against replay, and this is none.
    if _serves(folders, release, wanted or release.services):
        return
    sequence.check_admitted(release, rules, now)
    verify.check_floor(release, floor(root, release.project))
    # Stored releases are folders named by their sequence: a second one would take the place of the first, and
    # a rollback to that would bring back something else.
    for folder in folders:
        held = history.find(state.read(folder).history, release.sequence)
        if held is not None and _digest(folder, held) != release.digest:
            raise SequenceConflict(
                f"this host holds another release of {release.project} with sequence {release.sequence}",
                advice=["build one of them again and sign it; the sequence is then the second of sealing"],
            )


def _serves(folders: list[ServiceFolder], release: Manifest, names: Collection[str]) -> bool:
    """Whether each of the services was committed with this very release last; one that `down` ended counts."""
    live = {folder.name: state.read(folder) for folder in folders}
    for name in names:
        now = live[name].live if name in live else None
        if not now or now.sequence != release.sequence:
            return False
        entry = history.find(live[name].history, release.sequence)
        folder = next(folder for folder in folders if folder.name == name)
        if entry is None or _digest(folder, entry) != release.digest:
            return False
    # A release without services serves nowhere; a loop that found nothing wrong must not admit it.
    return bool(names)


def _digest(folder: ServiceFolder, entry: history.HistoryEntry) -> str:
    # An older agent noted no digest in the history; the manifest that it stored has one.
    return entry.digest or stored_release(folder, entry.sequence).digest


def _services(root: HostTarget, project: str) -> list[ServiceFolder]:
    return [folder for folder in root.services() if folder.project == project]


def floor(root: HostTarget, project: str) -> Floor | None:
    """Return the project's floor; one whose file was removed is what the newest committed release says.

    What was given up when the floor was lowered (host.floor) may serve still, and raises it no more.
    """
    kept = state.kept(root, project)
    found, above = (kept.floor, kept.above) if kept else (None, 0)
    for folder in _services(root, project):
        held = state.read(folder).history
        newest = max((entry.sequence for entry in held), default=0)
        if newest > above and (found is None or newest > found.sequence):
            entry = history.find(held, newest)
            found = Floor(newest, _digest(folder, entry) if entry else "")
    return found


@contextlib.contextmanager
def clock_judged(root: HostTarget, now: int) -> Iterator[None]:
    """Say that the host's clock is wrong when that is why a release seems to come from the future.

    Raises:
        HostClockBehind: in the place of the refusal, when the host holds a release that is newer than its clock.
    """
    try:
        yield
    except (SignatureInFuture, ReleaseInFuture, KeyNotYetValid) as error:
        newest = max(_created(root), default=0)
        # Only what the host itself admitted convicts its clock; else it may be the release that is wrong.
        if newest <= now:
            raise
        raise HostClockBehind(
            f"this host's clock says {format_time(now)}, and it holds a release that was created "
            f"{format_time(newest)}; so {error.what}",
            advice=["set the host's clock and deploy again:  timedatectl"],
        ) from error


def _created(root: HostTarget) -> Iterator[int]:
    """Yield when the newest release of each service was created, as far as the store can tell."""
    for folder in root.services():
        with contextlib.suppress(Failed, BlobChanged):
            newest = max((entry.sequence for entry in state.read(folder).history), default=0)
            if newest:
                yield parse_time(stored_release(folder, newest).created)


def trust_of_now(root: HostTarget, given: Path | None) -> TrustFile | None:
    """Return the trust file by which a stored release is judged; on the embedded target that of the last deploy.

    None where nothing was deployed since agents note it.

    Raises:
        TrustFileMissing: there is no trust file at the given path, or it cannot be read.
        TrustFileInvalid: the trust file is not valid: broken JSON, an unknown field, or a key whose id does
            not match its public part.
    """
    noted = root.own / "trust"
    path = given or (noted if os.path.lexists(str(noted)) else None)
    return trustfile.load(path) if path else None


def with_minimums(live: Mapping[str, Shown], root: HostTarget, given: Path | None) -> dict[str, object]:
    """Return what is live, each service with `barred`: whether the trust file lets it never be started again."""
    trust = None
    with contextlib.suppress(Refusal):
        trust = trust_of_now(root, given)
    return {
        name: {**each._asdict(), "barred": trust is not None and each.sequence < trust.project(each.project).minimum}
        for name, each in live.items()
    }


def allow_back(folder: ServiceFolder, change: Change, trust: TrustFile) -> None:
    """Judge a stored release that is to serve again, by the trust file of now.

    Expiry is judged as of its admission: a key that merely ended since then takes no way back away.

    Raises:
        Refusal: it is below the minimum, or its signatures don't count any more.
        BlobChanged: what is stored is not what was signed, or not that release.
    """
    try:
        sequence.check_minimum(folder.project, change.version, change.sequence, trust.project(folder.project))
        _check_proof(folder, change, trust)
    except Refusal as error:
        error.what = f"{change.service} {change.version} can't serve again: {error.what}"
        error.state = "Nothing was changed."
        error.advice = ("see what else is held:  goferry status", "then:  goferry rollback --to VERSION")
        raise


def allow_restart(root: HostTarget, folders: Mapping[str, ServiceFolder], changes: Iterable[Change]) -> None:
    """Judge what serves when it is started again on purpose: as any of its starts is, by the minimum alone.

    Revocation and policy judge what comes into service, and it serves already. Who withdraws a key is likely to change
    secrets in the same hour, and must not be kept from it.

    Raises:
        SequenceBelowMinimum: the release's sequence is below the minimum that the trust file sets for its
            project, so it is not started.
    """
    for change in changes:
        slot = slots.read(folders[change.service], change.old_slot)
        why = shim.below_minimum(slot, root.trust_of(slot.project)) if slot else ""
        if why:
            raise sequence.SequenceBelowMinimum(
                f"{change.service} can't be started again: {why}",
                state="Nothing was changed.",
                advice=["deploy a newer release, or lower `minimum` in the trust file"],
            )


def _check_proof(folder: ServiceFolder, change: Change, trust: TrustFile) -> None:
    place, release = folder.release(change.sequence), stored_release(folder, change.sequence)
    if (place / LIST).is_file():
        # The release's files are not beside the proof; the binary is hashed at staging and at each start.
        verify.verify(
            place, trust, project=folder.project, now=_admitted(place), only=[MANIFEST], kinds=folder.root.shapes
        )
    else:
        _check_unproven(release, trust)
    entry = history.find(state.read(folder).history, change.sequence)
    # The signatures say that somebody trusted made this release, not that it is the one which was committed
    # here: whoever can write to the store could put another signed one in its place.
    listed = {file.sha256 for file in release.files}
    if release.sequence != change.sequence or change.sha256 not in listed or _other(entry, release):
        raise BlobChanged(
            f"the store's release {change.sequence} of {folder.name} is another one than was committed",
            state="Nothing was changed.",
            advice=["deploy a release instead:  goferry deploy DIST"],
        )


def _other(entry: history.HistoryEntry | None, release: Manifest) -> bool:
    return entry is None or bool(entry.digest and entry.digest != release.digest)


def _admitted(place: Path) -> int:
    try:
        record: Any = canonical.loads((place / ADMISSION).read_bytes())
        return int(record["admitted"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BlobChanged(f"the store lost when {place} was admitted: {error}") from error


def _check_unproven(release: Manifest, trust: TrustFile) -> None:
    """Judge a release of which an older agent kept no signature: any key may have signed it, so none may be revoked.

    Raises:
        KeyRevoked: when one is, and what it signed then counts no more.
    """
    created = parse_time(release.created)
    for key in trust.keys:
        if key.revoked_at is not None and not _retired_later(key, created):
            raise KeyRevoked(
                f"the host kept no signature of it, and key {key.id}, which may have signed it, is revoked",
            )


def _retired_later(key: TrustKey, created: int) -> bool:
    return key.reason == "retired" and key.revoked_at is not None and created < key.revoked_at
