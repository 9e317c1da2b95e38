"""No gate looks away: what git knows as Python is linted, a test's file is collected, a page's commands are run."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ELSEWHERE, RUN, blocks, pages

ROOT = Path(__file__).resolve().parents[2]
IN_GIT = subprocess.run(
    ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.split("\0")
RUN_BY_MAKE = {"unit", "golden", "integration", "act"}
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


def test_no_folder_has_a_name_that_tools_skip():
    """What ruff and pytest leave out unless they are told otherwise; editors, searches and scanners leave out more."""
    skipped = {"build", "dist", "venv", "site-packages", "node_modules", "_build", "buck-out", "CVS", "_darcs"}
    assert [path for path in PRESENT if skipped & {*path.relative_to(ROOT).parts[:-1]}] == []


@pytest.mark.parametrize(
    "path",
    [path for path in PRESENT if path.name.startswith("test_") and path.suffix == ".py"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_pytest_collects_every_file_of_tests(path, pytestconfig):
    assert path.relative_to(ROOT).parts[:2] in {("tests", each) for each in RUN_BY_MAKE}, "make runs no tests there"
    assert any(path.match(pattern) for pattern in pytestconfig.getini("python_files")), "not the name of a test's file"
    for each in (path, *path.parents):
        if each == ROOT:
            break
        assert not pytestconfig.hook.pytest_ignore_collect(collection_path=each, path=None, config=pytestconfig), each


@pytest.mark.parametrize("page", pages())
def test_a_page_is_run_or_has_no_commands(page):
    wanted = blocks((ROOT / page).read_text())
    assert (page in RUN + ELSEWHERE) == bool(wanted), "run it in test_docs.py, or say before each block why not"


CLOCKS = {"monotonic", "perf_counter", "monotonic_ns", "perf_counter_ns"}


@pytest.mark.parametrize(
    "path",
    [path for path in PRESENT if path.suffix == ".py" and "tests/unit/" in str(path)],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_unit_test_is_red_because_the_machine_is_busy(path):
    """Nothing is asserted to be over by the clock: tests of deadlines are in tests/integration, which run alone."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)) if any(clock in text for clock in CLOCKS) else ():
        if isinstance(node, ast.Assert):
            read = {each.attr for each in ast.walk(node.test) if isinstance(each, ast.Attribute)} & CLOCKS
            below = any(isinstance(each, ast.Lt | ast.LtE) for each in ast.walk(node.test))
            assert not (read and below), f"line {node.lineno}: {ast.unparse(node)}"
