"""Starting an action: `src/run.sh` beside the two usual ways to give an action's Python its packages.

All three get the same hash-locked set from the same index, and are timed in turn in one run as the runner sees a step:
bash, the interpreter, the packages, and the imports of an action that has nothing to do. "first" begins with nothing
installed, "later" is each further step of the job.

- venv: `python -m venv`, `pip install` into it, its Python; a later step finds the environment there and, unlike ours,
  neither looks whether its packages are the locked ones nor runs an action to its end.
- pip: `pip install --user` before each use, as a composite action without an environment does; later it is satisfied.

    benchmarks/actions.py [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "core.txt"
PYTHON = os.path.realpath(sys.executable)
WORK = "import goferry.actions.main, goferry.actions.notify"
PIP = '-m pip --disable-pip-version-check -q install $WIDE --require-hashes --no-deps -r "$LOCK"'
WAYS = {
    "goferry": 'exec bash "$ROOT/src/run.sh" notify',
    "venv": f'[ -d "$PLACE/venv" ] || {{ "$PYTHON" -m venv "$PLACE/venv" && "$PLACE/venv/bin/python" {PIP}; }}\n'
    f'PYTHONPATH="$ROOT/src" exec "$PLACE/venv/bin/python" -c "{WORK}"',
    "pip": f'export PYTHONUSERBASE="$PLACE/user" WIDE="--user --no-warn-script-location"\n"$PYTHON" {PIP}\n'
    f'PYTHONPATH="$ROOT/src" exec "$PYTHON" -c "{WORK}"',
}


def main() -> int:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    first: dict[str, list[float]] = {way: [] for way in WAYS}
    later: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="goferry-bench-") as folder:
            steps = {way: step(way, Path(folder) / way) for way in WAYS}
            for way, run in steps.items():
                first[way].append(run())
            for _ in range(5):
                for way, run in steps.items():
                    later[way].append(run())
    report(first, later)
    return 0


def step(way: str, place: Path) -> Callable[[], float]:
    """Return what runs the step once, in a job of its own, and returns its seconds."""
    workspace, files = place / "workspace", ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")
    workspace.mkdir(parents=True)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "GOFERRY_"))}
    environ |= {f"GITHUB_{name}": str(place / name) for name in files}
    environ |= {"ROOT": str(ROOT), "PLACE": str(place), "PYTHON": PYTHON, "LOCK": str(LOCK), "GOFERRY_PYTHON": PYTHON}
    environ |= {"RUNNER_TOOL_CACHE": str(place / "tools"), "XDG_CACHE_HOME": str(place / "cache")}
    environ |= {"RUNNER_TEMP": str(place), "GITHUB_WORKSPACE": str(workspace), "GITHUB_REPOSITORY": "acme/hello"}
    environ |= {"INPUT_NEEDS": '{"build":{"result":"success"}}', "INPUT_DRY_RUN": "true"}

    def run() -> float:
        for name in files:
            (place / name).write_text("")
        start = time.perf_counter()
        done = subprocess.run(["bash", "-c", WAYS[way]], env=environ, cwd=workspace, capture_output=True, check=False)
        seconds = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(f"{way}: {done.stdout.decode()}{done.stderr.decode()}")
        return seconds

    return run


def report(first: dict[str, list[float]], later: dict[str, list[float]]) -> None:
    """Print a line for each kind of step and peer; the goals are the most seconds that ours may take."""
    for kind, goal, times in (("first step of a job", 3.0, first), ("later step", 0.3, later)):
        middle = {way: statistics.median(each) for way, each in times.items()}
        ours = middle.pop("goferry")
        for name, peer in middle.items():
            line = {
                "work": f"{kind}, {os.cpu_count()} cores, seconds",
                "ours": round(ours, 3),
                "peer": round(peer, 3),
                "peer_name": name,
                "ratio": round(ours / peer, 2),
                "goal": goal,
                "met": ours <= goal,
            }
            print(json.dumps(line))


if __name__ == "__main__":
    sys.exit(main())
