"""Places of a provisioned host's sessions: when they run out, one that is idle makes room for a new one.

systemd takes MaxConnections= connections to the agent's socket and drops the next one unheard, so whoever holds that
many would keep everybody else out. `.goferry/sessions/` has a file per session, `PROJECT~PID-TOKEN`, locked as long as
the session lives. Its time is when the session last did something, and a byte in it asks the session to go. The project
with the most sessions loses one first, so that no key crowds out another project's, and of its sessions one that only
read; an open transaction stays.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from goferry.host import lock

if TYPE_CHECKING:
    from goferry.host.target import HostTarget

CHANGES = stat.S_IXUSR
"""Mode bit of the file of a session that asked for a change, as a deploy that waits for others does."""
MOST = 10
"""Sessions that stay; the socket takes more (MaxConnections= of its unit), so a newcomer gets in and asks one to go."""


class SessionPlace:
    """One session's."""

    def __init__(self, root: HostTarget) -> None:
        """Take a place, and ask those to go that have been idle the longest when there are too many."""
        folder = root.own / "sessions"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._path = folder / f"{root.bound}~{os.getpid()}-{secrets.token_hex(4)}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = lock.flock(os.open(str(self._path), flags, 0o600))
        self._touch()
        others = _others(folder, self._path)
        while len(others) + 1 > MOST:
            count = Counter(_project(path) for path in [self._path, *others])
            # How many a project has counts before the time: else whoever opens many pushes out others.
            path = min(others, key=lambda each: (-count[_project(each)], others[each]))
            del others[path]
            with contextlib.suppress(OSError):
                path.write_bytes(b"x")

    def used(self) -> None:
        """Note that the session does more than read."""
        self._touch()
        with contextlib.suppress(OSError):
            os.fchmod(self._descriptor, 0o600 | CHANGES)

    def _touch(self) -> None:
        now = time.time_ns()
        with contextlib.suppress(OSError):
            os.utime(self._descriptor, ns=(now, now))  # the kernel's own time of a file is coarse

    def wanted(self) -> bool:
        """Whether another session needs the place."""
        return os.fstat(self._descriptor).st_size > 0

    def leave(self) -> None:
        """Give the place up."""
        with contextlib.suppress(OSError):
            self._path.unlink()
        os.close(self._descriptor)


def _project(path: Path) -> str:
    return path.name.partition("~")[0]


def _others(folder: Path, mine: Path) -> dict[Path, tuple[bool, int]]:
    """Return the other sessions that live and were not asked to go: whether each asked for a change, and its time.

    Files of dead ones are removed.
    """
    found = {}
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # it went meanwhile
            descriptor = -1 if path == mine else lock.flock(os.open(str(path), os.O_RDWR | os.O_CLOEXEC))
            if descriptor >= 0:
                path.unlink()
                os.close(descriptor)
            elif path != mine and not (known := path.stat()).st_size:
                found[path] = (bool(known.st_mode & CHANGES), known.st_mtime_ns)
    return found
