import json
import re
from pathlib import Path

import pytest

from goferry.artifacts.fetching import ModulesIncomplete, ModulesUnreachable
from goferry.config import model
from goferry.gobuild import _compiler as compiler, gate
from goferry.gobuild._compiler import CompileFailed, OutOfMemory
from goferry.gobuild._index import IndexEntry, PackageIndex
from goferry.gobuild._positions import Places
from goferry.gobuild.gate import LAST, RUN, Results, TestsFailed, commands, must_run, sentence
from goferry.kernel.errors import Misuse
from goferry.system.process import Completed

NOWHERE = Places(Path("/src/shop"), Path("/src/shop"), {})


def events(*entries, places=NOWHERE, flags=()):
    results = Results(places, flags)
    for entry in entries:
        results.on_line(entry if isinstance(entry, str) else json.dumps(entry))
    return results


def of(package, action, test="", **more):
    return {"Action": action, "Package": package, **({"Test": test} if test else {}), **more}


def finished(code, errors=""):
    return Completed(("go",), code, b"", errors.encode())


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), ""),
        (("-trimpath",), "-trimpath "),
        (("-trimpath", "-tags=netgo,osusergo"), "-trimpath -tags=netgo,osusergo "),
    ],
)
def test_what_failed_is_run_again_with_the_flags_that_it_ran_with(flags, words):
    results = events(of("a", "fail", "TestX", Elapsed=0), of("a", "fail", Elapsed=0.1), flags=flags)
    with pytest.raises(TestsFailed) as caught:
        results.judge(finished(1))
    assert caught.value.advice == (f"run it again:  go test {words}-run '^(TestX)$' a",)


@pytest.mark.parametrize(
    ("snapshot", "environ", "runs"),
    [
        (True, {}, False),
        (True, {"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_NAME": "push"}, False),
        (True, {"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/pull/7/merge", "GITHUB_EVENT_NAME": "x"}, False),
        (True, {"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/tags/nightly", "GITHUB_EVENT_NAME": "push"}, True),
        (False, {"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_NAME": "push"}, True),
        (False, {}, True),
    ],
)
def test_results_of_earlier_runs_answer_for_branches_and_pull_requests_alone(found, snapshot, environ, runs):
    facts = found(snapshot=snapshot)
    assert must_run(facts, environ) is runs
    vetting, testing = commands(facts, model.Project(), answers=RUN)
    assert ("-count=1" in vetting, "-count=1" in testing) == (False, True)


@pytest.mark.parametrize(
    ("environ", "modules", "flags", "begins"),
    [
        ({}, {"m": "inner"}, "", []),
        ({"CI": "false"}, {"m": "inner"}, "", []),
        ({"CI": "true"}, {"m": "."}, "", []),
        ({"CI": "true"}, {"m": "inner"}, "", ["-skip=^"]),
        ({"GITHUB_ACTIONS": "true"}, {"m": ".", "n": "inner"}, "", ["-skip=^"]),
        ({"CI": "true"}, {"m": "inner"}, "-skip=TestSlow", ["-count=1"]),
    ],
)
def test_what_lies_outside_a_module_goes_into_the_key_of_its_results(found, tmp_path, environ, modules, flags, begins):
    def asked(text):
        (tmp_path / "word").write_text(text)
        index = PackageIndex(tmp_path, {"word": IndexEntry("0" * 40, "100644")})
        facts = found(root=tmp_path, directory=tmp_path, folder=".", modules=modules, index=index, snapshot=True)
        builds = model.Builds(env={"GOFLAGS": flags} if flags else {})
        return list(gate._lasting(facts, model.Project(builds=builds), environ))

    one, two = asked("one"), asked("two")
    assert [flag[: len(begin)] for flag, begin in zip(one, begins, strict=True)] == begins
    assert (one != two) is (begins == ["-skip=^"])
    assert asked("one") == one


def test_results_come_by_package():
    report = events(
        of("a", "run", "TestX"),
        of("a", "output", "TestX", Output="=== RUN   TestX\n"),
        of("a", "pass", "TestX", Elapsed=0.1),
        of("a", "output", Output="ok  \ta\t(cached)\n"),
        of("a", "pass", Elapsed=0.25),
        of("b", "output", Output="?   \tb\t[no test files]\n"),
        of("b", "skip", Elapsed=0),
    ).judge(finished(0))
    assert [(p.package, p.outcome, p.tests, p.cached) for p in report.packages] == [
        ("a", "pass", 1, True),
        ("b", "skip", 0, False),
    ]
    assert {name: report.as_json()[name] for name in ("tests", "tested", "cached")} == {
        "tests": 1,
        "tested": 1,
        "cached": 1,
    }
    assert sentence(report) == "1 tests passed, 1 of 1 packages cached, go vet: ok"


def test_a_failing_test_shows_its_last_lines():
    noise = [of("a", "output", "TestX", Output=f"line {number}\n") for number in range(50)]
    results = events(
        of("a", "output", "TestX", Output="=== RUN   TestX\n"),
        *noise,
        of("a", "output", "TestX", Output="    x_test.go:7: want 1, got 2\n"),
        of("a", "output", "TestX", Output="--- FAIL: TestX (0.00s)\n"),
        of("a", "fail", "TestX", Elapsed=0),
        of("a", "fail", Elapsed=0.1),
    )
    with pytest.raises(TestsFailed) as caught:
        results.judge(finished(1))
    error = caught.value
    assert (error.name, error.exit_code) == ("tests-failed", 1)
    lines = error.what.splitlines()
    assert lines[-1].strip() == "x_test.go:7: want 1, got 2"
    assert len(lines) == LAST + 1
    assert error.advice == ("run it again:  go test -run '^(TestX)$' a",)
    assert error.facts["packages"][0]["failed"] == ["TestX"]


def test_a_package_that_does_not_compile_is_a_failure_with_the_compilers_words():
    results = events(
        {"ImportPath": "a [a.test]", "Action": "build-output", "Output": "# a [a.test]\n"},
        {"ImportPath": "a [a.test]", "Action": "build-output", "Output": "./a_test.go:3:1: undefined: y\n"},
        {"ImportPath": "a [a.test]", "Action": "build-fail"},
        of("a", "output", Output="FAIL\ta [build failed]\n"),
        of("a", "fail", Elapsed=0, FailedBuild="a [a.test]"),
    )
    with pytest.raises(TestsFailed, match="undefined: y"):
        results.judge(finished(1))


def test_a_panic_outside_of_a_test_is_shown():
    results = events(of("a", "output", Output="panic: boom\n"), of("a", "fail", Elapsed=0))
    with pytest.raises(TestsFailed, match="panic: boom"):
        results.judge(finished(1))


def test_lines_that_are_no_events_do_not_end_the_run():
    report = events("not json", "[]", "3", "{}", "[" * 100_000, of("a", "pass", Elapsed=0)).judge(finished(0))
    assert "a" in [package.package for package in report.packages]


@pytest.mark.parametrize(
    ("code", "errors", "error"),
    [
        (1, "# a/b\n./main.go:7:36: undefined: x\n", CompileFailed),
        (1, "# a/b\na/b: /go/compile: signal: killed\n", OutOfMemory),
        (137, "", OutOfMemory),
        (-9, "", OutOfMemory),
        (1, "main.go:3:8: missing go.sum entry for module providing package x\n", ModulesIncomplete),
        (1, "go: inconsistent vendoring in /src\n", ModulesIncomplete),
        (1, 'go: x@v1: Get "…": dial tcp 10.0.0.1:443: i/o timeout\n', ModulesUnreachable),
    ],
)
def test_failures_of_go_have_names(code, errors, error):
    assert isinstance(compiler.failure(finished(code, errors), "linux/amd64", NOWHERE), error)


def test_incomplete_modules_are_the_users_to_mend():
    assert issubclass(ModulesIncomplete, Misuse)


@pytest.fixture
def nested(tmp_path):
    """A repository whose project is a folder of two modules, services/api and, by go.work, its neighbour libs/x."""
    for name in ("services/api/main.go", "services/api/pkg/x/x_test.go", "libs/x/x_test.go", "libs/x/go.mod"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "x_test.go").write_text("a file of the same name elsewhere")
    modules = {"example.com/api/v2": ".", "example.com/x": "../../libs/x"}
    return Places(tmp_path / "services/api", tmp_path, modules)


def test_the_compilers_words_are_kept_and_busy_packages_are_not(nested):
    words = "example.com/a\nnet/http\n# example.com/a\n./main.go:7:36: undefined: x\n"
    error = compiler.failure(finished(1, words), "linux/amd64", nested)
    assert error.what == "linux/amd64\n# example.com/a\nservices/api/main.go:7:36: undefined: x"
    assert error.facts["problems"] == [
        {"file": "services/api/main.go", "line": 7, "column": 36, "message": "undefined: x"}
    ]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (1, "vet: main.go:1:1: bad"),
        (3, "main.go:3:1: bad"),
        (200, r"main\.go:\d+:1: bad\n… and \d+ more lines"),
    ],
)
def test_of_many_complaints_whole_lines_are_shown_and_all_of_them_are_annotated(nested, lines, said):
    words = "\n".join(f"{'' if n > 1 else 'vet: '}./main.go:{n}:1: bad" for n in range(1, lines + 1))
    error = compiler.failure(finished(1, words), "", nested)
    last = error.what.split("\n")
    assert re.fullmatch(rf"(.*\n)*{said.replace('main', 'services/api/main')}", error.what)
    assert len(error.what) < 2000, "an error's words would be cut again"
    assert len(error.facts["problems"]) == lines
    assert len(last) - 1 + int(*(re.findall(r"… and (\d+) more", last[-1]) or ["1"])) == lines


def test_a_line_that_is_longer_than_what_is_shown_is_cut_with_a_sign():
    assert compiler.failure(finished(1, "x " * 2000), "", NOWHERE).what.endswith("…")


def test_modules_that_were_downloaded_stand_before_no_complaint():
    words = "go: downloading example.com/x v1.2.3\n" * 100 + "main.go:1:1: undefined: x\n"
    assert compiler.failure(finished(1, words), "", NOWHERE).what == "main.go:1:1: undefined: x"


def test_the_name_of_an_error_comes_from_all_that_go_said():
    words = "go: x@v1: some warning\n" * 100 + "go: inconsistent vendoring in /src\n"
    assert isinstance(compiler.failure(finished(1, words), "", NOWHERE), ModulesIncomplete)


def test_hostile_file_names_in_problems_can_not_drive_a_terminal(nested):
    name = "a\x1b[31m.go"
    (nested.directory / name).write_text("")
    (found,) = nested.problems(f"./{name}:7:1: bad\x1b]0;x\x07\n")
    assert "\x1b" not in found["file"] + found["message"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("./main.go:7:2: undefined: x", "services/api/main.go:7:2: undefined: x"),
        ("main.go:7:2: undefined: x", "services/api/main.go:7:2: undefined: x"),
        ("vet: pkg/x/x_test.go:3:1: lost", "vet: services/api/pkg/x/x_test.go:3:1: lost"),
        ("../../libs/x/x_test.go:3:1: lost", "libs/x/x_test.go:3:1: lost"),
        ("\t./main.go:2:1: other declaration of x", "\tservices/api/main.go:2:1: other declaration of x"),
        ("../../libs/x/go.mod:3: unknown directive: x", "libs/x/go.mod:3: unknown directive: x"),
        ("{root}/services/api/main.go:7:2: far", "services/api/main.go:7:2: far"),
        ("../../../out.go:1:1: outside", "../../../out.go:1:1: outside"),
        ("gone.go:1:1: no such file", "gone.go:1:1: no such file"),
        ("/usr/lib/go/src/fmt/print.go:1:1: not ours", "/usr/lib/go/src/fmt/print.go:1:1: not ours"),
        ("x" * 5000 + ".go:1:1: a name that no file has", None),
        ("a\0b.go:1:1: nor this", None),
        ("# example.com/api", None),
    ],
)
def test_what_the_compiler_says_is_placed_in_the_repository(nested, line, expected):
    assert nested.from_top(line.format(root=nested.root)) == (line if expected is None else expected)


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("    example.com/api/v2/pkg/x/x_test.go:12: want 1, got 2", "services/api/pkg/x/x_test.go"),
        ("        example.com/x/x_test.go:12: of the neighbour", "libs/x/x_test.go"),
        ("    {root}/services/api/pkg/x/x_test.go:12: untrimmed", "services/api/pkg/x/x_test.go"),
        ("\texample.com/api/v2/main.go:12 +0x1d", "services/api/main.go"),
        ("    x_test.go:12: a name alone is no place", ""),
        ("    example.com/other/x_test.go:12: another module", ""),
        ("    example.com/api/v2/../../x_test.go:12: crept in", "x_test.go"),
        ("    example.com/api/v2/../../../x_test.go:12: crept out", ""),
        ("\ttesting/testing.go:1974 +0x232", ""),
        ("example.com/api/v2/main.go:1: said by a program", ""),
    ],
)
def test_what_a_test_says_is_placed_in_its_own_file(nested, line, file):
    found = nested.failures([line.format(root=nested.root)], "TestX")
    assert [each["file"] for each in found] == ([file] if file else [])
    assert all(each["line"] == 12 for each in found)


def test_a_failing_test_of_a_nested_module_shows_its_place_and_how_to_run_it_again(nested):
    package = "example.com/api/v2/pkg/x"
    results = events(
        of(package, "output", "TestX", Output=f"    {package}/x_test.go:7: want 1, got 2\n"),
        of(package, "output", "TestX", Output="\tError Trace:\texample.com/x/x_test.go:9\n"),
        of(package, "fail", "TestX", Elapsed=0),
        of(package, "fail", Elapsed=0.1),
        places=nested,
    )
    with pytest.raises(TestsFailed) as caught:
        results.judge(finished(1))
    error = caught.value
    assert error.what.splitlines()[1:] == [
        "      services/api/pkg/x/x_test.go:7: want 1, got 2",
        "  \tError Trace:\tlibs/x/x_test.go:9",
    ]
    assert error.facts["problems"] == [
        {"file": "services/api/pkg/x/x_test.go", "line": 7, "column": 0, "message": "TestX: want 1, got 2"}
    ]
    assert error.advice == (f"run it again:  go test -C services/api -run '^(TestX)$' {package}",)


def test_a_panic_is_placed_at_its_first_frame_in_the_repository(nested):
    stack = [
        "panic: boom",
        "\ttesting/testing.go:1974 +0x232",
        "\truntime/panic.go:860 +0x13a",
        "\texample.com/x/x_test.go:4",
        "\texample.com/api/v2/pkg/x/x_test.go:5 +0x28",
    ]
    assert nested.failures(stack, "TestX") == [
        {"file": "libs/x/x_test.go", "line": 4, "column": 0, "message": "TestX panicked here"}
    ]
