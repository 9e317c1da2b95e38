"""Fixtures of the tests under act: the program, what it is served, and repositories that are not ours."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import harming  # noqa: E402
import serving  # noqa: E402
from acting import DOCKER, Act, runner_python  # noqa: E402
from foreign import CONFIG, SMALL, Repository  # noqa: E402
from serving import OURS, PARTS, ROOT  # noqa: E402

CACHE = ROOT / ".demo" / "cache"  # the build caches that all tests share


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory, node_part):
    """{"actions/upload-artifact@…": folder}."""
    node_part("esbuild")
    node_part("@actions/artifact")
    node_part("@actions/cache")
    return serving.stand_ins(tmp_path_factory.mktemp("stand-ins"))


@pytest.fixture(scope="session")
def ours(tmp_path_factory):
    """The folder that `octo-org/goferry@v1` is."""
    return serving.this_repository(tmp_path_factory.mktemp("goferry"))


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
def in_mode(act, request):
    """`in_mode("docker")` is `act.run` in Docker mode, its image made when first asked for."""

    def choose(mode: str):
        if mode == DOCKER:
            request.getfixturevalue("runner_image")
        return functools.partial(act.run, docker=mode == DOCKER)

    return choose


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


@pytest.fixture(scope="session")
def docker_actions(ours, docker_daemon, tmp_path_factory, missing):
    """This repository served so that its Dockerfile can be built here: the base by its tag, the packages as wheels.

    A digest cannot be resolved against an image that was imported, and act gives a build neither arguments nor the
    host's network and certificates.
    """
    made = subprocess.run([PARTS / "debian"], capture_output=True, text=True, check=False)
    if made.returncode:
        missing(f"the image debian:bookworm-slim: {made.stderr[-400:]}")
    folder = tmp_path_factory.mktemp("docker") / "goferry"
    shutil.copytree(ours, folder)
    dockerfile = folder / "Dockerfile"
    text, changed = re.subn(r"(?m)^(FROM [^@\s]+)@sha256:[0-9a-f]{64}$", r"\1", dockerfile.read_text())
    assert changed == 1, "the base image is not pinned"
    dockerfile.write_text(text)
    wheels = CACHE / "wheels"
    locks = [word for group in ("core", "release", "github") for word in ("-r", ROOT / "requirements" / f"{group}.txt")]
    subprocess.run(
        [
            sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--require-hashes", "--no-deps",
            "--only-binary", ":all:", "--python-version", "3.11", "--dest", wheels, *locks,
        ],
        check=True,
    )  # fmt: skip
    shutil.copytree(wheels, folder / "requirements" / "wheels")
    return {OURS: folder}


@dataclass(frozen=True)
class Signing:
    """Release keys made for the session: the secrets that sign, and the trust file that takes them."""

    secrets: dict[str, str]
    trust: str


@pytest.fixture(scope="session")
def signing(tmp_path_factory):
    """Throw-away keys, as a maintainer makes them."""
    folder = tmp_path_factory.mktemp("keys") / "made"
    subprocess.run([sys.executable, "-m", "goferry", "keygen", "--out", folder], check=True, capture_output=True)
    return Signing(
        {"GOFERRY_SIGNING_KEY": (folder / "openpgp.asc").read_text()}, (folder / "goferry.trust").read_text()
    )


@pytest.fixture
def stranger(part):
    """`stranger(data)` is a good armored signature over it, by a key that nobody trusts."""
    gpg = part("gpg")
    with tempfile.TemporaryDirectory(dir="/tmp") as home:  # a short path: gpg's sockets lie in it
        words = [gpg, "--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        key = ["--quick-generate-key", "Stranger <stranger@users.example>", "ed25519", "sign"]
        subprocess.run([*words, *key], check=True, capture_output=True)
        signing = [*words, "--armor", "--detach-sign"]
        yield lambda data: subprocess.run(signing, input=data, check=True, capture_output=True).stdout
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)


@pytest.fixture
def catcher():
    """A webhook that keeps what it gets: `catcher.url`, `catcher.got` with the JSON bodies."""

    class Catch(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    got: list[dict] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Catch) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/hook", got=got)
        server.shutdown()


@pytest.fixture(scope="session")
def make_repository(tmp_path_factory):
    """`make_repository()` returns a small Go service in a repository of someone else's; `name` is its owner/name."""

    def make(name: str = "someone/greeter") -> Repository:
        made = Repository(tmp_path_factory.mktemp("repository") / name.partition("/")[2], name)
        made.write(SMALL)
        return made

    return make


@pytest.fixture
def project(make_repository, example, signing):
    """A repository that has examples/workflows/release.yml, a goferry.yml and a trust file."""
    repository = make_repository()
    repository.write({"goferry.yml": CONFIG, "goferry.trust": signing.trust})
    repository.workflow(example("release.yml"))
    repository.commit("Greet")
    return repository


@pytest.fixture(scope="session")
def example(ours):
    """`example("release.yml")` is an example workflow as a user pastes it, its placeholders filled in."""
    from goferry.pipeline.rendering import TemplateSource, render

    return lambda name: render((ours / "examples" / "workflows" / name).read_text(), TemplateSource(*OURS.split("@")))


@pytest.fixture
def github():
    """`github(repository)` returns what the fake GitHub keeps of it, the runner's variables, and the job's token."""
    with serving.github() as know:
        yield know


@pytest.fixture(scope="session")
def goferry():
    """`goferry("verify", …)` runs the command of this checkout and returns what it printed."""

    def run(*words: object, env: Mapping[str, str] | None = None, cwd: Path | None = None, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-I", "-m", "goferry", *map(str, words)],
            env={**os.environ, "GOFERRY_CACHE": str(CACHE), **(env or {})}, cwd=cwd, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout

    return run


@pytest.fixture(scope="session")
def tampering(stand_ins, tmp_path_factory):
    """`tampering("a byte of a binary")` serves a download-artifact that does that to every dist.tar that it brings."""
    (name,) = (name for name in stand_ins if "download" in name)

    def make(harm: str) -> dict[str, Path]:
        return {name: harming.download(tmp_path_factory.mktemp("tampering"), stand_ins[name], harm)}

    return make


@pytest.fixture
def repository(make_repository):
    """One of them."""
    return make_repository()
