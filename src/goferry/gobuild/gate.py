"""The gate before every build: `go vet`, then `go test`, with results a package (go doc cmd/test2json).

Both run with CGO_ENABLED=0 as the build does, so that what was tested is what ships; `builds.env` may say otherwise.
Vetting is not done twice: the tests run with `-vet=off`. Both run with -trimpath as the build does, so that the build
finds its packages compiled; tests that locate files by their own source's path run without (gobuild.runtime_caller).
With -trimpath `runtime.GOROOT()` is empty, so tests get GOROOT, as many start `GOROOT/bin/go` (go doc runtime.GOROOT).

Go answers with the result of an earlier run where nothing that a package's tests read has changed. For a release, and
for what a tag's run tests, they run all the same (`-count=1`, go help test): such a result may come from another job.
On a CI system's other runs the files that tests open get times that stand for their content (gobuild.mtimes).
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import msgspec
from msgspec import Struct

from goferry.artifacts import Toolchain
from goferry.artifacts.native import host
from goferry.caches import ci_job
from goferry.caches.warm import Warm
from goferry.config import model
from goferry.config.context import Context
from goferry.gobuild import (
    _compiler as compiler,
    _mtimes as mtimes,
    _parallelism as parallelism,
    _runtime_caller as runtime_caller,
    cache_slots,
    environment,
    resources,
)
from goferry.gobuild._positions import Places, Problem
from goferry.gobuild.facts import Facts
from goferry.gobuild.targets import BuildTarget
from goferry.gobuild.trigger import Trigger
from goferry.kernel.errors import Failed
from goferry.observe.events import Stream
from goferry.system import process

LAST = 20
"""How many of its last lines a failing test shows."""

KIND = "test"
"""What the build caches call this work."""

RUN = ("-count=1",)
"""The flags with which no result of an earlier run answers (go help test)."""

_NOISE = re.compile(r"\s*(=== (RUN|PAUSE|CONT|NAME)|--- (PASS|FAIL|SKIP)|PASS$|FAIL$|FAIL\t|ok  \t|exit status \d+$)")


class VetFailed(Failed):
    """`go vet` found something suspicious, or the source does not compile.

    Usual causes: a format string that does not match its arguments, a copied lock, or an unfinished change.
    """

    name = "vet-failed"


class TestsFailed(Failed):
    """`go test` failed.

    Usual causes: a failing test, whose last lines are shown.
    """

    name = "tests-failed"
    __test__ = False


@dataclass
class Package:
    """One package's result.

    Attributes:
        package: its import path. outcome: `pass`, `fail`, or `skip` (no tests).
        seconds: how long its tests took. cached: go had the result of the same run already.
        tests: how many ran, subtests included. failed: names of those that failed.
        output: the last lines of what failed.
    """

    package: str
    outcome: str = ""
    seconds: float = 0.0
    cached: bool = False
    tests: int = 0
    failed: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """What the gate found: results by package; everything passed, or there would have been an error."""

    packages: tuple[Package, ...]

    @property
    def tests(self) -> int:
        """How many tests passed, subtests included."""
        return sum(package.tests for package in self.packages)

    @property
    def tested(self) -> int:
        """How many packages have tests."""
        return sum(package.tests > 0 for package in self.packages)

    @property
    def cached(self) -> int:
        """How many of those Go had the result of already."""
        return sum(package.cached and package.tests > 0 for package in self.packages)

    @property
    def counts(self) -> dict[str, int]:
        """The counts for `--json`."""
        return {"tests": self.tests, "tested": self.tested, "cached": self.cached}

    def as_json(self) -> dict[str, object]:
        """Return counts and packages for `--json`."""
        return {
            **self.counts,
            "packages": [asdict(package) for package in self.packages],
        }


def test(
    ctx: Context,
    facts: Facts,
    config: model.Project,
    toolchain: Toolchain,
    *,
    fresh: bool = False,  # noqa: PT028  this is a stage and no test
) -> Report:
    """Run `go vet` and `go test` over every package of the project.

    With `fresh`, and where `must_run` says so, no result of an earlier run answers.

    Raises:
        VetFailed: `go vet` found something suspicious, or the source does not compile.
        TestsFailed: `go test` failed.
        OutOfMemory: the compiler ran out of memory and was killed, also when it ran alone.
        Those of artifacts.fetching: go could not get a module.
    """
    environ = {
        "CGO_ENABLED": "0",
        **(facts.environ or environment.clean(ctx.settings.environ, toolchain, facts.directory)),
        **config.builds.env,
    }
    warm = Warm(ctx.settings.cache, facts.directory)
    warm.doubt()  # tests may write where they like, and a release is compiled from nothing of it
    ci_job.doubt(ctx.settings.cache)
    warm.forget(KIND)
    try:
        with warm.working(
            cache_slots.of_target(toolchain.version, BuildTarget(*host()), config.builds), KIND
        ) as working:
            fresh = fresh or must_run(facts, ctx.settings.environ)
            answers = RUN if fresh else _lasting(facts, config, ctx.settings.environ)
            report = _tested(facts, config, toolchain, {**environ, **working.environ}, ctx.stream, answers)
            working.whole = True
    finally:
        warm.doubt()  # marks are files, which tests may write as well
        ci_job.doubt(ctx.settings.cache)
    warm.keep(KIND, [working])
    return report


def must_run(facts: Facts, environ: Mapping[str, str]) -> bool:
    """Tell whether tests run although Go has their results: of a release, and in a tag's run."""
    return not facts.snapshot or bool(Trigger.from_environ(environ).tag)


def _lasting(facts: Facts, config: model.Project, environ: Mapping[str, str]) -> Sequence[str]:
    """Have results of tests last over checkouts, in CI; return the flags that keep apart what Go would take for one.

    Go looks again at the files that a test opened, but for those outside its own module (cmd/go/internal/test/test.go,
    computeTestInputsID). So what lies outside goes into what it keys a result on: the name of a test to leave out,
    which none has. Where that flag is somebody else's already, tests run.
    """
    if not ci_job.running(environ) or not facts.index:
        return []
    times = mtimes.derive(facts.index.root, facts.index.entries)
    folders = [posixpath.normpath(f"{facts.folder}/{folder}") for folder in facts.modules.values()]
    within = [f"{folder}/" for folder in folders if folder != "."]
    outside = {name: time for name, time in times.items() if not all(name.startswith(each) for each in within)}
    if not outside:
        return []
    if "skip=" in config.builds.env.get("GOFLAGS", ""):
        return RUN
    return [f"-skip=^{hashlib.sha256(json.dumps(outside, sort_keys=True).encode()).hexdigest()}$"]


def _tested(
    facts: Facts,
    config: model.Project,
    toolchain: Toolchain,
    environ: Mapping[str, str],
    stream: Stream,
    answers: Sequence[str],
) -> Report:
    trimmed = not runtime_caller.asked_for(facts, config, toolchain, environ)
    vetting, testing = commands(facts, config, trimmed=trimmed, answers=answers)
    (alone,) = parallelism.choose(1, resources.read())
    places = Places(facts.directory, facts.root, facts.modules)

    def go(
        words: Sequence[str], more: Mapping[str, str], on_output: Callable[[str], None] | None = None
    ) -> process.Completed:
        argv = [str(toolchain.go), *words[1:]]
        return process.run(argv, environ={**environ, **more}, cwd=facts.directory, on_output=on_output)

    with stream.span("vet"):
        vetted = go(vetting, alone.env)
        if vetted.code and places.strangers(vetted.errors):
            # With -trimpath go replays what it said of the same source in another folder, with that folder's paths.
            vetted = go([word for word in vetting if word != "-trimpath"], alone.env)
        _judge_vet(vetted, places)
    with stream.span("test") as span:
        results = Results(places, [word for word in testing if word == "-trimpath" or word.startswith("-tags=")])

        def on_line(line: str) -> None:
            if results.on_line(line):
                span.progress(f"{len(results.finished)} packages tested, {results.tests} tests")

        done = go(testing, {"GOROOT": str(toolchain.goroot)} if trimmed else {}, on_line)
        report = results.judge(done)
        span.numbers.update(packages=len(report.packages), tests=results.tests, cached=report.cached)
    return report


def commands(
    facts: Facts, config: model.Project, *, trimmed: bool = True, answers: Sequence[str] = ()
) -> tuple[list[str], list[str]]:
    """Return the two commands of the gate.

    `trimmed`: the tests bear -trimpath. `answers`: flags that decide which results of earlier runs answer.
    """
    tags = environment.tag_flags(config.builds)
    trim = ["-trimpath"] if trimmed else []
    testing = ["go", "test", "-json", "-vet=off", "-fullpath", *answers, *trim, *tags, *facts.patterns]
    return ["go", "vet", "-trimpath", *tags, *facts.patterns], testing


def lines(report: Report) -> list[str]:
    """Return the report for a person: a line a package that has tests, and the sum."""
    parts = []
    for package in report.packages:
        if package.tests:
            how = "cached" if package.cached else f"{package.seconds:.1f} s"
            parts.append(f"  {package.package}  {package.tests} tests  {how}")
    return [*parts, sentence(report)]


def sentence(report: Report) -> str:
    """Return the sum: how many tests passed, and of how many packages an earlier run answered."""
    cached = f", {report.cached} of {report.tested} packages cached" if report.cached else ""
    return f"{report.tests} tests passed{cached}, go vet: ok"


def _judge_vet(done: process.Completed, places: Places) -> None:
    if not done.code:
        return
    error = compiler.failure(done, "", places)
    if not isinstance(error, compiler.CompileFailed):
        raise error
    raise VetFailed(
        error.what,
        state="Nothing was built.",
        advice=[f"see it again:  go vet {places.chdir}./..."],
        problems=error.facts["problems"],
    )


class _Event(Struct, frozen=True, rename="pascal"):
    """A line of `go test -json` (`go doc test2json`); `elapsed` is in seconds."""

    action: str = ""
    package: str = ""
    test: str = ""
    output: str = ""
    elapsed: float = 0.0


class Results:
    """Collects the events of `go test -json`, a line each."""

    def __init__(self, places: Places, flags: Sequence[str] = ()) -> None:
        """`flags` are those without which a test may not fail alike."""
        self.places = places
        self.flags = "".join(f"{shlex.quote(flag)} " for flag in flags)
        self.packages: dict[str, Package] = {}
        self.finished: set[str] = set()
        self.tests = 0
        self.problems: list[Problem] = []
        self._outputs: dict[tuple[str, str], list[str]] = {}
        self._build: list[str] = []

    def on_line(self, line: str) -> bool:
        """Take one line; tell whether it ended a package. Lines that are not events are go's own words."""
        try:
            found = json.loads(line)  # not into _Event at once: what is JSON, but no event, is not go's own words
        except (ValueError, RecursionError):
            self._build.append(line)
            return False
        try:
            event = msgspec.convert(found, _Event)
        except msgspec.ValidationError:
            return False
        if event.action in ("build-output", "build-fail"):
            self._build.append(event.output.rstrip("\n"))
            return False
        package = self.packages.setdefault(event.package, Package(event.package))
        if event.action == "output":
            self._note_output(package, event.test, event.output)
        elif event.action in ("pass", "fail", "skip"):
            return self._end(package, event.test, event.action, event.elapsed)
        return False

    def judge(self, done: process.Completed) -> Report:
        """Return the report of a run that passed.

        Raises:
            TestsFailed: with the last lines of each failing test, or of a package that does not compile.
        """
        report = Report(tuple(self.packages[name] for name in sorted(self.packages)))
        failing = [package for package in report.packages if package.outcome == "fail"]
        if not done.code and not failing:
            return report
        messages = "\n".join([*self._build, done.errors]).strip()
        if not failing or compiler.killed(done):
            stand_in = process.Completed(done.argv, done.code, b"", messages.encode())
            error = compiler.failure(stand_in, "", self.places)
            if not isinstance(error, compiler.CompileFailed):
                raise error
        chdir, flags = self.places.chdir, self.flags
        first = f"go test {chdir}{flags}-run '{_pattern(failing)}' {failing[0].package}" if failing else ""
        raise TestsFailed(
            "\n".join(_report(failing, self.places.from_top(messages))),
            state="Nothing was built.",
            advice=[f"run it again:  {first}"] if first else [],
            problems=self.problems or self.places.problems(messages),
            **report.as_json(),
        )

    def _note_output(self, package: Package, test: str, text: str) -> None:
        line = text.rstrip("\n")
        if not test and "\t(cached)" in line:
            package.cached = True
        if line and not _NOISE.match(line):
            self._outputs.setdefault((package.package, test), []).append(line)

    def _end(self, package: Package, test: str, action: str, elapsed: float) -> bool:
        if test:
            package.tests += 1
            self.tests += 1
            if action == "fail":
                package.failed.append(test)
                package.output += self._tested(package, test)
            return False
        package.outcome, package.seconds = action, elapsed
        if action == "fail" and not package.failed:
            built = [self.places.from_top(line) for line in self._build[-LAST:]]
            self.problems += self.places.problems("\n".join(self._build))
            package.output += [*built, *self._tested(package, "")]
        self.finished.add(package.package)
        return True

    def _tested(self, package: Package, test: str) -> list[str]:
        """Note the places that a failing test complains about, and return its last lines."""
        lines = self._outputs.get((package.package, test), [])
        self.problems += self.places.failures(lines, test or package.package)
        return [self.places.tested(line) for line in lines[-LAST:]]


def _report(failing: Sequence[Package], messages: str) -> list[str]:
    lines: list[str] = []
    for package in failing:
        tests = ", ".join(package.failed) or "the package"
        lines.append(f"{package.package}: {tests} failed")
        lines += [f"  {line}" for line in package.output[-2 * LAST :]]
    return lines or [messages or "go test failed without a word"]


def _pattern(failing: Sequence[Package]) -> str:
    names = dict.fromkeys(name.split("/")[0] for name in failing[0].failed)
    return "^(" + "|".join(names) + ")$" if names else "."
