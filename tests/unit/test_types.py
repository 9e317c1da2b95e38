"""Values are types from their producer to their reader: how much of the source still reads dictionaries by name."""

import ast
import functools
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "goferry"
FILES = sorted(SOURCE.rglob("*.py"))
PER_THOUSAND = 6
"""Accesses by a string key in a thousand lines; sigstore-python has 2.6, h11 1.9, cibuildwheel 7.2."""


@functools.cache
def trees():
    """Return file → its tree; parsed when a test asks, not wherever the tests are collected."""
    return {path: ast.parse(path.read_text()) for path in FILES}


def by_key(tree):
    """Return how often a tree says `x["key"]` or `x.get("key")`."""
    return sum(
        (isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str))
        or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
            and bool(node.args)
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        )
        for node in ast.walk(tree)
    )


def public_any(tree):
    """Yield the public functions of a tree that take or return Any."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
            hints = [each.annotation for each in given if each is not None and each.annotation] + [node.returns]
            if any(
                isinstance(part, ast.Name) and part.id == "Any" for hint in hints if hint for part in ast.walk(hint)
            ):
                yield node.name


def test_an_access_by_key_is_found():
    tree = ast.parse('a["k"]; a.get("k"); a.get("k", 1); a[0]; a[k]; a.get(k); {"k": 1}; a["k"] = 1')
    assert by_key(tree) == 4
    text = "def f(x: Any): ...\ndef g() -> dict[str, Any]: ...\ndef _h(x: Any): ...\ndef i(*a: Any): ...\ndef j(x: object): ..."
    assert [*public_any(ast.parse(text))] == ["f", "g", "i"]


def test_dictionaries_are_read_by_name_at_edges_alone():
    keys, lines = Counter(), Counter()
    for path, tree in trees().items():
        room = path.relative_to(SOURCE).parts[0]
        keys[room] += by_key(tree)
        lines[room] += len(path.read_text().splitlines())
    assert not {
        room: round(n * 1000 / lines[room], 1) for room, n in keys.items() if n * 1000 > PER_THOUSAND * lines[room]
    }


def test_no_public_function_takes_or_returns_anything():
    assert not [f"{path.relative_to(SOURCE)}: {name}" for path, tree in trees().items() for name in public_any(tree)]


def test_nobody_declares_a_dictionary_of_known_keys():
    assert not [path for path, tree in trees().items() if "TypedDict" in {getattr(n, "id", "") for n in ast.walk(tree)}]
