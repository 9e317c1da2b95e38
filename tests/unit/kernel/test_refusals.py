import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from goferry.kernel import refusals
from goferry.kernel.refusals import Refusal, Unread

KERNEL = Path(refusals.__file__).parent
ALL = [
    kind
    for kind in vars(refusals).values()
    if isinstance(kind, type) and issubclass(kind, Refusal) and kind not in (Refusal, Unread)
]


def test_the_set_is_drawn_whole_in_the_modules_text():
    drawn = set(re.findall(r"[a-z]+(?:-[a-z]+)+", refusals.__doc__.split("Refusal\n", 1)[1]))
    assert drawn == {kind.name for kind in ALL}
    assert len(drawn) == len(ALL)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_each_says_what_it_means_and_why_it_happens(kind):
    meaning, cause = (part.strip() for part in kind.__doc__.split("\n\n"))
    assert meaning.endswith(".")
    assert cause.endswith(".")
    error = kind("what")
    assert error.exit_code == (2 if issubclass(kind, Unread) else 3)
    assert error.as_json()["refusal"] == kind.name
    assert error.state


def test_no_refusal_is_raised_that_is_not_in_the_set():
    """A verifier raises members of the closed set alone: no other subclass exists in the kernel's verifying modules."""
    names = {kind.__name__ for kind in ALL}
    for module in ("verify", "signatures", "openpgp", "gpgv", "minisign", "manifest", "checksums", "trustfile"):
        for node in ast.walk(ast.parse((KERNEL / f"{module}.py").read_text())):
            assert not (isinstance(node, ast.ClassDef) and any("Refus" in ast.unparse(base) for base in node.bases))
            if isinstance(node, ast.ImportFrom) and node.module == "goferry.kernel.refusals":
                assert {alias.name for alias in node.names} <= names | {"Refusal", "Unread"}


MODULES = sorted(path for path in KERNEL.glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_kernel_is_written_for_python_3_9(path):
    ast.parse(path.read_text(), feature_version=(3, 9))


def python_3_9():
    """Return a Python 3.9 that runs, from PATH or pyenv; a pyenv shim may exist and not run."""
    candidates = [shutil.which("python3.9"), *sorted(Path.home().glob(".pyenv/versions/3.9*/bin/python3.9"))]
    for found in filter(None, candidates):
        if subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return found
    return pytest.skip("no python3.9 on this machine; the syntax was checked all the same")


def test_the_kernel_loads_on_python_3_9():
    names = ", ".join(f"goferry.kernel.{path.stem}" for path in MODULES if path.stem != "__init__")
    done = subprocess.run(
        [python_3_9(), "-I", "-c", f"import sys; sys.path.insert(0, {str(KERNEL.parent.parent)!r}); import {names}"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
