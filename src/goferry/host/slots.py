"""Slots: what each of a service's two places runs, as files that the shim reads (`host.shim.Slot`).

`slots/N.json` says everything that a start needs, so starting again after a crash or a reboot asks nobody.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Mapping
from typing import IO, Any, NamedTuple

from goferry.host import bounded_lines, shim
from goferry.host.layout import ServiceFolder
from goferry.host.processes import Process
from goferry.host.shim import Slot
from goferry.kernel import canonical
from goferry.kernel.fields import Fields
from goferry.kernel.files import write_atomically
from goferry.kernel.machine import Change
from goferry.kernel.outcomes import NotProvisioned
from goferry.kernel.services import Declared

MAX_LOG = 4 << 20
"""Bytes that are read of one log file; supervisord begins a new one after one megabyte."""
MAX_STARTS = 64 << 10
"""Bytes that are kept of the list of starts: some hundreds."""
MARK = 64
"""Bytes before a log's beginning by which its file is known again."""
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TZ")
"""What a service gets of the agent's own environment; the rest it must declare."""
OWN_VARIABLES = ("GOFERRY_SERVICE", "GOFERRY_VERSION")


def describe(
    folder: ServiceFolder,
    change: Change,
    declared: Declared,
    environ: Mapping[str, str],
    listen: int,
    *,
    filled: bool = False,
) -> Slot:
    """Return the slot's description; pure.

    `declared` is the service in the release manifest; `listen` the port that the process is given (a plain candidate
    is proven on a private one first); `filled` whether the release means placeholders as such.
    """
    kind = folder.root.kind(change.mode)
    env = {name: environ[name] for name in KEPT_VARIABLES if environ.get(name)}
    env.update(declared.env)
    env.update({OWN_VARIABLES[0]: change.service, OWN_VARIABLES[1]: change.version, **kind.variables(declared)})
    slot = Slot(
        schema=1,
        project=folder.project,
        service=change.service,
        slot=change.slot,
        mode=change.mode,
        # Named by what its configuration depends on: another port is another group, with a socket of its own.
        group=f"{folder.project}~{change.service}~{kind.shared_port(change.port) or change.mode}",
        port=change.port,
        listen=listen,
        sequence=change.sequence,
        version=change.version,
        sha256=change.sha256,
        program=declared.binary or change.service,
        args=list(declared.args),
        env=env,
        env_file=declared.env_file,
        health=declared.health,
        control=folder.control(change.slot),
        ready_ms=declared.ready_within_ms,
        bake_ms=declared.bake_ms,
        drain_ms=declared.drain_ms,
        attempt=attempt(),
        template=kind.template(declared, filled=filled),
    )
    return slot if slot.template is None else shim.placed(slot, listen)


def attempt() -> str:
    """Return a new name for one start of a version in a slot."""
    return secrets.token_hex(8)


def read(folder: ServiceFolder, number: int) -> Slot | None:
    """Return the slot's description, or None when the slot is empty, or its file damaged."""
    try:
        return Slot.of(Fields(canonical.loads(folder.slot(number).read_bytes()), "a slot").record)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(folder: ServiceFolder, slot: Slot) -> None:
    """Write the slot's description; readable by its user alone, as it holds the environment."""
    write_atomically(folder.slot(slot.slot), canonical.dumps(slot.record()), 0o600)


def clear(folder: ServiceFolder, number: int) -> None:
    """Empty the slot."""
    control = folder.root.own / "run" / folder.control(number)
    for path in (folder.slot(number), folder.run(number), folder.since(number), folder.environment(number), control):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def running(folder: ServiceFolder, number: int) -> Process:
    """Return the process that the slot's start noted of itself; none when there is no note."""
    try:
        record = json.loads(folder.run(number).read_text())
        return Process(*(int(record[key]) for key in Process._fields))
    except (OSError, ValueError, KeyError, TypeError):
        return Process()


def live(folder: ServiceFolder) -> int:
    """Return the slot that the `live` link names, or -1."""
    try:
        target = os.readlink(str(folder.live))
        # The live version may be of another kind than the next one; then its socket is named otherwise.
        places = [(number, mode) for number in (0, 1) for mode in folder.root.kinds]
        return next((number for number, mode in places if target == folder.pointer(number, mode)), -1)
    except (OSError, NotProvisioned):
        return -1


class Begin(NamedTuple):
    """Where the log of a slot's attempt begins: in a file, or in systemd's journal.

    Attributes:
        inode, offset, mark: the file, how long it was, and how it ended, as hex digits.
        since: microseconds since the epoch. before: the unit's invocation until then.
    """

    attempt: str = ""
    inode: int | None = None
    offset: int | None = None
    mark: str | None = None
    since: int | None = None
    before: str | None = None


def note_start(folder: ServiceFolder, slot: Slot, begin: Begin) -> None:
    """Note where the log of what is started now begins; a disk that is full keeps nothing from starting."""
    noted = begin._replace(attempt=slot.attempt)._asdict()
    record = {name: value for name, value in noted.items() if value is not None}
    with contextlib.suppress(OSError):
        write_atomically(folder.since(slot.slot), canonical.dumps(record), 0o600)
        bounded_lines.append(folder.starts, {**record, "slot": slot.slot, "version": slot.version}, MAX_STARTS)


def noted_start(folder: ServiceFolder, number: int) -> Begin:
    """Return what `note_start` noted of the slot's attempt; nothing when an older agent started it."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        begin = begin_of(Fields(canonical.loads(folder.since(number).read_bytes()), "a start"))
        if begin.attempt == (read(folder, number) or Slot()).attempt:
            return begin
    return Begin()


def begin_of(fields: Fields) -> Begin:
    """Read it from what `note_start` wrote.

    Raises:
        TypeError, ValueError: when it is none.
    """
    known: dict[str, Any] = {name: fields.number(name) for name in ("inode", "offset", "since") if name in fields}
    known.update((name, fields.text(name)) for name in ("attempt", "mark", "before") if name in fields)
    return Begin(**known)


def end_of_log(folder: ServiceFolder, number: int) -> Begin:
    """Return which file a slot's log is now, how long, and how it ends: what is written next begins there."""
    with contextlib.suppress(OSError), open(str(folder.log_file(number)), "rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - MARK))
        return Begin(inode=os.fstat(file.fileno()).st_ino, offset=end, mark=file.read(MARK).hex())
    return Begin(inode=0, offset=0, mark="")


def lines(folder: ServiceFolder, number: int) -> list[str]:
    """Return what the slot's version has written to its log since it was started, as far as it is kept.

    supervisord renames a log of a megabyte to `.1` and begins a new one, so the file that was noted may be either; when
    it is neither, all that is there was written since.
    """
    current = folder.log_file(number)
    noted, data = noted_start(folder, number), b""
    for path in (current.with_name(current.name + ".1"), current):
        with contextlib.suppress(OSError), open(str(path), "rb") as file:
            data = b"" if noted.mark is not None and _at_start(file, noted) else data
            data += file.read(MAX_LOG)
    return data.decode("utf-8", "replace").splitlines()


def _at_start(file: IO[bytes], noted: Begin) -> bool:
    """Bring a file to where the log began when it is the one that was noted; a later file may have its inode."""
    offset, mark = noted.offset or 0, bytes.fromhex(noted.mark or "")
    if os.fstat(file.fileno()).st_ino == noted.inode:
        file.seek(max(0, offset - len(mark)))
        if file.read(len(mark)) == mark:
            return True
    file.seek(0)
    return False
