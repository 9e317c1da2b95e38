"""Fixtures of the tests under act: the program, what it is served, and repositories that are not ours."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from acting import Act, runner_python
from foreign import SMALL, Repository

ROOT = Path(__file__).resolve().parents[2]
PARTS = ROOT / "tests" / "parts"
CACHE = ROOT / ".demo" / "cache"  # the build caches that all tests share
OURS = "octo-org/goferry@v1"
# Third-party actions by the commits that the workflows pin.
STAND_INS = {
    "upload-artifact": "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f",
    "download-artifact": "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c",
}


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory, missing):
    """{"actions/upload-artifact@…": folder}: each a bundle of its own, since act copies whole folders."""
    modules = PARTS / "npm" / "node_modules"
    bundler = modules / ".bin" / "esbuild"
    if not bundler.exists():
        missing("esbuild in tests/parts/npm/node_modules")
    served = {}
    for name, commit in STAND_INS.items():
        folder = tmp_path_factory.mktemp(name)
        source = PARTS / "act" / name
        (folder / "action.yml").write_bytes((source / "action.yml").read_bytes())
        subprocess.run(
            [bundler, source / "main.js", "--bundle", "--platform=node", "--keep-names", f"--outfile={folder / 'index.js'}", "--log-level=error"],
            check=True, env={"PATH": os.environ["PATH"], "NODE_PATH": str(modules)},
        )  # fmt: skip
        served[f"actions/{name}@{commit}"] = folder
    return served


@pytest.fixture(scope="session")
def ours(tmp_path_factory):
    """The folder that `octo-org/goferry@v1` is: what git holds at HEAD and nothing else, `$/` spelled out for act."""
    folder = tmp_path_factory.mktemp("goferry")
    archive = subprocess.run(["git", "-C", ROOT, "archive", "HEAD"], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    repository, _, ref = OURS.partition("@")
    render = folder / "scripts" / "render-workflows"
    subprocess.run([sys.executable, render, folder / ".github" / "workflows", repository, ref], check=True)
    return folder


@pytest.fixture(scope="session")
def act(tmp_path_factory, part, stand_ins, ours):
    """An Act in host mode (and Docker mode where `runner_image` is asked for) with everything served."""
    program = part("act")
    part("node")
    part("git")
    base = tmp_path_factory.mktemp("act")
    home = base / "home"
    home.mkdir()
    CACHE.mkdir(parents=True, exist_ok=True)
    environ = {"GOFERRY_CACHE": str(CACHE), "GOCACHE": str(CACHE / "go-build"), "GOMODCACHE": str(CACHE / "go-mod")}
    path = runner_python(base / "python")
    return Act(program, {OURS: ours, **stand_ins}, home, PARTS / "bin" / "act-cache", base / "runs", environ, path=path)


@pytest.fixture(scope="session")
def runner_image(act, docker_daemon, tmp_path_factory, missing):
    """The image of Docker mode, built where it has changed; asking for it lets `act.run(docker=True)` work."""
    made = subprocess.run([PARTS / "debian"], capture_output=True, text=True, check=False)
    if made.returncode:
        missing(f"the image debian:bookworm-slim: {made.stderr[-400:]}")
    context = tmp_path_factory.mktemp("runner")
    for source in (PARTS / "act" / "Dockerfile", Path("/etc/ssl/certs/ca-certificates.crt")):
        (context / source.name).write_bytes(source.read_bytes())
        os.utime(context / source.name, (0, 0))
    environ = {**os.environ, "DOCKER_BUILDKIT": "0"}
    subprocess.run(
        ["docker", "build", "--quiet", "--network", "host", "--tag", "goferry-act-runner", context],
        env=environ, capture_output=True, check=True,
    )  # fmt: skip
    act.image = "goferry-act-runner"
    return act.image


@pytest.fixture
def repository(tmp_path):
    """A small Go service in a repository of someone else's."""
    made = Repository(tmp_path / "greeter")
    made.write(SMALL)
    return made
