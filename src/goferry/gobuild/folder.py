"""The out folder: ours or not, replaced as a whole, never half-written.

Steps write below `.building/`; when all are done the old files go and the new ones are renamed into place. A run that
is stopped leaves the folder as it was; one that was killed leaves `.building/`, which the next run removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace as replace_fields

from goferry.artifacts import Ledger, given
from goferry.artifacts.ledger import LEDGER, LedgerInvalid, LedgerMissing, refuse_sealed
from goferry.kernel.errors import Failed, Misuse, Refused, printable
from goferry.kernel.files import sha256_file

WORK = ".building"


class DistForeign(Misuse):
    """The output folder holds files that were not made by a Goferry build.

    Usual causes: the folder has another purpose. Goferry removes nothing that it did not write.
    """

    name = "dist-foreign"


class DistBusy(Failed):
    """Another build is writing to the same output folder.

    Usual causes: a second terminal, or an editor's task.
    """

    name = "dist-busy"


class DistTouched(Refused):
    """The build's output changed while its tests ran.

    Usual causes: a test writes beside its package, or means to change what is released.
    """

    name = "dist-touched"


class EarlierBuild(Struct, frozen=True):
    """A build that stands: its folder, and its ledger, reduced to artifacts whose files are intact."""

    folder: Path
    ledger: Ledger


def present(out: Path) -> Ledger | None:
    """Return the ledger of an earlier build, reduced to artifacts whose files are intact; None where there is none.

    Raises:
        DistSealed, DistForeign: as `ours`.
    """
    ledger = ours(out)
    return intact(out, ledger) if ledger else None


def intact(out: Path, ledger: Ledger) -> Ledger:
    """Return the ledger reduced to artifacts whose files in `out` have the digests that it lists."""
    whole = {name: entry for name, entry in ledger.artifacts.items() if _intact(out / name, entry.sha256)}
    return replace_fields(ledger, artifacts=whole)


def ours(out: Path) -> Ledger | None:
    """Return the ledger of an earlier build as it stands, None where there is none; no file is read.

    Raises:
        DistSealed: when the folder is a finished release.
        DistForeign: when it holds files that the ledger does not list.
    """
    there = next(path for path in (out, *out.parents) if os.path.lexists(path))
    if not there.is_dir():
        raise _unusable(f"{given.typed(there)} is not a folder")
    if there != out:
        return None
    refuse_sealed(out)
    try:
        ledger: Ledger | None = Ledger.load(out)
    except (LedgerMissing, LedgerInvalid):
        ledger = None
    names = {entry.name for entry in out.iterdir()}
    own = {LEDGER, WORK, *(ledger.artifacts if ledger else ())}
    strange = sorted(names - own)
    if strange and not (WORK in names and ledger is None):
        raise DistForeign(
            f"{given.typed(out)} holds files that no build made: {', '.join(strange[:5])}",
            state="Nothing was built, nothing was removed.",
            advice=["build into another folder:  goferry build --out OTHER", "or remove those files"],
            files=strange,
        )
    return ledger


def _unusable(what: str) -> DistForeign:
    return DistForeign(what, state="Nothing was built.", advice=["choose another:  --out DIST"])


@contextlib.contextmanager
def work(out: Path) -> Iterator[Path]:
    """Hold the out folder alone and yield an empty folder in it, which is gone after the block.

    A folder that the block left empty is removed, so that a failed first build leaves nothing.

    Raises:
        DistBusy: when another process holds it. DistForeign: it can't be made.
    """
    created = not out.exists()
    below = out / WORK
    try:
        below.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(f"{given.typed(out)} can't be made: {error.strerror}") from error
    try:
        with (below / ".lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DistBusy(
                    f"another build is writing into {given.typed(out)}",
                    state="Nothing was built.",
                    advice=["wait for it to end"],
                ) from None
            for entry in below.iterdir():
                if entry.name != ".lock":
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            try:
                yield below
            finally:
                shutil.rmtree(below, ignore_errors=True)
    finally:
        if created:
            with contextlib.suppress(OSError):
                out.rmdir()


def replace(out: Path, ledger: Ledger, made: Mapping[str, Path], old: Ledger | None) -> None:
    """Rename the files `made` (name → where it lies) into `out`, remove what the old ledger alone had, write `ledger`.

    The ledger goes first and comes last: a folder that has one is whole.
    """
    (out / LEDGER).unlink(missing_ok=True)
    for entry in list(out.iterdir()):
        if entry.name not in ledger.artifacts and entry.name != WORK and (old is None or entry.name in old.artifacts):
            entry.unlink()
    for name, path in made.items():
        path.replace(out / name)
    ledger.save(out)


@contextlib.contextmanager
def on_trial(out: Path, ledger: Ledger) -> Iterator[None]:
    """Have what a build wrote to `out` stand after the block; where the block fails, nothing is left of it.

    The folder is held to the ledger in hand, not to the one that lies in it.

    Raises:
        DistTouched: something in the folder is not as it was; nothing is left of it.
    """
    try:
        yield
        _refuse_touched(out, ledger)
        ledger.save(out)
    except BaseException:
        for name in (LEDGER, *ledger.artifacts):
            with contextlib.suppress(OSError):
                (out / name).unlink()
        with contextlib.suppress(OSError):
            out.rmdir()
        raise


def _refuse_touched(out: Path, ledger: Ledger) -> None:
    listed = {*ledger.artifacts}
    there = {entry.name for entry in out.iterdir()} if out.is_dir() else set()
    odd = sorted({*listed, LEDGER} ^ there | (listed - {*intact(out, ledger).artifacts}))
    if odd:
        named = ", ".join(printable(name, 100) for name in odd[:5])
        raise DistTouched(
            f"something changed {named} in {given.typed(out)} while the tests ran",
            state="Nothing was kept.",
            advice=["have tests write to t.TempDir(), and try again"],
            files=odd[:100],
        )


def _intact(path: Path, sha256: str) -> bool:
    return path.is_file() and not path.is_symlink() and sha256_file(path) == sha256
