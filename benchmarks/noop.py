"""A build with nothing to do, and one after a line changed: `goferry build` beside `go build`, in CPU time.

The peer is one `go build` with the same flags for each target. CPU time is user and system time of the whole process
tree (wait4(2)), the median of rounds in which both ways take turns: other work on the machine disturbs it less than a
clock. A module of one's own may be named, otherwise one is made here.

    benchmarks/noop.py [--dir DIR] [--targets GOOS/GOARCH,…] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOFERRY = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); "]
GOFERRY[-1] += "from goferry.__main__ import script; script()"
MAIN = """package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() { fmt.Println(http.ListenAndServe(os.Getenv("ADDR"), nil)) }
"""


def main() -> None:
    """Measure and print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--targets", default="linux/amd64")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="goferry-bench-") as name:
        source, targets = Path(name) / "src", options.targets.split(",")
        if options.dir:
            shutil.copytree(options.dir, source, symlinks=True, ignore=shutil.ignore_patterns("dist"))
        else:
            make(source)
        ways = {"ours": ours(source, targets), "peer": peer(source, targets, Path(name) / "out")}
        for way in ways.values():  # fills both caches
            way()
        file = next(path for path in sorted(source.rglob("*.go")) if "package main" in path.read_text("utf-8"))
        idle = measure(ways, options.rounds, lambda: None)
        report("nothing changed", idle, factor=1.0, allowance=0.25, targets=targets)
        changed = measure(ways, options.rounds, lambda: touch(file))
        report("one line changed", changed, factor=1.05, allowance=0.5, targets=targets)


def report(work: str, seconds: dict[str, float], *, factor: float, allowance: float, targets: Sequence[str]) -> None:
    """Print one result; the goal is the peer's CPU seconds times a factor, and an allowance."""
    goal = seconds["peer"] * factor + allowance
    record = {"work": f"{work}, {len(targets)} target(s)", "unit": "CPU seconds", "goal": round(goal, 3)}
    record |= {name: round(value, 3) for name, value in seconds.items()}
    record |= {"met": seconds["ours"] <= goal, "peer_name": "go build"}
    commands = {"ours_command": f"goferry build --targets {','.join(targets)}", "peer_command": shlex.join(BUILD)}
    print(json.dumps({**record, **commands}), flush=True)


BUILD = ["go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w", "-o", "OUT/", "./..."]


def measure(ways: dict[str, Callable[[], float]], rounds: int, before: Callable[[], None]) -> dict[str, float]:
    """Return the median of each way; `before` is done before each run, so that both find the same."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            before()
            found[name].append(way())
    return {name: statistics.median(values) for name, values in found.items()}


def ours(source: Path, targets: Sequence[str]) -> Callable[[], float]:
    """Return a run of `goferry build` that gives its CPU seconds."""
    argv = [*GOFERRY, "build", "-q", "--dir", str(source), "--targets", ",".join(targets)]
    return lambda: spent(argv, source, dict(os.environ))


def peer(source: Path, targets: Sequence[str], out: Path) -> Callable[[], float]:
    """Return a run of one `go build` for each target, with the Go that Goferry takes, that gives its CPU seconds."""
    found = [*GOFERRY, "setup-go", "--json", "--dir", str(source)]
    told = json.loads(subprocess.run(found, check=True, capture_output=True, text=True).stdout)
    environ = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local"}

    def build() -> float:
        seconds = 0.0
        for target in targets:
            goos, goarch = target.split("/")[:2]
            argv = [str(Path(told["goroot"]) / "bin" / "go"), *BUILD[1:]]
            argv[argv.index("OUT/")] = f"{out}/{goos}_{goarch}/"
            seconds += spent(argv, source, {**environ, "GOOS": goos, "GOARCH": goarch})
        return seconds

    return build


def spent(argv: Sequence[str], folder: Path, environ: dict[str, str]) -> float:
    """Run a program to its end and return the CPU seconds of it and of all that it started and waited for."""
    process = subprocess.Popen(argv, cwd=folder, env=environ, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{shlex.join(argv)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def touch(file: Path) -> None:
    """Change one line of a source file: another constant each time."""
    text, mark = file.read_text("utf-8"), "\nconst benchLine = "
    before, _, number = text.partition(mark)
    file.write_text(f"{before.rstrip()}\n{mark}{int(number or 0) + 1}\n", "utf-8")


def make(source: Path) -> None:
    """Write a small service into a repository of its own."""
    source.mkdir()
    (source / "main.go").write_text(MAIN)
    (source / "go.mod").write_text("module example.com/bench\n\ngo 1.25.0\n")
    author = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=source, check=True)


if __name__ == "__main__":
    main()
