"""The action setup-go: which Go it says, and which Go the next steps run, Goferry's and others."""

import io
import os
import subprocess

import pytest

from goferry.actions import setup_go as action
from goferry.config.context import Context
from goferry.golang import GoRequest, setup_go
from goferry.golang._resolve import GoVersionTooLow
from goferry.observe.events import Stream
from goferry.runner.job import Job

SWITCHES = b'#!/bin/sh\nversion=%s\n[ "$GOTOOLCHAIN" = local ] || version=${GO_SWITCHES_TO:-$version}\n'
SAYS = b'[ "$version" != broken ] || { echo "go: download go1.30 for linux/amd64: toolchain not available" >&2; exit 1; }\n'
SAYS += b'echo "go version go$version linux/amd64"\n'


class Steps:
    """A job whose steps share the environment as the runner's files say."""

    def __init__(self, world):
        self.world, self.environ, self.log = world, {}, ""
        self.folder = world.folder / "repo"
        (self.folder / ".git").mkdir(parents=True)

    def publish(self, *versions):
        for version in versions:
            self.world.publish(version, {**self.world.files, "bin/go": SWITCHES % version.encode() + SAYS})

    def setup_go(self, **given):
        files = {name: self.world.folder / name for name in ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        environ = {**self.world.settings().environ, "PATH": os.environ["PATH"], **self.environ}
        environ |= {"GOFERRY_CACHE": str(self.world.folder / "cache"), "GITHUB_WORKSPACE": str(self.folder)}
        environ |= {"RUNNER_TEMP": str(self.world.folder / "temp")}
        environ |= {f"GITHUB_{name}": str(file) for name, file in files.items()}
        environ |= {f"INPUT_{name.upper()}": value for name, value in given.items()}
        out = io.StringIO()
        outputs = action.run(Job.from_environ(environ, out, action="setup-go"))
        self.log = out.getvalue()
        entries = files["ENV"].read_text().split("\n")
        self.environ |= {entries[at].partition("<<")[0]: entries[at + 1] for at in range(0, len(entries) - 1, 3)}
        self.environ["PATH"] = files["PATH"].read_text().strip() + os.pathsep + os.environ["PATH"]
        return outputs

    def go_version(self):
        environ = {**self.world.settings().environ, **self.environ}
        done = subprocess.run(
            ["go", "version"], env=environ, cwd=self.folder, capture_output=True, text=True, check=True
        )
        return done.stdout.split()[2].removeprefix("go")

    def stage(self, version=""):
        """The Go of a stage of Goferry's in the same job."""
        settings = self.world.settings(**{name: self.environ[name] for name in self.environ if name.startswith("GO")})
        return setup_go(Context(settings, Stream()), GoRequest(self.folder, version))


@pytest.fixture
def steps(world):
    return Steps(world)


@pytest.mark.parametrize("asked", ["1.24.9", "1.25.4"])
def test_a_matrix_of_versions_runs_each_in_every_step(steps, asked):
    """A toolchain line would have go switch to 1.27.3, whatever was asked for."""
    steps.publish("1.24.9", "1.25.4", "1.27.3")
    (steps.folder / "go.mod").write_text("module m\n\ngo 1.24\n\ntoolchain go1.27.3\n")
    steps.environ["GO_SWITCHES_TO"] = "1.27.3"
    assert steps.setup_go(go_version=asked)["go-version"] == asked == steps.go_version()
    found = steps.stage()
    assert (found.version, found.proof) == (asked, "checksum-database")
    assert steps.stage("1.27.3").version == "1.27.3", "but for one that asks for itself"
    assert steps.environ["GOTOOLCHAIN"] == "local"


def test_a_version_of_goferry_yml_is_asked_for_as_well(steps):
    steps.publish("1.25.4", "1.27.3")
    (steps.folder / "go.mod").write_text("module m\n\ngo 1.24\n\ntoolchain go1.27.3\n")
    (steps.folder / "goferry.yml").write_text("go: {version: '1.25'}\n")
    steps.environ["GO_SWITCHES_TO"] = "1.27.3"
    assert steps.setup_go()["go-version"] == "1.25.4" == steps.go_version()
    assert steps.environ["GOFERRY_GO"] == "1.25.4 configured"


def test_a_version_from_files_leaves_switching_on_and_says_what_runs(steps):
    steps.publish("1.25.4", "1.27.3")
    (steps.folder / "go.mod").write_text("module m\n\ngo 1.25\n")
    assert steps.setup_go()["go-version"] == "1.25.4" == steps.go_version() == steps.stage().version
    assert "GOTOOLCHAIN" not in steps.environ
    steps.environ["GO_SWITCHES_TO"] = "1.27.3"
    found = steps.setup_go()
    assert found["go-version"] == "1.27.3" == steps.go_version()
    assert found["proof"] == "unproven", "nobody proved what go brought by itself"
    assert "::warning title=go-switches" in steps.log
    assert steps.stage().version == "1.25.4"
    steps.environ["GO_SWITCHES_TO"] = "broken"
    assert steps.setup_go()["go-version"] == "1.25.4"
    assert "toolchain not available" in steps.log


def test_the_last_setup_go_of_a_job_counts(steps):
    steps.publish("1.24.9", "1.25.4")
    (steps.folder / "go.mod").write_text("module m\n\ngo 1.25\n")
    other = steps.folder / "old"
    other.mkdir()
    (other / "go.mod").write_text("module old\n\ngo 1.24\n")
    steps.setup_go(go_version="1.24.9", working_directory="old")
    assert steps.setup_go()["go-version"] == "1.25.4" == steps.stage().version
    assert steps.environ["GOTOOLCHAIN"] == "auto", "the step before had switched it off"


def test_a_setting_of_the_jobs_own_stays(steps):
    steps.publish("1.25.4")
    (steps.folder / "go.mod").write_text("module m\n\ngo 1.25\n")
    steps.environ["GOTOOLCHAIN"] = "local"
    for _ in range(2):
        steps.setup_go()
        assert steps.environ["GOTOOLCHAIN"] == "local"


def test_a_goroot_of_another_go_is_replaced(steps):
    steps.publish("1.25.4")
    steps.environ["GOROOT"] = "/opt/another/go"
    assert steps.setup_go(go_version="1.25.4")["goroot"] == steps.environ["GOROOT"]


@pytest.mark.parametrize("dry", ["true", "false"])
def test_a_version_below_the_modules_line_fails_at_once(steps, dry):
    steps.publish("1.24.9")
    (steps.folder / "go.mod").write_text("module m\n\ngo 1.25\n")
    with pytest.raises(GoVersionTooLow, match=r"go\.mod requires go >= 1\.25, and Go 1\.24\.9 would be used"):
        steps.setup_go(go_version="1.24", dry_run=dry)
    assert not (steps.world.folder / "cache" / "toolchains").exists()
