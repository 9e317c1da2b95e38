"""What the actions cost beside the work they do, in act's own figures."""

import shutil

import pytest

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


def test_the_first_step_costs_three_seconds_at_most(figures, capsys):
    with capsys.disabled():
        print("\n  act's figures, ms: " + ", ".join(f"{name} {ms:.0f}" for name, ms in figures.items()))
    assert figures["first"] <= 3000


def test_later_steps_cost_300_ms_at_most(figures):
    assert min(figures[name] for name in ("second", "third", "fourth")) <= 300
