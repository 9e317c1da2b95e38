"""`goferry-host floor`: lower a project's floor, by the host's root alone; no request of the agent can.

A release that should never have been admitted (a sequence from the future) would keep every later one away. Lowering
takes the floor and what serves together: what lies above the new floor is given up, so it raises the floor no more and
can't be gone back to. It serves until the next deploy, for ending it is another decision. Each lowering is a line in
the project's `.floor.jsonl`, in the journal's form, and `status` shows the last.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from goferry.host import admission, history, journal, recovery, state
from goferry.host.agent import AgentSession
from goferry.host.tables import open_target
from goferry.host.target import HostTarget
from goferry.kernel.errors import GoferryError, Misuse, Refused, printable
from goferry.kernel.files import write_atomically
from goferry.kernel.times import format_time
from goferry.kernel.verify import Floor

WAIT = 60.0
"""Seconds that a deploy may hold the lock."""
REASON = 500
"""Characters of a reason that are kept."""


class NotRoot(Refused):
    """Only root can lower a host's floor.

    Usual causes: the command was run as another user. Log in to the host and use `sudo`; no client can request it.
    """

    name = "not-root"


class Lowering(NamedTuple):
    """What is asked: whose floor, to which sequence, and why."""

    project: str
    to: int
    reason: str


def run(root: Path, host: Path | None, asked: Lowering, environ: Mapping[str, str]) -> int:
    """Lower the floor, say what was done, and return the exit code."""
    try:
        if host and os.geteuid() != 0:  # said before the host file is read, which others may not be let to
            raise NotRoot("only root may lower a floor", state="Nothing was changed.", advice=["use:  sudo"])
        record = lower(open_target(root, host).for_project(asked.project), asked, environ)
    except GoferryError as error:
        lines = map(printable, [error.what, *error.state.splitlines(), *error.advice])
        sys.stderr.write(f"goferry: {error.name}: " + "\n  ".join(lines) + "\n")
        return error.exit_code
    sys.stdout.write(shown(asked.project, record) + "\n")
    return 0


def lower(root: HostTarget, asked: Lowering, environ: Mapping[str, str]) -> dict[str, object]:
    """Lower a project's floor and give up what lies above it; return the line that was noted.

    Raises:
        UnsafeRoot: the target's folder belongs to somebody else, or others may write to it.
        DeployBusy: another deploy holds the target's lock.
        Misuse: there is no such project or floor, it is lower already, or no reason is given.
    """
    if not asked.reason.strip() or asked.to < 1:
        raise Misuse("a floor is lowered to a sequence from 1 on, for a reason", advice=["say why:  --reason TEXT"])
    if asked.project not in root.projects():
        raise Misuse(f"nothing of {printable(asked.project, 80)} is here", state="Nothing was changed.")
    session = AgentSession(root, None, environ)
    with session.alone(WAIT):
        _, failed = session.recovery(restore=False)
        recovery.refuse(failed, asked.project)
        return _lower(root, asked)


def _lower(root: HostTarget, asked: Lowering) -> dict[str, Any]:
    project, to, reason = asked
    found = admission.floor(root, project)
    if found is None or to >= found.sequence:
        raise Misuse(
            f"the floor of {printable(project, 80)} is {_number(found)}; it can be lowered alone",
            state="Nothing was changed.",
            advice=["to keep releases from starting, set `minimum` for the project in the trust file"],
        )
    before, at = state.kept(root, project), format_time(int(time.time()))
    record = {"event": "floor", "from": found.sequence, "to": to, "reason": printable(reason.strip(), REASON), "at": at}
    lines = b"".join(journal.encode(each) for each in [*state.lowerings(root, project), record])
    # Noted first: a kill in between leaves a lowering that is told and did not happen, never one untold.
    # Written anew as a whole, so that no torn line is to be mended.
    write_atomically(state.lowerings_file(root, project), lines)
    # `above` never sinks: what an earlier lowering gave up stays given up.
    state.keep(root, project, state.Kept(Floor(to, ""), max(found.sequence, before.above if before else 0)))
    # The file above decides alone: entries that a kill leaves here raise no floor any more.
    for folder in (each for each in root.services() if each.project == project):
        kept = state.read(folder)
        if kept.live:
            held = history.above(kept.history, to, kept.live.sequence)
            state.write(folder, kept._replace(history=held))
    return record


def _number(floor: Floor | None) -> str:
    return "not set" if floor is None else str(floor.sequence)


def shown(project: str, record: Mapping[str, object]) -> str:
    """Return a lowering as a person reads it."""
    lowered = f"{project}: the floor was lowered from {record['from']} to {record['to']} on {record['at']}"
    return f"{lowered}: {record['reason']}"
