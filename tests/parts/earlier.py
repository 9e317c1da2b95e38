"""Earlier Goferries, from this repository's own history: what provisioned the hosts that are upgraded in tests.

A host that one of these commits made ready must survive every later one.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIRST = "8a72acad4e8ffb94fe908e2156e1dc843c82fe5a"
"""Writes schema 1, and keys, trust and policy that name no project."""
PROJECTS = "fee9634a4286974c2825bdc5cb108c92076ba12a"
"""Writes schema 2; each project has its keys, its trust and its policy."""
UNTYPED = "f0f38e1c1cc815ad40f853fd298bdd7a3ef866b7"
"""The last one whose agent read and wrote its files as dictionaries."""
READS_FILES = "8e31348ded8aa4630b0847e494abf290c9dab261"
"""The last one whose units read a service's environment file at every start."""
_RUN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from goferry.__main__ import main; main()"


class Earlier:
    """Its source in a folder, and its command line under this interpreter with today's libraries."""

    def __init__(self, commit: str, folder: Path, missing: Callable[[str], None]) -> None:
        words = ["git", "archive", commit, "src"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
        if done.returncode:  # a shallow clone
            fetch = ["git", "fetch", "--quiet", "--depth=1", "origin", commit]
            subprocess.run(fetch, cwd=ROOT, capture_output=True, check=False, timeout=120)
            done = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
        if done.returncode:
            missing(f"the commit {commit[:12]}: a clone with its whole history")
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        self.source = folder / "src"

    def reads_ledger(self, path: Path) -> None:
        """Leave in the file of a build only what this Goferry wrote there too: a build and its seal are of one."""
        (ledger,) = self.source.glob("goferry/*/ledger.py")
        known = re.findall(r"^    (\w+): ", ledger.read_text(), re.MULTILINE)
        record = json.loads(path.read_text())
        path.write_text(json.dumps({name: value for name, value in record.items() if name in [*known, "schema"]}))

    def run(self, *words: object, check: bool = True) -> dict[str, object]:
        """Run a command with --json and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-c", _RUN, self.source, *map(str, words), "--json"],
            env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.stdout, done.stderr
        assert not (check and done.returncode), done.stdout + done.stderr
        return {"exit_code": done.returncode, **json.loads(done.stdout)}
