"""A push with warm caches: `goferry cache` around test and build, beside what workflows usually do.

The work of a job is to bring the caches of the commit before, vet, test, build programs and archives for every target,
and keep the caches for the next one. Each job has an empty home folder and a new checkout. The peers:

    (a) the keys of setup-go: one tar of Go's two caches for each go.sum, saved when there is none of that key
    (b) one tar of Go's two caches, the newest one restored whatever changed, and saved after each run

then `go vet`, `go test` and GoReleaser, or, where there is none on PATH, `go build` and tar for each target, which do
less. Both sides find the same Go. The floor is Go alone (vet, test, build) with everything hot. Wall is the clock, CPU
is that of the whole process tree (wait4(2)).

Give it a TMPDIR in memory, such as /dev/shm: each job begins with an empty home, and ext4 passes over inodes that
were deleted within the last minutes, so that files are made the more slowly the more of them a job before had.

    benchmarks/cache.py [--rounds N] [--commits N] [--only WORD]
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
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
GOFERRY = Path(sys.executable).with_name("goferry")
TWO = ("linux/amd64", "linux/arm64")
SIX = (*TWO, "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64")
PACKAGES = 20
AUTHOR = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false", "-c", "gc.auto=0"]
MODULE = """module example.com/bench

go 1.25.0

require (
	github.com/go-chi/chi/v5 v5.2.1
	github.com/google/uuid v1.6.0
	github.com/jackc/pgx/v5 v5.7.4
	github.com/prometheus/client_golang v1.22.0
	github.com/spf13/cobra v1.9.1
	go.uber.org/zap v1.27.0
	gopkg.in/yaml.v3 v3.0.1
)
"""
BUMPED = ("v5.2.1", "v5.2.2", "v5.2.3")
"""Versions of chi, in the order in which bumps take them: so many rounds have a go.sum that was never there."""
MAIN = """package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"gopkg.in/yaml.v3"

IMPORTS)

func main() {
	log, _ := zap.NewProduction()
	router := chi.NewRouter()
	router.Handle("/metrics", promhttp.Handler())
	root := &cobra.Command{Use: "service", RunE: func(cmd *cobra.Command, args []string) error {
		pool, err := pgxpool.New(cmd.Context(), os.Getenv("DB"))
		if err == nil {
			defer pool.Close()
		}
		out, _ := yaml.Marshal(map[string]string{"id": uuid.NewString()})
		fmt.Println(string(out), CALLS)
		return http.ListenAndServe(os.Getenv("ADDR"), router)
	}}
	if err := root.Execute(); err != nil {
		log.Fatal(err.Error())
	}
}
"""
PACKAGE = """package NAME

import (
	"fmt"
	"strings"
	"net/http"
)

const Line = 0

// Handle answers with what it was asked for.
func Handle(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, strings.ToUpper(r.URL.Path), Line) }
"""
TEST = """package NAME

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func TestHandle(t *testing.T) {
	want, err := os.ReadFile("testdata/answer")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	Handle(w, httptest.NewRequest("GET", "/a", nil))
	if !strings.HasPrefix(w.Body.String(), strings.TrimSpace(string(want))) {
		t.Fatal(w.Body.String())
	}
}
"""
GORELEASER = """version: 2
project_name: bench
builds:
  - env: [CGO_ENABLED=0]
    flags: [-trimpath]
    ldflags: ["-s -w"]
    targets: [TARGETS]
archives:
  - formats: [tar.gz]
"""


class Spent(NamedTuple):
    """What a job took: seconds of wall and CPU, bytes brought and taken away."""

    wall: float
    cpu: float
    down: int = 0
    up: int = 0


class Bench:
    """The service's repository, and the folder in which everything lies."""

    def __init__(self, base: Path) -> None:
        self.base, self.repository = base, base / "repository"
        self.number = self.jobs = 0
        self._write()
        self._sign()
        environ = {**os.environ, "GOFERRY_CACHE": str(base / "first"), "RUNNER_TOOL_CACHE": str(base / "tools")}
        argv = [str(GOFERRY), "setup-go", "--json", "--dir", str(self.repository)]
        told = subprocess.run(argv, check=True, capture_output=True, env=environ)
        self.goroot = Path(json.loads(told.stdout)["goroot"])
        self.goreleaser = shutil.which("goreleaser")

    def _write(self) -> None:
        names = [f"part{number:02}" for number in range(PACKAGES)]
        for name in names:
            folder = self.repository / name
            (folder / "testdata").mkdir(parents=True)
            (folder / f"{name}.go").write_text(PACKAGE.replace("NAME", name))
            (folder / f"{name}_test.go").write_text(TEST.replace("NAME", name))
            (folder / "testdata" / "answer").write_text("/A\n")
        imports = "".join(f'\t"example.com/bench/{name}"\n' for name in names)
        main = MAIN.replace("IMPORTS", imports).replace("CALLS", ", ".join(f"{name}.Line" for name in names))
        main = main.replace(
            "router.Handle(", "".join(f'router.Get("/{n}", {n}.Handle)\n\t' for n in names) + "router.Handle(", 1
        )
        (self.repository / "main.go").write_text(main)
        (self.repository / "go.mod").write_text(MODULE)
        (self.repository / ".gitignore").write_text("/dist/\n")
        self.git("init", "-q", "-b", "main")
        subprocess.run(["go", "mod", "tidy"], cwd=self.repository, check=True, capture_output=True)
        self.commit("first")

    def _sign(self) -> None:
        """Make the key that signs packs, and commit who is believed."""
        keys = self.base / "keys"
        subprocess.run([str(GOFERRY), "keygen", "--cache", "--out", str(keys)], check=True, capture_output=True)
        shutil.copy(keys / "goferry.cache.trust", self.repository)
        self.commit("who signs packs")

    def git(self, *words: str) -> None:
        """Run git in the repository."""
        subprocess.run(["git", *AUTHOR, *words], cwd=self.repository, check=True, capture_output=True)

    def commit(self, what: str) -> None:
        """Commit everything."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", what)

    def change_line(self) -> None:
        """Change one line of a package, another line each time, and commit."""
        self.number += 1
        file = self.repository / "part07" / "part07.go"
        lines = file.read_text().splitlines()
        lines[8] = f"const Line = {self.number}"
        file.write_text("\n".join(lines) + "\n")
        self.commit(f"line {self.number}")

    def bump(self) -> None:
        """Take the next version of a dependency, and commit."""
        file = self.repository / "go.mod"
        text = file.read_text()
        old = next(version for version in BUMPED if f"chi/v5 {version}\n" in text)
        new = BUMPED[BUMPED.index(old) + 1]
        file.write_text(text.replace(f"chi/v5 {old}\n", f"chi/v5 {new}\n"))
        subprocess.run(["go", "mod", "tidy"], cwd=self.repository, check=True, capture_output=True)
        self.commit("bump")

    def tag(self) -> None:
        """Tag the commit with the next version."""
        self.number += 1
        self.git("tag", f"v1.0.{self.number}")


class Side:
    """One way to do a job; `kept` is what it keeps between jobs."""

    def __init__(self, bench: Bench, name: str, targets: Sequence[str]) -> None:
        self.bench, self.name, self.targets = bench, name, targets
        self.kept = bench.base / f"kept-{name}-{len(targets)}"
        self.kept.mkdir()

    def job(self, *, tests_run: bool = False) -> Spent:
        """Do a job from an empty home folder, on the repository's commit."""
        home = self.bench.base / "home"
        wipe(home)
        wipe(self.bench.base / "go")
        checkout = home / "src"
        checkout.parent.mkdir()
        subprocess.run(["git", "clone", "-q", self.bench.repository, checkout], check=True)
        time.sleep(2)  # Go indexes no folder that changed within the last two seconds
        before = self._size()
        self.bench.jobs += 1
        spent = self.run(self.parts(tests_run=tests_run), checkout, home)
        down = self.brought
        return Spent(*spent, down, max(0, self._size() - before))

    def parts(self, *, tests_run: bool) -> list[str]:
        """Return the commands of a job, one after the other."""
        raise NotImplementedError

    brought = 0

    def run(self, parts: Sequence[str], checkout: Path, home: Path) -> tuple[float, float]:
        """Run the commands one after the other; return seconds of wall and CPU."""
        base = self.bench.base
        environ = {
            "HOME": str(home), "CI": "true", "BUILDKITE_JOB_ID": f"bench-{self.bench.jobs}",
            "PATH": f"{self.bench.goroot / 'bin'}:{GOFERRY.parent}:{os.environ['PATH']}",
            "GOFLAGS": "", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0",
            "GOCACHE": str(base / "go" / "build"), "GOMODCACHE": str(base / "go" / "mod"), "KEPT": str(self.kept),
            "GOFERRY_CACHE": str(home / "goferry"), "RUNNER_TOOL_CACHE": str(base / "tools"),
            **{key: os.environ[key] for key in os.environ if key in ("GOPROXY", "GOSUMDB", "GONOSUMDB", "SSL_CERT_FILE")
               or key.lower().endswith("_proxy")},
        }  # fmt: skip
        (base / "go" / "build").mkdir(parents=True)
        (base / "go" / "mod").mkdir()
        wall = cpu = 0.0
        for part in parts:
            begun = time.perf_counter()
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", part],
                cwd=checkout, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            assert process.stdout is not None
            said = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            took = time.perf_counter() - begun
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                sys.exit(f"{part} ended with {process.returncode}\n{said.decode(errors='replace')[-3000:]}")
            wall, cpu = wall + took, cpu + usage.ru_utime + usage.ru_stime
            if os.environ.get("BENCH_VERBOSE"):
                print(
                    f"  {self.name}  {took:6.2f} s  {usage.ru_utime + usage.ru_stime:6.2f} CPU-s  {part[:90]}",
                    file=sys.stderr,
                )
                if "cache" in part[:20]:
                    print(said.decode(), file=sys.stderr)
            self.heard(part, said.decode(errors="replace"))
        return wall, cpu

    def heard(self, part: str, said: str) -> None:
        """Take note of what a command said."""

    def _size(self) -> int:
        return sum(path.stat().st_size for path in self.kept.rglob("*") if path.is_file())

    def copy(self, name: str) -> Path:
        """Keep a copy of what is kept, to begin from it again."""
        copy = self.kept.with_name(f"{self.kept.name}-{name}")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.kept, copy)
        return copy

    def begin_from(self, copy: Path) -> None:
        """Have kept what was kept then."""
        shutil.rmtree(self.kept)
        shutil.copytree(copy, self.kept)


class Ours(Side):
    """Goferry: programs from signed packs alone, and tests after them, as the reusable workflow does in two jobs."""

    def parts(self, *, tests_run: bool) -> list[str]:
        """See Side."""
        targets = f"--targets {','.join(self.targets)}"
        place = f"$KEPT --json {targets}"
        listed = f"goferry cache save --to {place} --work build --list ../packs.json"
        signed = f"goferry cache sign ../packs.json --to $KEPT --key {self.bench.base / 'keys' / 'cache.key'}"
        self.brought = 0
        return [
            f"goferry cache restore --from {place} --work build --signed",
            f"goferry build -q {targets}",
            *([] if tests_run else [f"{listed} && {signed}"]),  # a tag keeps nothing: no other run could read it
            f"goferry cache restore --from {place} --work test",
            f"goferry test {'--fresh ' if tests_run else ''}-q",
            *([] if tests_run else [f"goferry cache save --to {place} --work test"]),
        ]

    def heard(self, part: str, said: str) -> None:
        """See Side."""
        if part.startswith("goferry cache restore"):
            self.brought += sum(row["bytes"] for row in json.loads(said)["packs"] if row["done"] == "restored")


class Usual(Side):
    """The usual chain (b); with `exact` the keys of setup-go (a)."""

    exact = False

    def parts(self, *, tests_run: bool) -> list[str]:
        """See Side."""
        return [*self._restore(), *self._work(tests_run=tests_run), *self._save()]

    def _restore(self) -> list[str]:
        pick = 'f=$(ls -t "$KEPT"/*.tar.zst 2>/dev/null | head -1 || true)'
        if self.exact:
            pick = "f=$KEPT/$(sha256sum <go.sum | cut -c -16).tar.zst"
        return [f'{pick}; [ ! -e "$f" ] || zstd -dcq "$f" | tar -xf - -C "$GOCACHE/.."; stat -c size=%s "$f" || true']

    def _work(self, *, tests_run: bool) -> list[str]:
        count = " -count=1" if tests_run else ""
        targets = " ".join(self.targets)
        if self.bench.goreleaser:
            names = ", ".join(f'"{target.replace("/", "_")}"' for target in self.targets)
            text = GORELEASER.replace("TARGETS", names)
            release = "release --clean --skip=publish,announce" + ("" if tests_run else " --snapshot")
            build = f"printf %s {shlex.quote(text)} >../goreleaser.yaml; goreleaser {release} -f ../goreleaser.yaml"
        else:
            build = (
                f"for t in {targets}; do d=dist/${{t%/*}}_${{t#*/}}; GOOS=${{t%/*}} GOARCH=${{t#*/}} go build "
                f'-trimpath -ldflags="-s -w" -o "$d/" . ; tar -czf "$d.tar.gz" -C "$d" .; done'
            )
        return [f"go vet ./... && go test{count} ./...", build]

    def _save(self) -> list[str]:
        name = "$(sha256sum <go.sum | cut -c -16)" if self.exact else "$(git rev-parse HEAD)-$(date +%s%N)"
        made = f'f=$KEPT/{name}.tar.zst; [ -e "$f" ] || tar -cf - -C "$GOCACHE/.." build mod | zstd -T0 -q -o "$f"'
        return [made]

    def heard(self, part: str, said: str) -> None:
        """See Side."""
        if "size=" in said and "zstd -dcq" in part:
            self.brought = int(said.partition("size=")[2].split()[0])


class SetupGo(Usual):
    """The usual chain with setup-go's keys (a)."""

    exact = True


def report(work: str, unit: str, ours: float, peer: float, goal: float, peer_name: str, **more: object) -> None:
    """Print one row."""
    ratio = round(ours / peer, 3) if peer else 0.0
    row = {"work": work, "unit": unit, "ours": round(ours, 2), "peer": round(peer, 2), "ratio": ratio, "goal": goal}
    print(json.dumps({**row, "met": ratio <= goal, "peer_name": peer_name, **more}), flush=True)


def turns(
    sides: Sequence[Side], rounds: int, change: Callable[[], None], *, tests_run: bool = False
) -> dict[str, Spent]:
    """Return the median of each side; every round begins with the same caches, and the order alternates."""
    copies = {side.name: side.copy("before") for side in sides}
    found: dict[str, list[Spent]] = {side.name: [] for side in sides}
    for number in range(rounds):
        change()
        for side in sides if number % 2 == 0 else reversed(sides):
            side.begin_from(copies[side.name])
            found[side.name].append(side.job(tests_run=tests_run))
    for side in sides:
        side.begin_from(copies[side.name])
    return {
        name: Spent(*(statistics.median(column) for column in zip(*rows, strict=True))) for name, rows in found.items()
    }


def wipe(folder: Path) -> None:
    """Remove a folder, also one in which Go left folders that may not be written."""
    subprocess.run(["chmod", "-R", "u+w", folder], check=False, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)


def floor(bench: Bench, targets: Sequence[str]) -> Spent:
    """Return what Go alone takes for one changed line, with everything hot and in its place."""
    side = Usual(bench, "floor", targets)
    home, checkout, hot = bench.base / "floor", bench.base / "floor" / "src", bench.base / "hot"
    home.mkdir()
    subprocess.run(["git", "clone", "-q", bench.repository, checkout], check=True)
    builds = [
        f'GOOS={t.partition("/")[0]} GOARCH={t.partition("/")[2]} go build -trimpath -ldflags="-s -w" -o dist/{t}/ .'
        for t in targets
    ]
    steps = [
        f"export GOCACHE={hot}/build GOMODCACHE={hot}/mod; {step}"
        for step in ("go vet ./... && go test ./...", "; ".join(builds))
    ]
    wipe(bench.base / "go")
    side.run(steps, checkout, home)
    bench.change_line()
    subprocess.run(["git", "-C", checkout, "pull", "-q"], check=True)
    wipe(bench.base / "go")
    spent = Spent(*side.run(steps, checkout, home))
    for folder in (hot, home):
        wipe(folder)
    return spent


def main() -> None:
    """Measure and print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--commits", type=int, default=30)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="goferry-bench-", ignore_cleanup_errors=True) as name:
        bench = Bench(Path(name))
        try:
            measure(bench, options)
        finally:
            wipe(Path(name))


def measure(bench: Bench, options: argparse.Namespace) -> None:
    """Measure what is asked for."""

    def wanted(word: str) -> bool:
        return not options.only or word in options.only.split(",")

    name = "tar | zstd -T0 of both caches, then " + ("GoReleaser" if bench.goreleaser else "go build and tar")
    for targets in (TWO, SIX):
        word = f"{len(targets)} targets"
        if not wanted(word.replace(" ", "-")):
            continue
        ours, usual = Ours(bench, "ours", targets), Usual(bench, "usual", targets)
        shown = {
            f"{who}_command": " && ".join(side.parts(tests_run=False))
            for who, side in (("ours", ours), ("peer", usual))
        }
        cold = {side.name: side.job() for side in (ours, usual)}
        least = floor(bench, targets)
        line = turns([ours, usual], options.rounds, bench.change_line)
        for unit, index in (("seconds of wall", 0), ("seconds of CPU", 1)):
            ours_s, usual_s = line["ours"][index], line["usual"][index]
            above = {
                "floor": round(least[index], 2),
                "ours_above": round(ours_s - least[index], 2),
                "peer_above": round(usual_s - least[index], 2),
            }
            report(
                f"one line changed, {word}", unit, ours_s, usual_s, 0.8, name, **above, **(shown if index == 0 else {})
            )
            if len(targets) == 6:
                report(
                    f"one line changed, {word}, above the floor",
                    unit,
                    above["ours_above"],
                    above["peer_above"],
                    0.5,
                    name,
                )
        if targets == TWO:
            more(bench, options, ours, usual, cold, line, name)


def more(
    bench: Bench,
    options: argparse.Namespace,
    ours: Ours,
    usual: Usual,
    cold: dict[str, Spent],
    line: dict[str, Spent],
    name: str,
) -> None:
    """Measure what is measured with two targets alone."""
    report(
        "cold build against restore and build, one line changed",
        "seconds of wall",
        line["ours"].wall,
        cold["ours"].wall,
        0.2,
        "ours, cold",
    )
    tag = turns([ours, usual], options.rounds, bench.tag, tests_run=True)
    report("nothing changed but the tag", "seconds of wall", tag["ours"].wall, tag["usual"].wall, 0.9, name)
    report("nothing changed but the tag", "seconds of CPU", tag["ours"].cpu, tag["usual"].cpu, 0.9, name)
    setup = SetupGo(bench, "setup-go", ours.targets)
    setup.job()
    bumped = turns([ours, usual, setup], min(options.rounds, len(BUMPED) - 1), bench.bump)
    report("a dependency bumped", "seconds of wall", bumped["ours"].wall, bumped["usual"].wall, 0.9, name)
    report("a dependency bumped", "seconds of CPU", bumped["ours"].cpu, bumped["usual"].cpu, 0.9, name)
    report(
        "a dependency bumped", "seconds of wall", bumped["ours"].wall, bumped["setup-go"].wall, 0.25, "setup-go's keys"
    )
    report("bytes down, one line changed", "bytes", line["ours"].down, line["usual"].down, 0.8, name)
    if options.commits:
        over_commits(bench, options.commits, ours, usual, name)


def over_commits(bench: Bench, commits: int, ours: Ours, usual: Usual, name: str) -> None:
    """Measure bytes alone, over so many commits."""
    first = ours.brought
    totals = {side.name: 0 for side in (ours, usual)}
    for _ in range(commits):
        bench.change_line()
        for side in (ours, usual):
            spent = side.job()
            totals[side.name] += spent.down + spent.up
    report(f"bytes down and up over {commits} commits", "bytes", totals["ours"], totals["usual"], 0.6, name)
    report(f"size of the packs after {commits} commits", "bytes", ours.brought, first, 1.3, "ours, after the first")


if __name__ == "__main__":
    main()
