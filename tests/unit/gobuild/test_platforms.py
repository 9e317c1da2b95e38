import msgspec
import pytest

from goferry.gobuild import _platforms as platforms
from goferry.gobuild._golist import GoPackage

MAIN = "package main\n\nfunc main() {}\n"
CASES = {
    "a plain main": ("cmd/a/main.go", MAIN, "main", False),
    "a name": ("cmd/a/main_windows.go", MAIN, "main", True),
    "a name of system and processor": ("cmd/a/main_linux_arm64.go", MAIN, "main", True),
    "another word in the name": ("cmd/a/main_server.go", MAIN, "main", False),
    "a line": ("cmd/a/main.go", "// Copyright\n\n//go:build unix\n\n" + MAIN, "main", True),
    "an old line": ("cmd/a/main.go", "// +build linux\n\n" + MAIN, "main", True),
    "a library with a name": ("lib/x_windows.go", "package lib\n", "lib", False),
    "a generator": ("lib/gen.go", "//go:build ignore\n\n" + MAIN, "", False),
    "a main that is not built here": ("cmd/w/main.go", "//go:build windows\n\n" + MAIN, "", True),
    "a main that is not built here, by its name": ("cmd/w/main_plan9.go", MAIN, "", True),
    "a main that cgo keeps out": ("cmd/w/main.go", 'package main\n\nimport "C"\n', "", True),
    "the word in the text": ("cmd/a/main.go", MAIN + "// see //go:build linux\n", "main", False),
    "not covered by ./...": ("_x/main_windows.go", MAIN, "", False),
    "test data": ("testdata/main_windows.go", MAIN, "", False),
    "a test": ("cmd/a/x_windows_test.go", MAIN, "main", False),
}


@pytest.mark.parametrize("case", CASES)
def test_a_folder_is_asked_about_where_a_program_may_differ(tmp_path, case):
    name, text, package, suspected = CASES[case]
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    (tmp_path / "go.mod").write_text("module example.com/x\n")
    records = [{"Dir": str(path.parent), "Name": package, "GoFiles": [path.name]}] if package else []
    wanted = {path.parent} if suspected else set()
    assert platforms.suspects(msgspec.convert(records, list[GoPackage]), {"example.com/x": tmp_path}) == wanted


def test_a_nested_module_is_not_looked_at_and_ignore_lines_leave_it_to_go(tmp_path):
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested" / "go.mod").write_text("module example.com/nested\n")
    (tmp_path / "nested" / "main_windows.go").write_text(MAIN)
    (tmp_path / "go.mod").write_text("module example.com/x\n")
    assert platforms.suspects([], {"example.com/x": tmp_path}) == frozenset()
    (tmp_path / "go.mod").write_text("module example.com/x\n\nignore ./web\n")
    assert platforms.suspects([], {"example.com/x": tmp_path}) is None
