"""Every command that a page shows is run: the `sh` blocks of a page, in order, in one shell and a new folder.

A block is left out by an HTML comment right before it that gives the reason: `<!-- not run: needs root -->`.
A line that ends in `# exit N` must end with that code.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = ["docs/tutorial.md", "docs/trust.md", "docs/deploy.md", "docs/image.md"]
ELSEWHERE = ["docs/ssh.md"]
"""Run on a real host by test_ssh_faults.py."""
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>[^>]+) -->\n)?```sh\n(?P<body>.*?)```", re.DOTALL)


def script(page: Path) -> str:
    lines = ["set -euo pipefail"]
    for block in BLOCK.finditer(page.read_text()):
        if block["reason"]:
            continue
        for line in re.split(r"(?<!\\)\n", block["body"].strip()):
            expected = re.search(r"\s# exit (\d+)$", line)
            if expected:
                command = line[: expected.start()]
                lines.append(f'code=0; {command} || code=$?; [ "$code" = {expected[1]} ] || exit 99')
            else:
                lines.append(line)
    return "\n".join(lines)


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
        ["bash", "-x", "-c", script(ROOT / page)],
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


def test_every_page_is_run_or_has_no_commands():
    for page in sorted((ROOT / "docs").glob("*.md")):
        name = f"docs/{page.name}"
        blocks = [block for block in BLOCK.finditer(page.read_text()) if not block["reason"]]
        assert (name in RUN + ELSEWHERE) == bool(blocks), f"{name}: {len(blocks)} blocks of commands"
