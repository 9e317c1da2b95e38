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

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from goferry.host import journal
from goferry.host.history import Entry
from goferry.host.layout import Root, ServiceFolder
from goferry.kernel import canonical
from goferry.kernel.errors import Failed
from goferry.kernel.files import write_atomically
from goferry.kernel.verify import Floor

SCHEMA = 2
SCHEMAS = (1, 2)
_LIVE = ("slot", "sequence", "version", "sha256", "mode", "port")


class StateDamaged(Failed):
    """A file in which the host remembers what is deployed can't be read.

    Usual causes: it was edited by hand, the disk is failing, or a newer agent wrote it. Nothing is deployed on a guess.
    """

    name = "state-damaged"


@dataclass(frozen=True)
class Kept:
    """What `.floor.json` says: the floor, and up to which sequence releases were given up above it."""

    floor: Floor
    above: int = 0


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = canonical.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StateDamaged(f"{path}: {error}", advice=["restore the file from a backup"]) from error
    if not isinstance(record, dict):
        raise StateDamaged(f"{path} is not an object")
    if type(record.get("schema", 1)) is not int or record.get("schema", 1) not in SCHEMAS:
        raise StateDamaged(
            f"{path} has schema {ascii(record['schema'])[:40]}; this agent reads {SCHEMAS}",
            advice=["provision the host with the Goferry that wrote it:  goferry provision HOST"],
        )
    return record


def read(folder: ServiceFolder) -> dict[str, Any]:
    """Return `{"live", "history", "stopped"}`: the live one as in the file or None, and a tuple of history.Entry.

    Raises:
        StateDamaged: when the file is there and can't be read.
    """
    record = _read(folder.state)
    if record is None:
        return {"live": None, "history": (), "stopped": False}
    try:
        live = record["live"] and {key: record["live"][key] for key in _LIVE}
        entries = record["history"] if record.get("schema") == SCHEMA else _before_histories(record)
        return {"live": live, "history": tuple(Entry(**entry) for entry in entries), "stopped": bool(record["stopped"])}
    except (KeyError, TypeError) as error:
        raise StateDamaged(f"{folder.state}: {error}", advice=["restore the file from a backup"]) from error


def _before_histories(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of a state of schema 1: what is live, and the version before it."""
    found = [entry for entry in (record["live"], record["previous"]) if entry]
    return [{key: entry[key] for key in _LIVE if key != "slot"} for entry in found]


def write(folder: ServiceFolder, record: dict[str, Any]) -> None:
    """Replace the service's state; `record` is as `read` returns it."""
    history = [asdict(entry) for entry in record["history"]]
    write_atomically(folder.state, canonical.dumps({**record, "schema": SCHEMA, "history": history}), 0o600)


def kept(root: Root, project: str) -> Kept | None:
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


def keep(root: Root, project: str, wanted: Kept) -> None:
    """Replace the project's floor file."""
    floor = {"sequence": wanted.floor.sequence, "manifest_digest": wanted.floor.manifest_digest}
    record = {"schema": SCHEMA, **floor, "above": wanted.above}
    write_atomically(root.project(project) / ".floor.json", canonical.dumps(record), 0o600)


def lowerings_file(root: Root, project: str) -> Path:
    """Where each lowering of the project's floor is noted, in the journal's form."""
    return root.project(project) / ".floor.jsonl"


def lowerings(root: Root, project: str) -> list[dict[str, Any]]:
    """Return `{"event": "floor", "from", "to", "reason", "at"}` of each lowering, the oldest first."""
    try:
        return journal.decode(lowerings_file(root, project).read_bytes())
    except FileNotFoundError:
        return []


def raise_floor(root: Root, project: str, sequence: int, digest: str) -> None:
    """Note a committed release; no commit lets the floor sink."""
    before = kept(root, project)
    if before is None or sequence > before.floor.sequence:
        keep(root, project, Kept(Floor(sequence, digest), before.above if before else 0))
