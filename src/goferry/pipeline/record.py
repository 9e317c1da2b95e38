"""What was done before: for each step its key and the digests of what it read and wrote, as canonical JSON.

The record is written whole after every step, so that a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from goferry.kernel import canonical
from goferry.kernel.files import write_atomically

SCHEMA = 1


@dataclass(frozen=True)
class Done:
    """A step that was done: its key, and name → SHA-256 of the files that it read and wrote."""

    key: str
    reads: dict[str, str] = field(default_factory=dict)
    writes: dict[str, str] = field(default_factory=dict)


@dataclass
class Record:
    """What was done in one folder; `path` is the file that keeps it."""

    path: Path
    steps: dict[str, Done] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read a record; a missing, broken or foreign one is an empty one, and then everything is done again."""
        try:
            record = canonical.loads(path.read_bytes())
            if record["schema"] != SCHEMA:
                return cls(path)
            return cls(path, {name: Done(**done) for name, done in record["steps"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls(path)

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
        steps = {name: asdict(done) for name, done in self.steps.items()}
        write_atomically(self.path, canonical.dumps({"schema": SCHEMA, "steps": steps}))
