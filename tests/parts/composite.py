"""A small runner of composite actions: steps one after another, the expressions that ours use, fresh files a step.

What it does not know it refuses, so an action that starts to use more is noticed here.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
FILES = ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")


@dataclass
class Result:
    """What a run left: exit code, log, outputs, environment and PATH for later steps, summary."""

    code: int
    log: str
    outputs: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    summary: str = ""

    @property
    def masks(self) -> list[str]:
        return [line.removeprefix("::add-mask::") for line in self.log.splitlines() if line.startswith("::add-mask::")]

    @property
    def errors(self) -> list[str]:
        return re.findall(r"(?m)^::error title=([^:,]*)", self.log)


def pairs(text: str) -> dict[str, str]:
    """Read a file of the runner's, as it does: NAME=value, or NAME<<END … END."""
    found, lines = {}, iter(text.split("\n"))
    for line in lines:
        if re.match(r"[^=]+<<", line):
            name, _, end = line.partition("<<")
            value = []
            for each in lines:
                if each == end:
                    break
                value.append(each)
            found[name] = "\n".join(value)
        elif "=" in line:
            name, _, found_value = line.partition("=")
            found[name] = found_value
        else:
            assert not line, f"the runner would refuse the line {line!r}"
    return found


@functools.cache
def read(path: Path) -> Any:
    """Return what an action.yml says; it is read once, so change nothing of it."""
    return yaml.safe_load(path.read_text())


class Cache:
    """What actions/cache keeps in a run of it by this runner: name → a copy of the folder. It knows no scopes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []

    def use(self, uses: str, given: dict[str, str]) -> dict[str, str]:
        """Do what a step of actions/cache/restore or /save does; return its outputs."""
        path, name = Path(given["path"]), given["key"]
        what = re.fullmatch(r"actions/cache/(restore|save)@[0-9a-f]{40}", uses)
        assert what, uses
        if what[1] == "save":
            if name not in self.names:
                shutil.copytree(path, self.folder / str(len(self.names)))
                self.names.append(name)
            return {}
        for key in (name, *given["restore-keys"].split("\n")):
            for number, found in reversed(list(enumerate(self.names))):
                if key and found.startswith(key):
                    shutil.copytree(self.folder / str(number), path, dirs_exist_ok=True)
                    return {"cache-matched-key": found}
        return {}


def run(folder: Path, given: dict[str, str], environ: dict[str, str], temp: Path, cache: Cache | None = None) -> Result:
    """Run the composite action in `folder` with these inputs; `cache` does the steps of actions/cache."""
    action = read(folder / "action.yml")
    assert action["runs"]["using"] == "composite"
    unknown = set(given) - set(action["inputs"])
    assert not unknown, f"unknown inputs {unknown}"
    inputs = {name: str(given.get(name, each.get("default", ""))) for name, each in action["inputs"].items()}
    outputs: dict[str, dict[str, str]] = {}
    whole = Result(0, "")

    def value(text: str) -> str:
        return EXPRESSION.sub(lambda found: lookup(found[1]), str(text))

    def lookup(path: str) -> str:
        parts = path.split(".")
        if parts[0] == "inputs" and len(parts) == 2:
            return value(inputs[parts[1]])
        if path == "github.token":
            return environ.get("TEST_TOKEN", "")
        if parts[0] == "steps" and parts[2] == "outputs":
            return outputs.get(parts[1], {}).get(".".join(parts[3:]), "")
        raise AssertionError(f"unknown expression {path}")

    for number, step in enumerate(action["runs"]["steps"]):
        condition = re.fullmatch(r"(steps\.[\w-]+\.outputs\.[\w-]+) != ''", step.get("if", ""))
        assert condition or "if" not in step, f"unknown condition {step['if']}"
        if condition and not lookup(condition[1]):
            continue
        if "uses" in step:
            assert set(step) <= {"id", "if", "uses", "with", "env", "continue-on-error"}, f"unknown keys {set(step)}"
            assert cache, "this action needs a cache"
            outputs[step.get("id", "")] = cache.use(step["uses"], {k: value(v) for k, v in step["with"].items()})
            continue
        assert set(step) <= {"id", "if", "name", "shell", "run", "env"}, f"unknown keys {set(step)}"
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an expression in a script is an injection"
        files = {name: temp / f"{number}-{name}" for name in FILES}
        for file in files.values():
            file.write_text("")
        # Unlike act, nothing of `inputs` reaches the step but by its own env.
        env = {
            **environ,
            **{f"GITHUB_{name}": str(file) for name, file in files.items()},
            "GITHUB_ACTION_PATH": str(folder),
            "RUNNER_TEMP": str(temp),
            **{name: value(each) for name, each in step.get("env", {}).items()},
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            env=env, cwd=environ["GITHUB_WORKSPACE"], capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        whole.log += done.stdout + done.stderr
        outputs[step["id"]] = pairs(files["OUTPUT"].read_text())
        whole.env |= pairs(files["ENV"].read_text())
        whole.path += files["PATH"].read_text().split()
        whole.summary += files["STEP_SUMMARY"].read_text()
        if done.returncode:
            whole.code = done.returncode
            break
    declared = {name: each["value"] for name, each in action["outputs"].items()}
    whole.outputs = {name: value(each) for name, each in declared.items()}
    used = set(re.findall(r"steps\.[\w-]+\.outputs\.([\w-]+)", json.dumps(action["runs"])))
    strange = {name for each in outputs.values() for name in each} - set(declared) - used - {"cache-matched-key"}
    assert not strange, f"outputs that action.yml does not declare: {strange}"
    return whole


def surroundings(workspace: Path, temp: Path, **more: str) -> dict[str, str]:
    """Return what a runner gives a step, and nothing of the test's own environment but where programs are."""
    kept = ("PATH", "HOME", "GOPROXY", "GOSUMDB", "GOFLAGS", "SSL_CERT_FILE", "PIP_INDEX_URL", "PIP_CERT", "LANG")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(workspace),
        "GITHUB_REPOSITORY": "acme/hello",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_REF": "refs/tags/v1.0.0",
        "GITHUB_SHA": "0" * 40,
        "RUNNER_TOOL_CACHE": str(temp / "tools"),
        **more,
    }
