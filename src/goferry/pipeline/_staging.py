"""Where `up` works: in a folder of its own beside the release, which replaces the release only when it is whole.

    REPO/dist/                        the release, sealed; appears by one rename
    REPO/.goferry/dist.state.json     what was done, and which files Goferry made
    REPO/.goferry/dist.json           its ledger
    REPO/.goferry/staging/dist/       the next one while it is made; a run that was cut off goes on here
    REPO/.goferry/dist.lock           held while `up` runs

What Goferry did not make is never removed: a folder with a file that the record doesn't know stops the run before any
work is done.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from goferry.kernel.errors import Failed, Misuse
from goferry.kernel.files import sync_folder
from goferry.pipeline._step_record import StepRecord


class OutputForeign(Misuse):
    """The output folder holds files that were not made by `goferry up`, so it will not replace the folder.

    Usual causes: a folder of another build, or a file that somebody added to the release.
    """

    name = "output-foreign"


class UpRunning(Failed):
    """Another `goferry up` works on the same output folder.

    Usual causes: it runs in another terminal. The lock is released when its process ends, so there is nothing to clean
    up.
    """

    name = "up-running"


@dataclass(frozen=True)
class Staging:
    """The paths around one output folder, `out`."""

    out: Path

    @property
    def home(self) -> Path:
        """Goferry's folder beside the output."""
        return self.out.parent / ".goferry"

    @property
    def work(self) -> Path:
        """Where the next release is made."""
        return self.home / "staging" / self.out.name

    @property
    def state(self) -> Path:
        """The record of the release."""
        return self.home / f"{self.out.name}.state.json"

    @property
    def ledger(self) -> Path:
        """The ledger of the release, which sealing leaves beside it."""
        return self.home / f"{self.out.name}.json"

    @property
    def work_state(self) -> Path:
        """The record of the next release."""
        return self.home / "staging" / f"{self.out.name}.state.json"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of this output folder for the block.

        Raises:
            UpRunning: when another process holds it.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / f"{self.out.name}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UpRunning(f"another goferry up works on {self.out}", state="Nothing was changed.") from None
            yield

    def refuse_foreign(self) -> None:
        """Check that the output folder may be replaced.

        Raises:
            OutputForeign: when it holds what Goferry didn't make, or is not a folder.
        """
        if self.out.is_symlink() or (self.out.exists() and not self.out.is_dir()):
            raise self._foreign("it is not a folder")
        if not self.out.exists():
            return
        unknown = sorted({entry.name for entry in self.out.iterdir()} - StepRecord.load(self.state).made())
        if unknown:
            raise self._foreign(
                f"goferry up didn't make {unknown[0]}" + (f" and {len(unknown) - 1} more" if unknown[1:] else "")
            )

    def prepare(self, *, afresh: bool) -> None:
        """Make the work folder ready: as it was left, or empty."""
        if afresh:
            self.discard()
        self.work.mkdir(parents=True, exist_ok=True)

    def discard(self) -> None:
        """Remove the work folder and its record."""
        for path in (self.work_state, self._work_ledger):
            path.unlink(missing_ok=True)
        _remove(self.work)

    def publish(self) -> None:
        """Put the work folder in the output's place.

        The old output is moved aside first and removed last; after a power cut between, `up` makes the release again.
        """
        self.refuse_foreign()
        old = self.work.with_name(f"{self.out.name}.old")
        _remove(old)
        if self.out.exists():
            _move(self.out, old)
        _move(self.work, self.out)
        self.work_state.replace(self.state)
        if self._work_ledger.exists():
            self._work_ledger.replace(self.ledger)
        sync_folder(self.home)
        _remove(old)

    @property
    def _work_ledger(self) -> Path:
        return self.work.parent / ".goferry" / f"{self.out.name}.json"

    def _foreign(self, why: str) -> OutputForeign:
        return OutputForeign(
            f"{self.out} can't be replaced: {why}",
            state="Nothing was changed.",
            advice=["write elsewhere:  goferry up --out OTHER", "or move the folder away"],
        )


def _move(source: Path, target: Path) -> None:
    """Rename a folder that may be read-only: its `..` entry changes, which needs write permission on it."""
    mode = source.stat().st_mode & 0o777
    source.chmod(mode | 0o700)
    source.rename(target)
    target.chmod(mode)


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    for path, _names, _files in os.walk(folder):
        Path(path).chmod(0o700)
    shutil.rmtree(folder)
