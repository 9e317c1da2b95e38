"""Runs act as an outside repository would be run: host mode or Docker mode, with everything that it needs served here.

Nothing secret reaches act's command line: secrets go through a file of mode 0600. act is told not to mask, and every
run is searched for the secrets' lines instead, so that a leak is seen and not covered up.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import log
from foreign import Repository
from sampling import FULL

# What a machine says about its package indexes and certificates goes on to the jobs; the rest of it does not.
KEPT = re.compile(
    r"(?i)(.*_proxy|PIP_.*|SSL_CERT_.*|.*_CA_BUNDLE|.*_CA_?CERTS|PIP_CERT|GOPROXY|GOSUMDB|GONOSUMDB|GOPRIVATE|GOFLAGS|GIT_SSL_CAINFO|TMPDIR)"
)
PLAIN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOST, DOCKER = "host", "docker"
TOKEN = "ghs_0123456789abcdefghijklmnopqrstuvwxyz"


def modes(place: str) -> list[str]:
    """Return the modes of act in which a chain of actions is run: host mode, and Docker mode for single actions.

    The ways to a release and to a host take four to six minutes in Docker mode, so they are left to `make test-full`.
    """
    chosen = FULL or place == "actions"
    return [HOST, *([DOCKER] if chosen else [])]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Act:
    """How runs are made; `run` makes one.

    Attributes:
        program: the path of act.
        served: {"owner/name@ref": folder} of what `uses:` may name besides actions/checkout.
        home: a home folder that holds nothing of the machine's.
        cache: act's folder: workspaces, and the tool cache that the jobs share.
        environ: what every job gets beside what act gives it: build caches, shared by all.
        scratch: where event files, secrets and artifacts of a run go.
        image: the image of Docker mode, or "" where there is none.
    """

    program: str
    served: Mapping[str, Path]
    home: Path
    cache: Path
    scratch: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    path: str = PLAIN_PATH
    count: int = 0

    def run(
        self,
        repository: Repository,
        event: str = "push",
        payload: Mapping[str, Any] | None = None,
        *,
        secrets: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        docker: bool = False,
        served: Mapping[str, Path] | None = None,
        cache: Path | None = None,
        kept: Path | None = None,
        path: str = "",
        extra: tuple[str, ...] = (),
        timeout: int = 540,
    ) -> log.Run:
        """Run the repository's workflows for an event and read what came of it.

        `served` is served beside or in place of what always is, `env` is what the runner gives each job
        (GITHUB_API_URL of a fake, say), `cache` another cache than the shared one, `kept` the folder of act's own
        server for actions/cache (without it there is none), `extra` more of act's own options.
        """
        self.count += 1
        folder = self.scratch / f"run-{self.count}"
        # act's artifact server panics where it is asked for a list before anything was uploaded.
        (folder / "artifacts" / (env or {}).get("GITHUB_RUN_ID", "1")).mkdir(parents=True)
        everything = {"GITHUB_TOKEN": TOKEN, **(secrets or {})}
        if not kept and "ACTIONS_CACHE_URL" not in (env or {}):
            variables = {"GOFERRY_CACHES": "off", **(variables or {})}
        words = self._words(
            folder, event, payload or repository.push(), everything, env or {}, variables or {}, docker, cache, kept
        )
        for name, place in {**self.served, **(served or {})}.items():
            words += ["--local-repository", f"{name}={place}"]
        lines, code = self._start([*words, *extra], repository.folder, path or self.path, folder, timeout)
        if any("concurrent map" in line for line in lines[-400:]):
            # act's map of local repositories is not made for the legs of a matrix; GitHub has no such map.
            lines, code = self._start([*words, *extra], repository.folder, path or self.path, folder, timeout)
        run = log.read(lines, code)
        run.folder = folder
        (folder / "told").write_text(run.text)
        for name, value in everything.items():
            leaked = [line for line in value.splitlines() if len(line.strip()) > 7 and line.strip() in run.text]
            assert not leaked, f"the secret {name} is in the run's output, see {folder / 'told'}"
        return run

    def _words(
        self, folder: Path, event: str, payload: Mapping[str, Any], secrets: Mapping[str, str], env: Mapping[str, str],
        variables: Mapping[str, str], docker: bool, cache: Path | None, kept: Path | None,
    ) -> list[str]:  # fmt: skip
        if docker:
            # A job's container sees nothing of this machine but the volume of its tool cache.
            env = {**{name: f"/opt/hostedtoolcache/{name.lower()}" for name in self.environ}, **env}
        names = {"event.json": payload, "secrets.yml": secrets, "env.yml": env, "vars.yml": variables}
        for name, value in names.items():
            with open(os.open(folder / name, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                json.dump(value, file)  # JSON is YAML
        platform = self.image if docker else "-self-hosted"
        words = [
            self.program, event, "--json", "--insecure-secrets", "--pull=false", "--rm",
            "--eventpath", str(folder / "event.json"), "--secret-file", str(folder / "secrets.yml"),
            "--env-file", str(folder / "env.yml"), "--var-file", str(folder / "vars.yml"), "--input-file", "/dev/null",
            "--action-cache-path", str(cache or self.cache), "--container-daemon-socket", "-",
            "--artifact-server-path", str(folder / "artifacts"), "--artifact-server-addr", "127.0.0.1",
            "--artifact-server-port", str(free_port()), "--network", "host", "--concurrent-jobs", "1",
        ]  # fmt: skip
        server = (
            ["--cache-server-path", str(kept), "--cache-server-addr", "127.0.0.1"] if kept else ["--no-cache-server"]
        )
        words += server
        if not docker:
            # Docker actions of a job in host mode: act hands them the host's paths, and a network of their own.
            folder = (cache or self.cache).resolve()
            folder.mkdir(parents=True, exist_ok=True)
            words += ["--container-options", f"--volume {folder}:{folder} --network host"]
        for label in ("ubuntu-latest", "self-hosted"):
            words += ["--platform", f"{label}={platform}"]
        return words

    def _start(self, words: list[str], where: Path, path: str, folder: Path, timeout: int) -> tuple[list[str], int]:
        environ = {
            **{name: value for name, value in os.environ.items() if KEPT.fullmatch(name)},
            "PATH": path, "HOME": str(self.home), "LANG": "C.UTF-8", "ACT_DISABLE_VERSION_CHECK": "1",
            "DOCKER_BUILDKIT": "0", **self.environ,
        }  # fmt: skip
        if "DOCKER_HOST" in os.environ:
            environ["DOCKER_HOST"] = os.environ["DOCKER_HOST"]
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            process = subprocess.Popen(
                words, cwd=where, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
            try:
                code = process.wait(timeout)
            except subprocess.TimeoutExpired:
                # Only what this run started: its own process group.
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                code = -1
        lines = (folder / "out").read_text(errors="replace").splitlines()
        lines += (folder / "err").read_text(errors="replace").splitlines()
        if code == -1:
            lines.append(f"ended after {timeout} s")
        return lines, code


def runner_python(folder: Path) -> str:
    """A PATH whose python3 is new enough and has pip, as a hosted runner's is; `folder` may get a link for it."""
    check = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    found = shutil.which("python3", path=PLAIN_PATH)
    if found and subprocess.run([found, "-I", "-c", check], check=False, capture_output=True).returncode == 0:
        return PLAIN_PATH
    folder.mkdir(parents=True, exist_ok=True)
    base = Path(sys.base_prefix) / "bin" / "python3"
    wrapper = folder / "python3"
    wrapper.write_text(f'#!/bin/sh\nexec "{base}" "$@"\n')
    wrapper.chmod(0o755)
    return f"{folder}:{PLAIN_PATH}"
