"""The house's arrows: imports go down only, stages don't know each other, the host runs on the standard library."""

import ast
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "goferry"
STAGES = {"golang", "build", "image", "trust", "release", "deploy"}
SHARED = {"dist", "config", "system", "kernel"}
MAY_IMPORT = {
    "cli": {"pipeline", "observe", "runner", *STAGES, *SHARED},
    "actions": {"pipeline", "observe", "runner", *STAGES, *SHARED},
    "runner": {"observe", *SHARED},
    "pipeline": {"observe", *STAGES, *SHARED},
    **{stage: {"observe", *SHARED} for stage in STAGES},
    "dist": {"system", "kernel"},
    "config": {"system", "kernel"},
    "observe": {"kernel"},
    "system": {"kernel"},
    "host": {"kernel"},
    "kernel": set(),
}
FILES = sorted(SOURCE.rglob("*.py"))


def imports(path: Path):
    """Yield the dotted names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            if node.module == "goferry":
                yield from (f"goferry.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down_only(path):
    room = path.relative_to(SOURCE).parts[0]
    if room in {"__init__.py", "__main__.py"}:
        return
    for name in imports(path):
        if name.startswith("goferry."):
            target = name.split(".")[1]
            allowed = target == room or target in MAY_IMPORT[room] or target == "__version__"
            assert allowed, f"{room} must not import {name}"
            if room in STAGES and target == "observe":
                assert name == "goferry.observe.events", f"a stage imports observe.events alone, not {name}"
        elif room in {"kernel", "host"}:
            assert name.split(".")[0] in sys.stdlib_module_names, f"{room} imports {name}"


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.relative_to(SOURCE).parts[0] in {"kernel", "host"}],
    ids=lambda path: path.name,
)
def test_what_travels_to_the_host_parses_on_python_3_9(path):
    ast.parse(path.read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_the_edges_read_the_environment(path):
    room = path.relative_to(SOURCE).parts[0]
    if room in {"cli", "runner", "__main__.py"} or path.relative_to(SOURCE).as_posix() == "actions/main.py":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        reads = isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"}
        if reads and isinstance(node.value, ast.Name) and node.value.id == "os":
            shim = (
                path.name == "shim.py" or path.name == "__main__.py"
            )  # processes of their own: their environment is their input
            assert shim, f"{path}:{node.lineno} reads the environment"


def test_no_module_is_a_drawer():
    drawers = {"utils", "util", "helpers", "helper", "common", "manager", "handler", "misc"}
    assert not [path for path in FILES if path.stem in drawers]


def test_no_file_grows_past_400_lines():
    assert not [f"{path}: {n}" for path in FILES if (n := len(path.read_text().splitlines())) > 400]
