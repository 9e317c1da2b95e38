"""What the event stream and its renderers say of themselves: every signature names its types."""

import ast
import importlib
import inspect
import typing
from pathlib import Path

import pytest

import goferry

SOURCE = Path(goferry.__file__).parent
MODULES = sorted(path.stem for path in (SOURCE / "observe").glob("[a-z]*.py"))


def functions(module):
    """Yield the public functions and methods that a module defines, with their names."""
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", "") != module.__name__:
            continue
        if inspect.isfunction(thing):
            yield name, thing
        elif inspect.isclass(thing):
            yield name, thing
            methods = inspect.getmembers(thing, inspect.isroutine)
            yield from ((f"{name}.{each}", one) for each, one in methods if each in vars(thing) and each[0] != "_")


def holds_any(hint):
    return hint is typing.Any or any(map(holds_any, typing.get_args(hint)))


@pytest.mark.parametrize("module", MODULES)
def test_no_public_signature_leaves_a_type_open(module):
    found = importlib.import_module(f"goferry.observe.{module}")
    hints = {name: typing.get_type_hints(thing) for name, thing in functions(found)}
    assert not {name: each for name, each in hints.items() if any(map(holds_any, each.values()))}


def test_no_dictionary_stands_for_a_type_inside():
    """A TypedDict would be one: what has fields of its own is a frozen type (docs/decisions/0035)."""
    trees = {path: ast.parse(path.read_text()) for path in SOURCE.rglob("*.py") if "TypedDict" in path.read_text()}
    assert not trees
