"""What docs/architecture.md says of the code is so: its files exist, and a deploy takes the way that it draws."""

import ast
import re
from pathlib import Path

import pytest

import goferry

SOURCE = Path(goferry.__file__).parent
PAGE = (SOURCE.parents[1] / "docs/architecture.md").read_text()
WAY = re.findall(r"^\| \d \| `([\w/]+\.py)` \| `([\w.]+)` \|", PAGE, re.MULTILINE)
NEXT = ["deploy", "deploy", "Performer", "connected", "opened", "encode"]
"""What each function of the way calls, by name: the next one, or what leads to it."""


def function(path, name):
    """Return the code of a function or method of a file."""
    tree = ast.parse((SOURCE / path).read_text())
    for part in name.split("."):
        (tree,) = (each for each in tree.body if getattr(each, "name", "") == part and not overloaded(each))
    return tree


def overloaded(node):
    return any(getattr(each, "id", "") == "overload" for each in node.decorator_list)


def test_a_deploy_takes_at_most_six_files_to_the_wire():
    assert 0 < len({path for path, _ in WAY}) <= 6


@pytest.mark.parametrize(("step", "calls"), [*zip(WAY, NEXT, strict=True)], ids=str)
def test_each_file_of_the_way_leads_to_the_next(step, calls):
    called = {
        getattr(node.func, "attr", getattr(node.func, "id", ""))
        for node in ast.walk(function(*step))
        if isinstance(node, ast.Call)
    }
    assert calls in called


def test_every_file_that_is_named_is_there():
    named = set(re.findall(r"`(?:src/goferry/)?([a-z_]+/[a-z0-9_/]+\.(?:py|json))`", PAGE))
    assert len(named) > 30
    roots = (SOURCE, SOURCE.parents[1], SOURCE.parents[1] / "docs")
    assert not [path for path in named if not any((root / path).exists() for root in roots)]


def test_every_module_that_is_named_is_there():
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir()}
    named = {name for name in re.findall(r"`([a-z]+(?:\.[a-z_]+)+)`", PAGE) if name.split(".")[0] in rooms}
    assert len(named) > 15
    assert not [name for name in named if not (SOURCE / name.replace(".", "/")).with_suffix(".py").exists()]
