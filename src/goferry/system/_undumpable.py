"""What other programs of the same user may see of this process."""

from __future__ import annotations

import contextlib
import sys

_PR_SET_DUMPABLE = 4


def hide() -> None:
    """Keep this process's environment and memory from its user's other programs, and out of core dumps, on Linux.

    /proc/PID/environ and /proc/PID/mem are root's from now on (PR_SET_DUMPABLE in prctl(2), proc(5)), so that a test
    that is started here can't read a key there. Programs that are started are as ever; root sees all, as ever.
    """
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
