"""What the unit tests share: they wait for no disk.

No test takes the machine's power away, so nothing is lost for want of a sync. What must be synced when is
kernel/test_files.py's; the programs that a test starts do sync.
"""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_syncs():
    """Have a sync do nothing: on a busy disk one takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "fdatasync"):
            patch.setattr(os, name, lambda _: None)
        yield
