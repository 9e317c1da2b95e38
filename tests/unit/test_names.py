"""A file and a public class are found by their names, for no two of one name mean different things."""

import ast
from collections import defaultdict
from pathlib import Path

import goferry

SOURCE = Path(goferry.__file__).parent
EACH_ROOM_HAS = {"__init__.py", "__main__.py", "errors.py"}
DOORS = ("cli", "actions")
"""A command's file and an action's have the name of what they open."""


def files():
    return sorted(SOURCE.rglob("*.py"))


def test_no_two_files_have_one_name():
    found = defaultdict(list)
    for path in files():
        room, *_ = path.relative_to(SOURCE).parts
        if room not in DOORS and path.name not in EACH_ROOM_HAS:
            found[path.name].append(path.relative_to(SOURCE).as_posix())
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


def test_no_two_public_classes_have_one_name():
    found = defaultdict(list)
    for path in files():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(path.relative_to(SOURCE).as_posix())
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}
