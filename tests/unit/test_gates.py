"""No gate looks away: what git knows as Python is linted, and what is a test's file is collected."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IN_GIT = subprocess.run(
    ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.split("\0")
PRESENT = [ROOT / name for name in IN_GIT if name and (ROOT / name).is_file()]


def is_python(path: Path) -> bool:
    if path.suffix in {".py", ".pyi"}:
        return True
    with path.open("rb") as file:
        line = file.readline(100)
    return line.startswith(b"#!") and b"python" in line


def test_ruff_sees_every_python_file():
    ruff = Path(sys.executable).parent / "ruff"
    shown = subprocess.run([ruff, "check", "--show-files", ROOT], capture_output=True, text=True, check=True).stdout
    seen = {Path(line) for line in shown.splitlines()}
    assert [path for path in PRESENT if is_python(path) and path not in seen] == []


@pytest.mark.parametrize(
    "path", [path for path in PRESENT if path.name.startswith("test_")], ids=lambda path: path.name
)
def test_pytest_collects_every_file_of_tests(path, pytestconfig):
    assert any(path.match(pattern) for pattern in pytestconfig.getini("python_files")), "not the name of a test's file"
    for each in (path, *path.parents):
        if each == ROOT:
            break
        assert not pytestconfig.hook.pytest_ignore_collect(collection_path=each, path=None, config=pytestconfig), each
