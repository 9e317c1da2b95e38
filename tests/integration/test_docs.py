"""Every command that a page shows is run: its blocks (tests/parts/pages.py), in order, in one shell and a new folder."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from pages import RUN, script

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page_work(page, tmp_path):
    # Only the command itself is put on PATH, as for a user who linked it there.
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "goferry").symlink_to(ROOT / ".venv" / "bin" / "goferry")
    home = tmp_path / "home"
    home.mkdir()
    environ = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "GOFERRY_ROOT": str(ROOT),
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.com",
    }  # fmt: skip
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        ["bash", "-x", "-c", script((ROOT / page).read_text())],
        cwd=work,
        env=environ,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    for state in work.rglob("supervisord.pid"):  # a page that failed half way must leave no process behind
        subprocess.run([tools / "goferry", "down", "--target", "local", "--root", state.parent.parent], check=False)
    shutil.rmtree(home)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
