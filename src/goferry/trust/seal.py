"""Sealing: the moment after which nothing in `dist/` changes.

    check the folder against its ledger ▸ write release.json and the signatures ▸ keep the ledger beside the folder
      ▸ write SHA256SUMS (the commit point) ▸ remove the ledger ▸ make everything read-only ▸ verify the result

When a step fails, SHA256SUMS goes first and everything is as before. A folder that is killed in between still has its
ledger, and sealing it again starts over. A sealed folder that is signed again keeps list and manifest; signatures of
the same formats are replaced.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from goferry.artifacts import ownfolder
from goferry.artifacts.ledger import LEDGER, Ledger
from goferry.config.context import Context
from goferry.kernel import manifest
from goferry.kernel.checksums import LIST
from goferry.kernel.files import write_atomically
from goferry.kernel.manifest import MANIFEST, Manifest
from goferry.kernel.sequence import check_sealed
from goferry.kernel.verify import Verified
from goferry.trust import _release_manifest as release_manifest
from goferry.trust.errors import FormatsMissing, SequenceSealed
from goferry.trust.signer import SigningKey, clean_trust
from goferry.trust.verification import check_release

_READ_ONLY = 0o555


@dataclass(frozen=True)
class Sealed:
    """A sealed folder: its manifest, the signature files that were written, and whether it had been sealed before."""

    manifest: Manifest
    signatures: tuple[str, ...]
    again: bool


def seal(
    ctx: Context,
    folder: Path,
    signers: Sequence[SigningKey],
    *,
    now: int,
    sequence: int = 0,
    formats: Sequence[str] = (),
) -> Sealed:
    """Seal `folder`, or sign a sealed one again.

    Args:
        ctx: the surroundings, and who hears the spans `sign` and `verify`.
        folder: a `dist/` with its ledger, or a sealed one.
        signers: one key a format.
        now: seconds since the epoch.
        sequence: of the release; 0: `now`.
        formats: signature formats that must be among the signers'.

    Raises:
        LedgerMissing, LedgerInvalid, LedgerDisagrees, FormatsMissing: the folder or the keys do not fit.
        SequenceSealed: the folder is sealed with another sequence.
        ReleaseInFuture: sequence or time is more than a day ahead of this machine's clock.
        PassphraseWrong, KeyUnusable, SigningFailed: a key could not sign.
        Refusal: the result would not be accepted; the folder is as before.
    """
    check_formats(signers, formats)
    _check_sequence(folder, sequence, now)
    with ctx.stream.span("sign") as span:
        if is_sealed(folder):
            sealed = _sign_again(ctx, folder, signers, now=now)
        else:
            sealed = _seal(ctx, folder, signers, now=now, sequence=sequence or now)
        span.numbers.update(sequence=sealed.manifest.sequence, digest=sealed.manifest.digest)
    return sealed


def plan(folder: Path, signers: Sequence[SigningKey], *, now: int, sequence: int = 0) -> list[str]:
    """Return what `seal` would do, one line per step, after checking the folder; writes nothing."""
    _check_sequence(folder, sequence, now)
    names = [f"sign {LIST} with {signer.format} key {signer.id} as {signer.file}" for signer in signers]
    if is_sealed(folder):
        return names
    ledger = _load_ledger(folder)
    release_manifest.check_folder(folder, ledger)
    described = release_manifest.describe(ledger, sequence=sequence or now, now=now, signatures=_files(signers))
    return [
        f"write {MANIFEST} for {ledger.project} {ledger.version}, sequence {described.sequence}",
        f"write {LIST} over {len(described.files) + 1} files",
        *names,
        f"move {LEDGER} to {kept_ledger(folder)}",
    ]


def is_sealed(folder: Path) -> bool:
    """Whether sealing came to its end: the list stands and the ledger is gone."""
    return (folder / LIST).exists() and not (folder / LEDGER).exists()


def kept_ledger(folder: Path) -> Path:
    """Where a sealed folder's ledger goes: `.goferry/<folder's name>.json` beside it."""
    whole = folder.resolve()
    return whole.parent / ".goferry" / (whole.name + ".json")


def check_formats(signers: Sequence[SigningKey], formats: Sequence[str]) -> None:
    """Demand a key for each of the formats.

    Raises:
        FormatsMissing: there is none for one of them.
    """
    missing = sorted(set(formats) - {signer.format for signer in signers})
    if missing:
        raise FormatsMissing(
            f"goferry.yml demands signatures in {', '.join(missing)}, and there is no such key",
            advice=[f"give one:  goferry sign DIST --{missing[0]}-key FILE"],
        )


def _check_sequence(folder: Path, sequence: int, now: int) -> None:
    if not is_sealed(folder):
        check_sealed(sequence or now, now, _clock())
        return
    has = manifest.parse((folder / MANIFEST).read_bytes()).sequence
    if sequence and sequence != has:
        raise SequenceSealed(
            f"{folder} is sealed with sequence {has}, which can't become {sequence}",
            state="Nothing was signed.",
            advice=[
                "sign it as it is: leave out --sequence",
                f"or build into an empty folder, and:  goferry sign DIST --openpgp-key FILE --sequence {sequence}",
            ],
        )


def _files(signers: Sequence[SigningKey]) -> list[str]:
    return sorted({signer.file for signer in signers})


def _load_ledger(folder: Path) -> Ledger:
    """Read the ledger, also of a folder whose sealing was cut off."""
    if (folder / LIST).exists():
        return Ledger.parse((folder / LEDGER).read_bytes(), str(folder / LEDGER))
    return Ledger.load(folder)


def _seal(ctx: Context, folder: Path, signers: Sequence[SigningKey], *, now: int, sequence: int) -> Sealed:
    ledger = _load_ledger(folder)
    release_manifest.check_folder(folder, ledger)
    described = release_manifest.describe(ledger, sequence=sequence, now=now, signatures=_files(signers))
    listed = release_manifest.list_of(described)
    with _undone_on_failure(folder, ledger):
        for name in release_manifest.SEALED_NAMES:
            (folder / name).unlink(missing_ok=True)
        write_atomically(folder / MANIFEST, described.to_bytes(), 0o444)
        for signer in signers:
            write_atomically(folder / signer.file, signer.sign(listed, now), 0o444)
        kept_ledger(folder).parent.mkdir(exist_ok=True)
        write_atomically(kept_ledger(folder), (folder / LEDGER).read_bytes())
        write_atomically(folder / LIST, listed, 0o444)
        (folder / LEDGER).unlink()
        _verify(ctx, folder, signers, now)
        for entry in described.files:
            path = folder / entry.name
            path.chmod(path.stat().st_mode & _READ_ONLY)
    ownfolder.make(kept_ledger(folder).parent)
    return Sealed(described, tuple(_files(signers)), again=False)


@contextlib.contextmanager
def _undone_on_failure(folder: Path, ledger: Ledger) -> Iterator[None]:
    try:
        yield
    except BaseException:
        (folder / LIST).unlink(missing_ok=True)
        if not (folder / LEDGER).exists():
            ledger.save(folder)
        for name in release_manifest.SEALED_NAMES:
            (folder / name).unlink(missing_ok=True)
        kept_ledger(folder).unlink(missing_ok=True)
        raise


def _sign_again(ctx: Context, folder: Path, signers: Sequence[SigningKey], *, now: int) -> Sealed:
    described = manifest.parse((folder / MANIFEST).read_bytes())
    foreign = sorted(set(_files(signers)) - set(described.signatures))
    if foreign:
        raise FormatsMissing(
            f"{folder} was sealed without {', '.join(foreign)}; its manifest names its signatures",
            advice=["give all keys when the folder is sealed first"],
        )
    listed = (folder / LIST).read_bytes()
    before = {name: (folder / name).read_bytes() for name in _files(signers) if (folder / name).exists()}
    try:
        for signer in signers:
            write_atomically(folder / signer.file, signer.sign(listed, now), 0o444)
        _verify(ctx, folder, signers, now)
    except BaseException:
        for name in _files(signers):
            if name in before:
                write_atomically(folder / name, before[name], 0o444)
            else:
                (folder / name).unlink(missing_ok=True)
        raise
    return Sealed(described, tuple(_files(signers)), again=True)


def _verify(ctx: Context, folder: Path, signers: Sequence[SigningKey], now: int) -> Verified:
    """Judge our own output as a stranger would, with a trust file made from the keys' public parts alone."""
    return check_release(ctx, folder, clean_trust(list(signers)), now=max(now, _clock()))


def _clock() -> int:
    import time

    return int(time.time())


def writable(folder: Path) -> bool:
    """Whether sealing may write into `folder` and beside it."""
    return os.access(folder, os.W_OK) and os.access(folder.resolve().parent, os.W_OK)
