"""The house's arrows: imports go down only, stages don't know each other, the host runs on the standard library."""

import ast
import functools
import re
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "goferry"
STAGES = {"golang", "gobuild", "image", "trust", "release", "deploy"}
SHARED = {"artifacts", "caches", "config", "system", "kernel"}
MAY_IMPORT = {
    "cli": {"pipeline", "observe", "runner", *STAGES, *SHARED},
    "actions": {"pipeline", "observe", "runner", *STAGES, *SHARED},
    "runner": {"observe", *SHARED},
    "pipeline": {"observe", *STAGES, *SHARED},
    **{stage: {"observe", *SHARED} for stage in STAGES},
    "artifacts": {"system", "kernel"},
    "caches": {"system", "kernel"},
    "config": {"observe", "system", "kernel"},
    "observe": {"kernel"},
    "system": {"kernel"},
    "host": {"kernel"},
    "kernel": set(),
}
FILES = sorted(SOURCE.rglob("*.py"))
ROOMS = sorted({path.relative_to(SOURCE).parts[0] for path in FILES})


def files(room):
    return [path for path in FILES if path.relative_to(SOURCE).parts[0] == room]


def statements(node):
    """Yield the statements within a node, wherever; expressions, which most nodes are, hold none."""
    for field in ("body", "handlers", "orelse", "finalbody", "cases"):
        for each in getattr(node, field, ()):
            yield each
            yield from statements(each)


def imports(path: Path):
    """Yield the dotted names that a module imports, wherever in it."""
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            if node.module == "goferry":
                yield from (f"goferry.{alias.name}" for alias in node.names)


def test_imports_are_found_wherever_they_are(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "import a\nif a:\n    import b\nelse:\n    import c\n"
        "def f():\n    try:\n        import d\n    except OSError:\n        import e\n    else:\n        import g\n"
        "    finally:\n        import h\nclass C:\n    with a:\n        from i import j\n"
        "match a:\n    case 1:\n        import k\nfor _ in a:\n    pass\nelse:\n    from goferry import m\n"
    )
    assert [*imports(path)] == ["a", "b", "c", "d", "e", "g", "h", "i", "k", "goferry", "goferry.m"]


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in {"__init__.py", "__main__.py"}])
def test_imports_go_down_only(room):
    for path in files(room):
        for name in imports(path):
            if name.startswith("goferry."):
                target = name.split(".")[1]
                allowed = target == room or target in MAY_IMPORT[room] or target == "__version__"
                assert allowed, f"{path}: {room} must not import {name}"
                if room in {*STAGES, "config"} and target == "observe":
                    events = name == "goferry.observe.events"
                    assert events, f"{path}: {room} imports observe.events alone, not {name}"
            elif room in {"kernel", "host"}:
                assert name.split(".")[0] in sys.stdlib_module_names, f"{path}: {room} imports {name}"


@pytest.mark.parametrize(
    "path",
    [*files("kernel"), *files("host"), *SOURCE.glob("deploy/provision/*on_host.py")],
    ids=lambda path: path.name,
)
def test_what_travels_to_the_host_parses_on_python_3_9(path):
    ast.parse(path.read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in {"cli", "runner", "__main__.py"}])
def test_only_the_edges_read_the_environment(room):
    for path in files(room):
        text = path.read_text()
        if path.relative_to(SOURCE).as_posix() == "actions/main.py" or not ("environ" in text or "getenv" in text):
            continue
        for node in ast.walk(ast.parse(text)):
            reads = isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"}
            if reads and isinstance(node.value, ast.Name) and node.value.id == "os":
                # processes of their own: their environment is their input
                assert path.name in {"shim.py", "__main__.py"}, f"{path}:{node.lineno} reads the environment"


@functools.cache
def imported_modules(path):
    """Return every module of the house that a module imports, however it is written."""
    return {
        name
        for node in statements(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("goferry")
        for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
    }


PACKAGES = [path.parent for path in SOURCE.glob("*/**/__init__.py")]
CONTRACTS = [package for package in PACKAGES if package.name not in {"cli", "actions", "host"}]
"""The rooms that others import, and the packages within one; commands, actions and the agent are imported by nobody."""


def of(package):
    return "goferry." + package.relative_to(SOURCE).as_posix().replace("/", ".")


def test_no_room_imports_what_is_private_to_another():
    for path in FILES:
        for name in imported_modules(path):
            room, _, last = name.rpartition(".")
            if last.startswith("_") and not last.startswith("__"):
                own = of(path.parent)
                assert own == room or own.startswith(f"{room}."), f"{path} imports {name}"


@pytest.mark.parametrize("package", CONTRACTS, ids=of)
def test_a_room_names_its_contract(package):
    """Each module that is not private is named in `__init__` and imported by another room."""
    told = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    named = set(re.findall(r"^    (\w+)  ", told, re.MULTILINE))
    there = {path.stem for path in package.glob("[a-z]*.py")} | {
        path.parent.name for path in package.glob("*/__init__.py")
    }
    assert named == there
    users = [path for path in FILES if package not in path.parents]
    used = {name for path in users for name in imported_modules(path)}
    alone = {
        "errors",
        "on_host",
        "changes_on_host",
        "variables_on_host",
    }  # the catalogue reads the one; the others are sent to a host
    alone |= {"contract", "needs"}  # what one more target, proxy or guard implements
    inside = {"kernel"}  # its files travel as they are, and tools verify with them
    if package.name not in inside:
        assert not {name for name in there - alone if f"{of(package)}.{name}" not in used}


def test_no_module_is_a_drawer():
    drawers = {"utils", "util", "helpers", "helper", "common", "manager", "handler", "misc"}
    assert not [path for path in FILES if path.stem in drawers]


def test_no_file_grows_past_400_lines():
    assert not [f"{path}: {n}" for path in FILES if (n := len(path.read_text().splitlines())) > 400]
