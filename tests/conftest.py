"""What every test shares: real parts are demanded under CI=true and skipped, with the reason, elsewhere."""

import gc
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "parts"))

from hosts import (  # noqa: E402, F401
    docker_daemon,
    host_folder,
    host_image,
    shared_host,
    systemd_host,
    systemd_hosts,
)
from sampling import FULL, SEED  # noqa: E402

# The product is tried as on a person's machine, where a test says nothing else: in CI a release is compiled from nothing,
# each time. Processes that share the tests inherit what was asked for.
DEMANDED = "GOFERRY_TEST_DEMANDS_PARTS"
if os.environ.pop("CI", "") == "true":
    os.environ[DEMANDED] = "true"

# What is made while tests are collected stays until the end: looking through it for garbage takes a quarter of that time.
gc.disable()

# A shell starts what runs in its background with interrupts ignored, and children inherit that; tests that interrupt a
# program would find it deaf.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """`-n auto` is one process more than there are processors, as some tests wait."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With `-n N --dist loadfile`, the tests of one file run in one process, and all that start act in one.

    act's runs of one user share folders and names of containers, so they come one after the other.
    """
    from xdist.scheduler import LoadFileScheduling

    class Chains(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return "tests/act" if nodeid.startswith("tests/act/") else super()._split_scope(nodeid)

    return Chains(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_finish():
    """Look for garbage from now on, but not among what was collected."""
    gc.freeze()
    gc.enable()


def pytest_terminal_summary(terminalreporter):
    """Say which cases were chosen."""
    if not FULL:
        terminalreporter.write_line(f"products of cases sampled: GOFERRY_TEST_SEED={SEED}; make test-full runs all")


@pytest.fixture(scope="session")
def missing():
    """`missing("gpg")` ends the test for want of a real part; under CI=true that is a failure."""

    def end(what: str) -> None:
        if os.environ.get(DEMANDED) == "true":
            pytest.fail(f"missing real part: {what}", pytrace=False)
        pytest.skip(f"missing real part: {what} (tests/parts/install, as root on Debian)")

    return end


@pytest.fixture(scope="session")
def part(missing):
    """`part("gpg")` returns the path of a real program, or ends the test as `missing` does."""

    def find(name: str) -> str:
        found = shutil.which(name) or shutil.which(name, path=str(ROOT / "tests" / "parts" / "bin"))
        if not found:
            missing(name)
        return found

    return find


@pytest.fixture(scope="session")
def node_part(part, missing):
    """`node_part("@actions/core")` returns the folder of an npm package of tests/parts/npm, or ends the test.

    Programs run in `tests/parts/npm`, with `part("node")`, find all of them by name.
    """

    def find(name: str) -> Path:
        part("node")
        found = ROOT / "tests" / "parts" / "npm" / "node_modules" / name
        if not (found / "package.json").is_file():
            missing(f"npm package {name}")
        return found

    return find


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def fake_github():
    """A fake GitHub on loopback; see tests/fakes/github."""
    from fakes.github import FakeGitHub

    with FakeGitHub() as fake:
        yield fake
