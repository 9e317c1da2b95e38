"""Slots: what each of a service's two places runs, as files that the shim reads.

`slots/N.json` says everything that a start needs, so starting again after a crash or a reboot asks nobody.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from typing import Any, Dict, List, Mapping, Optional

from goferry.host.layout import ServiceFolder
from goferry.kernel import canonical
from goferry.kernel.files import write_atomically
from goferry.kernel.machine import Change
from goferry.kernel.outcomes import NotProvisioned

KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TZ")
"""What a service gets of the agent's own environment; the rest it must declare."""


def describe(
    folder: ServiceFolder, change: Change, declared: Mapping[str, Any], environ: Mapping[str, str], listen: int
) -> Dict[str, Any]:
    """Return the slot's description; pure.

    `declared` is the service in the release manifest; `listen` the port that the process is given (a plain candidate
    is proven on a private one first).
    """
    address = "127.0.0.1:%d" % listen
    args = [str(word) for word in declared.get("args") or []]
    env = {name: environ[name] for name in KEPT_VARIABLES if environ.get(name)}
    env.update({str(key): str(value) for key, value in (declared.get("env") or {}).items()})
    env.update(GOFERRY_SERVICE=change.service, GOFERRY_VERSION=change.version)
    how = declared.get("listen") or {}
    drain = int(declared.get("drain_ms", 10_000))
    if change.mode == "socket":
        env["GOFERRY_DRAIN"] = "%dms" % max(100, min(60_000, drain * 2 // 5))
    elif how.get("env"):
        env[str(how["env"])] = address
    elif how.get("flag"):
        args += [str(how["flag"]), address]
    return {
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


def attempt() -> str:
    """Return a new name for one start of a version in a slot."""
    return secrets.token_hex(8)


def group(project: str, change: Change) -> str:
    """Return the supervisor's group: one a service and public socket, so that a new port is a new socket."""
    return "%s~%s~%s" % (project, change.service, change.port if change.mode == "socket" else "plain")


def read(folder: ServiceFolder, number: int) -> Optional[Dict[str, Any]]:
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
    for path in (folder.slot(number), folder.run(number), folder.root.own / "run" / folder.control(number)):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def running(folder: ServiceFolder, number: int) -> Dict[str, int]:
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


def tail(folder: ServiceFolder, number: int, lines: int = 12) -> List[str]:
    """Return the last lines of the slot's log."""
    try:
        with open(str(folder.log_file(number)), "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return []
