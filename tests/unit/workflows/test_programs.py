"""The programs beside the command start with the Python of a machine, without anything that is installed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", ["tests/act/try", "scripts/render-workflows"])
def test_a_program_without_arguments_says_how_it_is_used(name):
    words = [sys._base_executable, "-I", ROOT / name]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"usage: {name} " in done.stderr
    assert "Traceback" not in done.stderr
