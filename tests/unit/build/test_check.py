import json

import pytest

from goferry.build import compiler
from goferry.build.check import LAST, Results, TestsFailed
from goferry.build.compiler import CompileFailed, ModulesIncomplete, ModulesUnreachable, OutOfMemory
from goferry.kernel.errors import Misuse
from goferry.system.process import Completed


def events(*entries):
    results = Results()
    for entry in entries:
        results.hear(entry if isinstance(entry, str) else json.dumps(entry))
    return results


def of(package, action, test="", **more):
    return {"Action": action, "Package": package, **({"Test": test} if test else {}), **more}


def finished(code, errors=""):
    return Completed(("go",), code, b"", errors.encode())


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
    assert report.as_json()["tests"] == 1


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
    report = events("not json", "[]", "3", "{}", of("a", "pass", Elapsed=0)).judge(finished(0))
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
    assert isinstance(compiler.failure(finished(code, errors), "linux/amd64"), error)


def test_incomplete_modules_are_the_users_to_mend():
    assert issubclass(ModulesIncomplete, Misuse)


def test_the_compilers_words_are_kept_and_busy_packages_are_not():
    error = compiler.failure(
        finished(1, "example.com/a\nnet/http\n# example.com/a\n./main.go:7:36: undefined: x\n"), "linux/amd64"
    )
    assert error.what == "linux/amd64\n# example.com/a\n./main.go:7:36: undefined: x"
    assert error.facts["problems"] == [{"file": "./main.go", "line": 7, "column": 36, "message": "undefined: x"}]


def test_hostile_file_names_in_problems_can_not_drive_a_terminal():
    (found,) = compiler.problems("./a\x1b[31m.go:7:1: bad\x1b]0;x\x07\n")
    assert "\x1b" not in found["file"] + found["message"]
