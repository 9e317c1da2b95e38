"""What the actions cost beside the work they do, in act's own figures."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.alone
CORE = Path(__file__).resolve().parents[2] / "requirements" / "core.txt"

STEPS = """
on: push
jobs:
  cost:
    runs-on: ubuntu-latest
    steps:
      - {id: warm, uses: OURS/tests/act/nothing@v1}
      - {id: nothing, uses: OURS/tests/act/nothing@v1}
      - {id: first, uses: OURS/actions/notify@v1, with: {needs: '{"plan": {"result": "success"}}'}}
      - {id: second, uses: OURS/actions/notify@v1, with: {needs: '{"plan": {"result": "success"}}'}}
      - {id: third, uses: OURS/actions/notify@v1, with: {needs: '{"plan": {"result": "success"}}'}}
      - {id: fourth, uses: OURS/actions/notify@v1, with: {needs: '{"plan": {"result": "success"}}'}}
"""
NAMES = ("nothing", "first", "second", "third", "fourth")


@pytest.fixture(scope="module")
def figures(act, make_repository, tmp_path_factory):
    """The least of three runs, in ms, each with an empty tool cache. `notify` has nothing to say, so it does nothing."""
    repository = make_repository()
    repository.workflow(STEPS.replace("OURS", "octo-org/goferry"))
    repository.commit()
    runs = []
    for _ in range(3):
        cache = tmp_path_factory.mktemp("cache")
        run = act.run(repository, cache=cache)
        assert run.ok, run.told()
        # The step inside the composite: around it, act copies the whole repository each time, which GitHub's runner
        # does once a job.
        runs.append({name: next(iter(run["cost"][name].inner.values())).ms for name in NAMES})
        shutil.rmtree(cache)
    return {name: min(run[name] for run in runs) for name in NAMES}


def pip(*words):
    """Return what pip needs on this machine at this moment, the least of three, in ms."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-m", "pip", *words], check=True, stdout=subprocess.DEVNULL)
        times.append((time.perf_counter() - began) * 1000)
    return min(times)


# The second limit of each is for a machine on which pip itself is that slow.


def test_the_first_step_costs_three_seconds_at_most(figures, tmp_path, capsys):
    words = ["--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-compile", "--upgrade"]
    alone = pip("install", *words, "--target", tmp_path, "-r", CORE)
    with capsys.disabled():
        told = ", ".join(f"{name} {ms:.0f}" for name, ms in figures.items())
        print(f"\n  act's figures, ms: {told}; pip for the same packages {alone:.0f}")
    assert figures["first"] <= max(3000, 1.3 * alone + 300)


def test_later_steps_cost_300_ms_at_most(figures):
    assert min(figures[name] for name in ("second", "third", "fourth")) <= max(300, 0.5 * pip("--version"))
