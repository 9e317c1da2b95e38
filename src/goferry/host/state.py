"""What the host remembers between deploys: each service's `state.json` and each project's `.floor.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional

from goferry.host.layout import Root, ServiceFolder
from goferry.kernel import canonical
from goferry.kernel.errors import Failed
from goferry.kernel.files import write_atomically
from goferry.kernel.verify import Floor


class StateDamaged(Failed):
    """A file in which the host remembers what is deployed can't be read.

    It usually was edited by hand or the disk is failing; nothing is deployed on a guess.
    """

    name = "state-damaged"


def _read(path: Path) -> Optional[Dict[str, Any]]:
    try:
        record = canonical.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StateDamaged("%s: %s" % (path, error), advice=["restore the file from a backup"]) from error
    if not isinstance(record, dict):
        raise StateDamaged("%s is not an object" % path)
    return record


def read(folder: ServiceFolder) -> Dict[str, Any]:
    """Return `{"schema", "live", "previous", "stopped"}`; live and previous are
    `{"slot", "sequence", "version", "sha256", "mode", "port"}` or None.
    """  # noqa: D205
    return _read(folder.state) or {"schema": 1, "live": None, "previous": None, "stopped": False}


def write(folder: ServiceFolder, record: Dict[str, Any]) -> None:
    """Replace the service's state."""
    write_atomically(folder.state, canonical.dumps(record))


def floor(root: Root, project: str) -> Optional[Floor]:
    """Return the newest release of the project that was committed here, or None.

    Raises:
        StateDamaged: when the file is there and can't be read: without a floor nothing is admitted.
    """
    path = root.project(project) / ".floor.json"
    record = _read(path)
    if record is None:
        return None
    try:
        return Floor(int(record["sequence"]), str(record["manifest_digest"]))
    except (KeyError, TypeError, ValueError) as error:
        raise StateDamaged("%s: %s" % (path, error)) from error


def raise_floor(root: Root, project: str, sequence: int, digest: str) -> None:
    """Note a committed release; the floor never sinks."""
    before = floor(root, project)
    if before is None or sequence > before.sequence:
        record = {"schema": 1, "sequence": sequence, "manifest_digest": digest}
        write_atomically(root.project(project) / ".floor.json", canonical.dumps(record))
