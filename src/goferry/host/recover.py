"""Recovery at boot, without a client: unfinished transactions come to their end.

Services don't wait for it: systemd starts them by itself. What is live and is not started so (a service of a host that
was provisioned before this was so, one whose slot's file was lost) is started here.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Callable

from goferry.host.agent import AgentSession
from goferry.host.tables import open_target
from goferry.host.target import HostTarget
from goferry.kernel.errors import GoferryError, printable
from goferry.kernel.outcomes import of_defect

WAIT = 120.0
"""Seconds that another agent may hold a lock; one that was started by a client recovers too."""


def recover(root: Path, host: Path | None, environ: Mapping[str, str]) -> int:
    """Recover a target, each project of a provisioned host by itself; return 0 when nothing is left to be done."""
    return _each(root, host, environ, _recover)


def adopt(root: Path, host: Path | None, environ: Mapping[str, str]) -> int:
    """Bring the ways into live services, as an older Goferry left them, to what they are now; return 0 when all are."""
    return _each(root, host, environ, _adopt)


def _each(root: Path, host: Path | None, environ: Mapping[str, str], do: Callable[[AgentSession], list[int]]) -> int:
    try:
        targets = open_target(root, host).parts()
    except GoferryError as error:
        return _report(error)
    codes: list[int] = []
    threads = [threading.Thread(target=_one, args=(target, environ, do, codes)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(codes, default=0)


def _one(
    target: HostTarget, environ: Mapping[str, str], do: Callable[[AgentSession], list[int]], codes: list[int]
) -> None:
    try:
        session = AgentSession(target, None, environ)
        session.take_lock(WAIT)
        codes += do(session)
    except Exception as error:  # noqa: BLE001  whatever it is, the unit must not count as done
        codes.append(_report(of_defect(error)))


def _recover(session: AgentSession) -> list[int]:
    done, failed = session.recovery()
    for text in [*done, *(f"{each.error.name}: {each.error.what}" for each in failed)]:
        sys.stderr.write(f"goferry: {printable(text)}\n")
    return [each.error.exit_code for each in failed]


def _adopt(session: AgentSession) -> list[int]:
    for folder in session.root.services():
        session.guard.adopt(folder)
        session.root.clear_former(folder)
    return []


def _report(error: GoferryError) -> int:
    sys.stderr.write(f"goferry: {error.name}: {printable(error.what)}\n")
    return error.exit_code
