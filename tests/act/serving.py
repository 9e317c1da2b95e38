"""What act is served in place of GitHub: this repository as `octo-org/goferry@v1`, and stand-ins for third-party actions."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from foreign import Repository

ROOT = Path(__file__).resolve().parents[2]
PARTS = ROOT / "tests" / "parts"
OURS = "octo-org/goferry@v1"
# Third-party actions by the commits that the workflows pin. actions/checkout is built in to act.
STAND_INS = {
    "upload-artifact": "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f",
    "download-artifact": "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c",
    "cache": "27d5ce7f107fe9357f9df03efb73ab90386fccae",
}


def this_repository(folder: Path, revision: str = "HEAD") -> Path:
    """Put what git holds at a revision into `folder` and nothing else, with `$/` spelled out, which act cannot read.

    act copies the whole folder at each step, so a checkout with its caches would be slow, and would hide what is
    missing from git.
    """
    archive = subprocess.run(["git", "-C", ROOT, "archive", revision], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    repository, _, ref = OURS.partition("@")
    render = folder / "scripts" / "render-workflows"
    subprocess.run(
        [sys.executable, render, folder / ".github" / "workflows", repository, ref],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return folder


def stand_ins(folder: Path) -> dict[str, Path]:
    """Bundle the stand-ins, each into a folder of its own, since act copies whole folders; return what serves them."""
    modules = PARTS / "npm" / "node_modules"
    served = {}
    for name, commit in STAND_INS.items():
        for action in sorted((PARTS / "act" / name).rglob("action.yml")):
            out = folder / action.relative_to(PARTS / "act").parent
            out.mkdir(parents=True)
            (out / "action.yml").write_bytes(action.read_bytes())
            subprocess.run(
                [
                    modules / ".bin" / "esbuild", action.with_name("main.js"), "--bundle", "--platform=node", "--keep-names",
                    f"--outfile={out / 'index.js'}", "--log-level=error",
                ],
                check=True, env={"PATH": os.environ["PATH"], "NODE_PATH": str(modules)},
            )  # fmt: skip
        served[f"actions/{name}@{commit}"] = folder / name
    return served


@contextlib.contextmanager
def github() -> Iterator[Callable[[Repository], tuple[Any, dict[str, str], dict[str, str]]]]:
    """Yield `know(repository)`: what a fake GitHub keeps of it, the runner's variables, and the job's token."""
    from fakes.github import FakeGitHub

    with FakeGitHub() as fake:

        def know(repository: Repository) -> tuple[Any, dict[str, str], dict[str, str]]:
            hub = fake.repository(repository.name)
            hub.git = str(repository.folder)
            token = fake.token({"contents": "write", "packages": "write", "id-token": "write", "deployments": "write"})
            return hub, {"GITHUB_API_URL": fake.url}, {"GITHUB_TOKEN": token}

        know.release = fake.state.create_release  # type: ignore[attr-defined]  # (hub, fields): one that others made
        yield know
