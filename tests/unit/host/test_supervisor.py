"""Starting supervisord: what is said when it ends, and when it says nothing."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from goferry.host import shim, supervisor
from goferry.host.embedded import Embedded
from goferry.host.supervised import Supervised
from goferry.host.supervisor import Info, Supervisor
from goferry.kernel.outcomes import GuardFailed


class Started(Supervisor):
    """A supervisord that is another program."""

    def __init__(self, folder, program):
        self.own, self.socket, self.program = folder, folder / "absent.sock", program

    def begin(self):
        with (self.own / "supervisord.err").open("wb") as errors:
            process = subprocess.Popen([sys.executable, "-c", self.program], stderr=errors)
        with process:
            self._await(process)


@pytest.mark.parametrize(
    ("program", "seconds", "said", "advice"),
    [
        ("import time; time.sleep(60)", 0.2, "supervisord did not answer within 0.2 s of its start", ("when the machine is busy, type it again; else look:  uptime",)),
        ("import sys; sys.exit('no room')", 20, "supervisord did not start: it ended with 1: no room", ()),
        ("raise SystemExit(2)", 20, "supervisord did not start: it ended with 2", ()),
    ],
)  # fmt: skip
def test_a_start_that_fails_is_told_from_one_that_takes_too_long(tmp_path, monkeypatch, program, seconds, said, advice):
    monkeypatch.setattr(supervisor, "STARTS_WITHIN", seconds)
    with pytest.raises(GuardFailed) as caught:
        Started(tmp_path, program).begin()
    assert (caught.value.what, caught.value.advice) == (said, advice)


@pytest.mark.parametrize(
    ("info", "says"),
    [
        (Info(0, "EXITED", 3), "exited, status 3"),
        (Info(0, "EXITED", 0), "exited, status 0"),
        (Info(0, "EXITED", shim.REFUSED), "exited"),
        (Info(0, "EXITED", -9), "ended by a signal"),
        (Info(0, "FATAL", 0), "fatal"),
        (Info(7, "RUNNING", 0), ""),
    ],
)
def test_a_process_that_ended_is_described_by_its_own_status_alone(tmp_path, monkeypatch, info, says):
    """supervisord starts a candidate again, which the shim refuses: that status is Goferry's and not the service's."""
    driver = Supervised(Embedded(tmp_path), {})
    monkeypatch.setattr(driver.supervisor, "info", lambda *_: info)
    assert driver.ended(None, SimpleNamespace(group="g", slot=0)) == says
