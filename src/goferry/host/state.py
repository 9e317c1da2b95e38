"""What the host remembers between deploys: each service's `state.json` and each project's `.floor.json`.

    state.json    {"schema": 2, "live": {"slot", "sequence", "version", "sha256", "mode", "port"} or null,
                   "history": [host.history.Entry, the newest first], "stopped": whether `down` ended it}
    .floor.json   {"schema": 2, "sequence", "manifest_digest", "above"}
    .floor.jsonl  a line for each time that somebody lowered the floor

Schema 1 of both is still read: its state has `previous`, one release or null, in the history's place, and its floor no
`above`. That is the highest sequence which was given up when somebody lowered the floor (host.floor), or 0: a release
up to there may serve still, and raises the floor no more.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from goferry.host import journal
from goferry.host.history import History, HistoryEntry
from goferry.host.layout import ServiceFolder
from goferry.kernel import canonical
from goferry.kernel.errors import Failed
from goferry.kernel.files import write_atomically
from goferry.kernel.machine import Change
from goferry.kernel.verify import Floor

if TYPE_CHECKING:
    from goferry.host.target import HostTarget

SCHEMA = 2
SCHEMAS = (1, 2)


class StateDamaged(Failed):
    """A file in which the host records what is deployed can't be read.

    Usual causes: it was edited by hand, the disk is failing, or a newer agent wrote it. Goferry does not guess, so
    nothing is deployed.
    """

    name = "state-damaged"


class Kept(NamedTuple):
    """What `.floor.json` says: the floor, and up to which sequence releases were given up above it."""

    floor: Floor
    above: int = 0


class Live(NamedTuple):
    """What serves, or did when `down` ended it: its slot, release and binary, and how and where it is served."""

    slot: int
    sequence: int
    version: str
    sha256: str
    mode: str
    port: int

    @classmethod
    def of(cls, change: Change) -> Live:
        """Return what a change's candidate is once it is live."""
        return cls(*(getattr(change, name) for name in cls._fields))

    def entry(self, digest: str = "") -> HistoryEntry:
        """Return it as the history has it."""
        return HistoryEntry(self.sequence, self.version, self.sha256, self.mode, self.port, digest)


class State(NamedTuple):
    """A service's.

    Attributes:
        live: None where nothing was ever committed. history: the newest first. stopped: whether `down` ended it.
        running: the slot that the `live` link names, -1 for none; whoever needs it looks, it is not in the file.
    """

    live: Live | None = None
    history: History = ()
    stopped: bool = False
    running: int = -1


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = canonical.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StateDamaged(f"{path}: {error}", advice=["restore the file from a backup"]) from error
    if not isinstance(record, dict):
        raise StateDamaged(f"{path} is not an object")
    # The type too, as True equals 1.
    if type(record.get("schema", 1)) is not int or record.get("schema", 1) not in SCHEMAS:
        raise StateDamaged(
            f"{path} has schema {ascii(record['schema'])[:40]}; this agent reads {SCHEMAS}",
            advice=["provision the host with the Goferry that wrote it:  goferry provision HOST"],
        )
    return record


def read(folder: ServiceFolder) -> State:
    """Return what the service's file says; what it says of a service without one is that nothing is live.

    Raises:
        StateDamaged: when the file is there and can't be read.
    """
    record = _read(folder.state)
    if record is None:
        return State()
    try:
        live = Live(*(record["live"][name] for name in Live._fields)) if record["live"] else None
        entries = record["history"] if record.get("schema") == SCHEMA else _before_histories(record)
        return State(live, tuple(HistoryEntry(**entry) for entry in entries), bool(record["stopped"]))
    except (KeyError, TypeError) as error:
        raise StateDamaged(f"{folder.state}: {error}", advice=["restore the file from a backup"]) from error


def _before_histories(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of a state of schema 1: what is live, and the version before it."""
    found = [entry for entry in (record["live"], record["previous"]) if entry]
    names = Live._fields[1:]  # all but the slot
    return [{name: entry[name] for name in names} for entry in found]


def write(folder: ServiceFolder, state: State) -> None:
    """Replace the service's state."""
    record = {
        "schema": SCHEMA,
        "live": state.live._asdict() if state.live else None,
        "history": [entry._asdict() for entry in state.history],
        "stopped": state.stopped,
    }
    write_atomically(folder.state, canonical.dumps(record), 0o600)


def kept(root: HostTarget, project: str) -> Kept | None:
    """Return what the project's floor file says, or None when there is none.

    Raises:
        StateDamaged: when the file is there and can't be read: without a floor nothing is admitted.
    """
    path = root.project(project) / ".floor.json"
    record = _read(path)
    if record is None:
        return None
    try:
        floor = Floor(int(record["sequence"]), str(record["manifest_digest"]))
        return Kept(floor, int(record.get("above", 0)))
    except (KeyError, TypeError, ValueError) as error:
        raise StateDamaged(f"{path}: {error}") from error


def keep(root: HostTarget, project: str, wanted: Kept) -> None:
    """Replace the project's floor file."""
    floor = {"sequence": wanted.floor.sequence, "manifest_digest": wanted.floor.manifest_digest}
    record = {"schema": SCHEMA, **floor, "above": wanted.above}
    write_atomically(root.project(project) / ".floor.json", canonical.dumps(record), 0o600)


def lowerings_file(root: HostTarget, project: str) -> Path:
    """Where each lowering of the project's floor is noted, in the journal's form."""
    return root.project(project) / ".floor.jsonl"


def lowerings(root: HostTarget, project: str) -> list[dict[str, object]]:
    """Return `{"event": "floor", "from", "to", "reason", "at"}` of each lowering, the oldest first."""
    try:
        return journal.decode(lowerings_file(root, project).read_bytes())
    except FileNotFoundError:
        return []


def raise_floor(root: HostTarget, project: str, sequence: int, digest: str) -> None:
    """Note a committed release; no commit lets the floor sink."""
    before = kept(root, project)
    if before is None or sequence > before.floor.sequence:
        keep(root, project, Kept(Floor(sequence, digest), before.above if before else 0))
