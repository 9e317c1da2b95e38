"""What a process keeps to itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).resolve().parents[3] / "src" / "goferry" / "system" / "_undumpable.py"
NOBODY = 65534
WAITING = "import sys; exec(sys.argv[1]); print('ready', flush=True); sys.stdin.read()"
READING = "import sys; print('SECRET' in open(f'/proc/{sys.argv[1]}/environ').read())"
AS_USER = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def python():
    """An interpreter that the user of the test can start: root's own may lie in root's home."""
    own = Path(os.path.realpath(sys.executable))
    reached = not AS_USER or all(parent.stat().st_mode & 1 for parent in own.parents)
    return str(own) if reached else "/usr/bin/python3"


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_DUMPABLE is Linux's")
@pytest.mark.parametrize("hidden", [False, True])
def test_another_program_of_the_user_can_not_read_the_environment(hidden):
    code = MODULE.read_text() + "\nhide()\n" if hidden else ""
    waiting = subprocess.Popen(
        [python(), "-I", "-S", "-c", WAITING, code],
        env={"SECRET": "s"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/", **AS_USER,
    )  # fmt: skip
    with waiting:
        assert waiting.stdout.readline() == "ready\n"
        seen = subprocess.run(
            [python(), "-I", "-S", "-c", READING, str(waiting.pid)],
            capture_output=True, text=True, check=False, cwd="/", **AS_USER,
        )  # fmt: skip
        waiting.stdin.close()
    assert ("PermissionError" in seen.stderr) if hidden else (seen.stdout == "True\n"), seen.stderr
