"""pyproject.toml says what Goferry needs; the hash-locked groups are made from it, and what is imported is in it."""

import ast
import re
import runpy
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OPTIONAL = PROJECT["project"]["optional-dependencies"]
LINES = [*PROJECT["project"]["dependencies"], *(line for lines in OPTIONAL.values() for line in lines)]
RANGES = {canonicalize_name(Requirement(line).name): Requirement(line) for line in LINES}
UPDATE = runpy.run_path(str(ROOT / "requirements" / "update"))
PROVIDES = {"backports": "backports-zstd", "github": "pygithub", "yaml": "pyyaml"}
"""Modules that are named otherwise than what provides them."""
BY_OTHERS = {"botocore", "requests"}
"""Imported to read the errors, and to say the settings, of what brings them (PyGithub, boto3)."""
NEWER = {"compression"}
"""Python's own, of a newer one than may run this."""


def locked(path):
    return dict(re.findall(r"(?m)^([\w.-]+)==([^\s;]+)", path.read_text()))


def test_every_dependency_is_in_one_lock_and_pip_is_there_already():
    groups = [canonicalize_name(name) for names in PROJECT["tool"]["goferry"]["locks"].values() for name in names]
    assert sorted([*groups, "pip"]) == sorted(RANGES)


@pytest.mark.parametrize("group", UPDATE["LOCKS"])
def test_a_lock_has_what_its_group_wants_within_its_range_and_hashes(group):
    path = ROOT / UPDATE["LOCKS"][group]
    found = {canonicalize_name(name): version for name, version in locked(path).items()}
    for line in UPDATE["wanted"](PROJECT)[group]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(found[canonicalize_name(wanted.name)]), f"{line}: requirements/update"
    assert path.read_text().count("--hash=sha256:") >= len(found)


def test_locks_agree_with_each_other():
    files = [locked(ROOT / path) for path in UPDATE["LOCKS"].values()]
    for name in {name for each in files for name in each}:
        assert len({each[name] for each in files if name in each}) == 1, name


def test_whatever_is_imported_is_a_dependency():
    names = set()
    for path in (ROOT / "src" / "goferry").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.partition(".")[0])
    foreign = names - set(sys.stdlib_module_names) - {"goferry"} - BY_OTHERS - NEWER
    assert {PROVIDES.get(name, name) for name in foreign} <= set(RANGES)


def test_every_dependency_has_a_range_that_the_next_major_version_is_outside_of_or_none_by_choice():
    for name, wanted in RANGES.items():
        if name not in {"certifi", "cryptography", "pip"}:  # by the year, and by what others pin: any newer one will do
            assert not wanted.specifier.contains("99"), name


def test_a_lock_names_dependencies_alone():
    broken = {**PROJECT, "tool": {"goferry": {"locks": {"core": ["click", "nonesuch"]}}}}
    with pytest.raises(ValueError, match="nonesuch"):
        UPDATE["wanted"](broken)
