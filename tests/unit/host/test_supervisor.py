"""Starting supervisord: what is said when it ends, and when it says nothing."""

import subprocess
import sys

import pytest

from goferry.host import supervisor
from goferry.host.supervisor import Supervisor
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
