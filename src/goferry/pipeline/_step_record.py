"""What was done before: for each step its key and the digests of what it read and wrote, as canonical JSON.

The record is written whole after every step, so that a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct, field

from goferry.kernel import canonical
from goferry.kernel.files import write_atomically

SCHEMA = 1


class Done(Struct, frozen=True, forbid_unknown_fields=True):
    """A step that was done: its key, and name → SHA-256 of the files that it read and wrote."""

    key: str
    reads: dict[str, str] = field(default_factory=dict)
    writes: dict[str, str] = field(default_factory=dict)


class _File(Struct, frozen=True):
    """What the file holds: step → what was done."""

    schema: int
    steps: dict[str, Done]


class StepRecord(Struct):
    """What was done in one folder; `path` is the file that keeps it."""

    path: Path
    steps: dict[str, Done] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> StepRecord:
        """Read a record; a missing, broken or foreign one is an empty one, and then everything is done again."""
        try:
            kept = msgspec.convert(canonical.loads(path.read_bytes()), _File)
        except (OSError, ValueError):
            return cls(path)
        return cls(path, kept.steps if kept.schema == SCHEMA else {})

    def remember(self, name: str, done: Done) -> None:
        """Note a step as done."""
        self.steps[name] = done
        self._save()

    def forget(self, name: str) -> None:
        """Note that a step is no longer done: it is about to run."""
        if self.steps.pop(name, None):
            self._save()

    def made(self) -> set[str]:
        """Return the names of all files that the steps made."""
        return {name for done in self.steps.values() for name in done.writes}

    def _save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, canonical.dumps(msgspec.to_builtins(_File(SCHEMA, self.steps))))
