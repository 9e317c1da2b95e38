"""Recovery at boot, without a client: unfinished transactions come to their end, and live versions run again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Mapping, Optional

from goferry.host import incoming
from goferry.host.agent import Session
from goferry.host.layout import Root
from goferry.host.target import host_file
from goferry.kernel.errors import GoferryError, printable

WAIT = 120.0
"""Seconds that another agent may hold the lock; one that was started by a client recovers too."""


def recover(root: Path, host: Optional[Path], environ: Mapping[str, str]) -> int:
    """Recover a target; return 0 when everything that should run does."""
    try:
        target = Root(root, host_file(host))
        if not any(target.projects()):
            return 0
        session = Session(target, None, environ)
        session.take_lock(WAIT)
        incoming.prune(target, 0)
        for done in session.recover():
            sys.stderr.write("goferry: %s\n" % printable(done))
    except GoferryError as error:
        sys.stderr.write("goferry: %s: %s\n" % (error.name, printable(error.what)))
        return error.exit_code
    return 0
