"""Slots: what each of a service's two places runs, as files that the shim reads.

`slots/N.json` says everything that a start needs, so starting again after a crash or a reboot asks nobody.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Mapping
from typing import IO, Any

from goferry.host import shim
from goferry.host.layout import ServiceFolder
from goferry.kernel import canonical, services
from goferry.kernel.files import write_atomically
from goferry.kernel.machine import Change
from goferry.kernel.outcomes import NotProvisioned

MAX_LOG = 4 << 20
"""Bytes that are read of one log file; supervisord begins a new one after one megabyte."""
MARK = 64
"""Bytes before a log's beginning by which its file is known again."""
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TZ")
"""What a service gets of the agent's own environment; the rest it must declare."""
OWN_VARIABLES = ("GOFERRY_SERVICE", "GOFERRY_VERSION")


def describe(
    folder: ServiceFolder,
    change: Change,
    declared: Mapping[str, Any],
    environ: Mapping[str, str],
    listen: int,
    *,
    filled: bool = False,
) -> dict[str, Any]:
    """Return the slot's description; pure.

    `declared` is the service in the release manifest; `listen` the port that the process is given (a plain candidate
    is proven on a private one first); `filled` whether the release means placeholders as such.
    """
    args = [str(word) for word in declared.get("args") or []]
    env = {name: environ[name] for name in KEPT_VARIABLES if environ.get(name)}
    env.update({str(key): str(value) for key, value in (declared.get("env") or {}).items()})
    env.update({OWN_VARIABLES[0]: change.service, OWN_VARIABLES[1]: change.version})
    drain = int(declared.get("drain_ms", 10_000))
    template: dict[str, Any] = {}
    if change.mode == "socket":
        env["GOFERRY_DRAIN"] = f"{max(100, min(60_000, drain * 2 // 5))}ms"
    else:
        template = _template(declared, args, filled=filled)
    slot = {
        "schema": 1,
        "project": folder.project,
        "service": change.service,
        "slot": change.slot,
        "mode": change.mode,
        "group": group(folder.project, change),
        "port": change.port,
        "listen": listen,
        "sequence": change.sequence,
        "version": change.version,
        "sha256": change.sha256,
        "program": str(declared.get("binary") or change.service),
        "args": args,
        "env": env,
        "env_file": str(declared.get("env_file") or ""),
        "health": str(declared.get("health") or "/healthz"),
        "control": folder.control(change.slot),
        "ready_ms": int(declared.get("ready_within_ms", 30_000)),
        "bake_ms": int(declared.get("bake_ms", 2_000)),
        "drain_ms": drain,
        "guarded": False,
        "attempt": attempt(),
    }
    return shim.placed({**slot, "template": template}, listen) if template else slot


def _template(declared: Mapping[str, Any], args: list[str], *, filled: bool) -> dict[str, Any]:
    """Return the arguments and those variables that say where to listen, for Python's `%` (`shim.placed`)."""

    def text(value: str) -> str:
        return services.template(value) if filled else value.replace("%", "%%")

    how = declared.get("listen") or {}
    given = {} if not filled else declared.get("env") or {}
    env = {key: text(value) for key, value in given.items() if text(value) != value and key not in OWN_VARIABLES}
    words = [text(word) for word in args]
    if how.get("env"):
        env[str(how["env"])] = "%(address)s"
    elif how.get("port_env"):
        env[str(how["port_env"])] = "%(port)s"
    elif how.get("flag"):
        words += [str(how["flag"]).replace("%", "%%"), "%(address)s"]
    return {"args": words, "env": env}


def attempt() -> str:
    """Return a new name for one start of a version in a slot."""
    return secrets.token_hex(8)


def group(project: str, change: Change) -> str:
    """Return the supervisor's group: one a service and public socket, so that a new port is a new socket."""
    return f"{project}~{change.service}~{change.port if change.mode == 'socket' else 'plain'}"


def read(folder: ServiceFolder, number: int) -> dict[str, Any] | None:
    """Return the slot's description, or None when the slot is empty."""
    try:
        return dict(canonical.loads(folder.slot(number).read_bytes()))
    except (OSError, ValueError):
        return None


def write(folder: ServiceFolder, slot: Mapping[str, Any]) -> None:
    """Write the slot's description; readable by its user alone, as it holds the environment."""
    write_atomically(folder.slot(int(slot["slot"])), canonical.dumps(dict(slot)), 0o600)


def clear(folder: ServiceFolder, number: int) -> None:
    """Empty the slot."""
    control = folder.root.own / "run" / folder.control(number)
    for path in (folder.slot(number), folder.run(number), folder.since(number), control):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def running(folder: ServiceFolder, number: int) -> dict[str, int]:
    """Return what the slot's process noted of itself: `{"pid", "started", "boot"}`, or an empty object."""
    try:
        record = json.loads(folder.run(number).read_text())
        return {key: int(record[key]) for key in ("pid", "started", "boot")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def live(folder: ServiceFolder) -> int:
    """Return the slot that the `live` link names, or -1."""
    try:
        target = os.readlink(str(folder.live))
        places = [(number, mode) for number in (0, 1) for mode in ("socket", "plain")]
        return next((number for number, mode in places if target == folder.pointer(number, mode)), -1)
    except (OSError, NotProvisioned):
        return -1


def note_start(folder: ServiceFolder, slot: Mapping[str, Any], **where: Any) -> None:
    """Note where the log of what is started now begins; a disk that is full keeps nothing from starting."""
    with contextlib.suppress(OSError):
        record = {"attempt": str(slot["attempt"]), **where}
        write_atomically(folder.since(int(slot["slot"])), canonical.dumps(record), 0o600)


def noted_start(folder: ServiceFolder, number: int) -> dict[str, Any]:
    """Return what `note_start` noted of the slot's attempt; empty when an older agent started it."""
    with contextlib.suppress(OSError, ValueError):
        record = canonical.loads(folder.since(number).read_bytes())
        if isinstance(record, dict) and record.get("attempt") == (read(folder, number) or {}).get("attempt"):
            return dict(record)
    return {}


def end_of_log(folder: ServiceFolder, number: int) -> dict[str, Any]:
    """Return which file a slot's log is now, how long, and how it ends: what is written next begins there."""
    with contextlib.suppress(OSError), open(str(folder.log_file(number)), "rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - MARK))
        return {"inode": os.fstat(file.fileno()).st_ino, "offset": end, "mark": file.read(MARK).hex()}
    return {"inode": 0, "offset": 0, "mark": ""}


def lines(folder: ServiceFolder, number: int) -> list[str]:
    """Return what the slot's version has written to its log since it was started, as far as it is kept.

    supervisord renames a log of a megabyte to `.1` and begins a new one, so the file that was noted may be either; when
    it is neither, all that is there was written since.
    """
    current = folder.log_file(number)
    noted, data = noted_start(folder, number), b""
    for path in (current.with_name(current.name + ".1"), current):
        with contextlib.suppress(OSError), open(str(path), "rb") as file:
            data = b"" if noted and _at_start(file, noted) else data
            data += file.read(MAX_LOG)
    return data.decode("utf-8", "replace").splitlines()


def _at_start(file: IO[bytes], noted: Mapping[str, Any]) -> bool:
    """Bring a file to where the log began when it is the one that was noted; a later file may have its inode."""
    offset, mark = int(noted.get("offset", 0)), bytes.fromhex(str(noted.get("mark", "")))
    if os.fstat(file.fileno()).st_ino == noted.get("inode"):
        file.seek(max(0, offset - len(mark)))
        if file.read(len(mark)) == mark:
            return True
    file.seek(0)
    return False
