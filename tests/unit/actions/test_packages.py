"""An action has the packages of `core` and of its groups in src/start.py, and imports no other."""

import ast
import re
import runpy
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from goferry.actions.main import ACTIONS

ROOT = Path(__file__).resolve().parents[3]
LATER = ("compression",)
"""Of the standard library of Pythons to come."""
GROUPS = runpy.run_path(str(ROOT / "src" / "start.py"))["GROUPS"]


def locked(*groups):
    """The distributions of the groups' locks, by their normal names."""
    locks = [(ROOT / "requirements" / f"{group}.txt").read_text() for group in groups]
    return {name for lock in locks for name in re.findall(r"(?m)^([a-z0-9-]+)==", lock)}


def statements(node, *, called):
    """The import statements that run when a module is loaded and, with `called`, when its functions are."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        elif called or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from statements(child, called=called)


@cache
def imported(module, *, called):
    """The dotted names that a module of Goferry imports, the folders above them included; None where it is none."""
    path = ROOT.joinpath("src", *module.split("."))
    file = next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)
    if file is None:
        return None
    names = set()
    for each in statements(ast.parse(file.read_text()), called=called):
        above = f"{each.module}." if isinstance(each, ast.ImportFrom) else ""
        for name in (f"{above}{alias.name}".split(".") for alias in each.names):
            names |= {".".join(name[:end]) for end in range(1, len(name) + 1)}
    return names


def packages(action, *, called):
    """The distributions that an action's module imports, through whatever it imports of Goferry: name → by which."""
    found, seen, todo = {}, set(), ["goferry.actions.main", f"goferry.actions.{action.replace('-', '_')}"]
    distributions = packages_distributions()
    while todo:
        module = todo.pop()
        seen.add(module)
        for name in imported(module, called=called) or ():
            if name.startswith("goferry"):
                todo += {name} - seen
            elif name not in {*sys.stdlib_module_names, *LATER} and "." not in name:
                assert name in distributions, f"{module} imports {name}, which is in no lock"
                found |= {re.sub(r"[._-]+", "-", each.lower()): module for each in distributions[name]}
    return found


def test_each_action_is_walked():
    assert set(GROUPS) <= set(ACTIONS)
    assert {"msgspec"} <= packages("setup-go", called=False).keys()
    assert {"msgspec", "pyyaml"} <= packages("setup-go", called=True).keys()
    assert {"urllib3", "certifi"} <= packages("notify", called=True).keys()


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_loaded_with_the_packages_of_its_groups(action):
    found = packages(action, called=False)
    assert not {name: found[name] for name in found.keys() - locked("core", *GROUPS.get(action, ()))}


@pytest.mark.parametrize("action", ACTIONS)
def test_no_action_comes_to_a_package_of_the_command_line_or_of_the_checks(action):
    """What a function imports when it is called counts, whoever calls it."""
    found = packages(action, called=True)
    assert not {name: found[name] for name in found.keys() - locked("core", "release", "github", "caches")}
