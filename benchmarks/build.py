"""Building several programs for several targets: `goferry build` beside plain `go build`, each with an empty cache.

The peer is what a script does by hand: one `go build` for each program and target, one after another, then one tar.gz
for each target. Both get the same source (made here, standard library only), the same flags, the same machine, and are
timed in one run, ours and the peer's in turn.

    benchmarks/build.py [--targets N] [--mains N] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from goferry.artifacts import Toolchain
from goferry.config import model
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.gobuild import build_plan, executor, facts, resources
from goferry.observe.events import Stream

TARGETS = ["linux/amd64", "linux/arm64", "windows/amd64", "darwin/arm64"]
VERSION = "v1.2.3"
MAIN = """package main

import (
	"fmt"
	"net/http"
	"os"
)

var version = "dev"

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, version, "NAME") })
	fmt.Println(http.ListenAndServe(os.Getenv("ADDR"), nil))
}
"""


def main() -> None:
    """Measure and print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=2)
    parser.add_argument("--mains", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    targets = TARGETS[: options.targets]
    with tempfile.TemporaryDirectory(prefix="goferry-bench-") as name:
        bench = Bench(Path(name), targets, options.mains)
        work = f"{options.mains} programs for {len(targets)} targets"
        ways: dict[str, Callable[[Path], None]] = {"ours": bench.ours, "go build": bench.plain}
        for label, warm in (("empty cache", False), ("only the version changed", True)):
            times = bench.measure(ways, options.rounds, warm=warm)
            report(f"{work}, {label}", times["ours"], times["go build"], "go build", 1.0 if warm else 1.2)


def report(work: str, ours: float, peer: float, name: str, goal: float) -> None:
    """Print one result; the ratio is how many times faster ours is."""
    ratio = round(peer / ours, 2)
    record = {"work": work, "ours": round(ours, 2), "peer": round(peer, 2), "peer_name": name, "ratio": ratio}
    print(json.dumps({**record, "goal": goal, "met": ratio >= goal}), flush=True)


class Bench:
    """One source tree and the ways to build it; each way has caches of its own."""

    def __init__(self, base: Path, targets: list[str], mains: int) -> None:
        self.base, self.targets = base, targets
        self.programs = [f"app{number}" for number in range(mains)]
        self.source = base / "src"
        self.number = 0
        self._write()
        found = subprocess.run(["go", "env", "GOROOT", "GOVERSION"], check=True, capture_output=True, text=True)
        root, version = found.stdout.split()[:2]
        self.toolchain = Toolchain(version.removeprefix("go"), Path(root), "machine", "unproven")

    def measure(self, ways: dict[str, Callable[[Path], None]], rounds: int, *, warm: bool) -> dict[str, float]:
        """Return the median seconds of each way; `warm` keeps its cache from the rounds before."""
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            self.number += 1
            for name, way in ways.items():
                cache = self.base / f"cache-{name.replace(' ', '-')}"
                if not warm:
                    shutil.rmtree(cache, ignore_errors=True)
                begun = time.perf_counter()
                way(cache)
                times[name].append(time.perf_counter() - begun)
        return {name: statistics.median(values) for name, values in times.items()}

    def ours(self, cache: Path) -> None:
        """Look, plan and build, as `goferry build` does."""
        settings = Settings(self._environ(cache), self.base / "goferry")
        config = model.Project()
        found = facts.inspect_repository(
            self.source, self.toolchain, settings, config, wanted=self._version, asked=self.targets
        )
        made = build_plan.plan(found, config, resources.read())
        shutil.rmtree(self.base / "ours", ignore_errors=True)
        executor.build(Context(settings, Stream()), made, self.toolchain, self.base / "ours")

    def plain(self, cache: Path) -> None:
        """Run one `go build` after another, then pack."""
        out = self.base / "plain"
        shutil.rmtree(out, ignore_errors=True)
        for target in self.targets:
            goos, goarch = target.split("/")
            environ = {**self._environ(cache), "GOOS": goos, "GOARCH": goarch, "CGO_ENABLED": "0"}
            folder = out / f"{goos}_{goarch}"
            folder.mkdir(parents=True)
            for program in self.programs:
                flags = f"-ldflags=-s -w -X main.version={self._version}"
                argv = [
                    "go",
                    "build",
                    "-trimpath",
                    "-buildvcs=false",
                    flags,
                    "-o",
                    str(folder / program),
                    f"./cmd/{program}",
                ]
                subprocess.run(argv, cwd=self.source, env=environ, check=True)
            with tarfile.open(out / f"{goos}_{goarch}.tar.gz", "w:gz") as tar:
                tar.add(folder, arcname=".")

    @property
    def _version(self) -> str:
        return f"v1.2.{self.number}"

    def _environ(self, cache: Path) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("GO", "CGO"))}
        return {**kept, "GOCACHE": str(cache), "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local"}

    def _write(self) -> None:
        for program in self.programs:
            folder = self.source / "cmd" / program
            folder.mkdir(parents=True)
            (folder / "main.go").write_text(MAIN.replace("NAME", program))
        (self.source / "go.mod").write_text("module example.com/bench\n\ngo 1.21\n")
        author = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        for words in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "first"]):
            subprocess.run(["git", *words], cwd=self.source, check=True)


if __name__ == "__main__":
    main()
