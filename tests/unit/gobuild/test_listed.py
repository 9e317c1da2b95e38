"""What `go list` said is kept by what decides it: each of these asks Go again, and nothing else does."""

import os

import pytest

from goferry.gobuild import _listed as listed, environment
from goferry.gobuild._golist import GoPackage, GoProblem

MAIN = '// Package main.\npackage main\n\nimport "fmt"\n\nfunc main() { fmt.Println("a") }\n'
FILES = {
    "go.mod": "module example.com/shop\n\ngo 1.25\n",
    "main.go": MAIN,
    "web/index.html": "<p>",
    "lib/a.go": "package lib\n",
}
ENV = {"GOFLAGS": environment.FLAGS, "GOWORK": "off", "GOOS": "linux", "HOME": "/root", "TERM": "dumb"}
WORDS = ["/go/bin/go", "list", "-find", "./..."]


@pytest.fixture
def module(tmp_path):
    for name, text in FILES.items():
        write(tmp_path / name, text)
    return tmp_path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def key(module, words=WORDS, **env):
    settings = {**ENV, **env}
    return listed.key(listed.sources(settings, [module]), words, settings, module)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("main.go", MAIN.replace('"a"', '"b"')),
        ("main.go", MAIN + "\nvar version string\n"),
        ("web/index.html", "<b>"),
        ("web/other.html", "<p>"),
        ("lib/testdata/x.go", "package main"),
        ("_old/x.go", "package main"),
        (".cache/x.go", "package main"),
        ("README.md", "x"),
        ("dist/goferry.json", "{}"),
    ],
)
def test_the_answer_is_kept(module, name, text):
    before = key(module)
    write(module / name, text)
    assert before
    assert key(module, TERM="xterm", HOME="/home/a") == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("main.go", MAIN.replace("package main", "package shop")),
        ("main.go", "//go:build windows\n\n" + MAIN),
        ("main.go", MAIN.replace('"fmt"', '"fmt"\n\n/*\nfunc c();\n*/\nimport "C"')),
        ("main.go", "/*\nvar of a comment\n*/ " + MAIN),
        ("main_windows.go", MAIN),
        ("main_test.go", "package main_test\n"),
        ("cmd/api/main.go", MAIN),
        ("lib/go.mod", "module example.com/lib\n"),
        ("lib/a.c", "int a;"),
        ("lib/a.syso", ""),
        ("go.mod", FILES["go.mod"].replace("1.25", "1.24")),
        ("go.sum", "example.com/x v1.0.0 h1:x=\n"),
        ("vendor/modules.txt", "# example.com/x v1.0.0\n"),
    ],
)
def test_go_is_asked_again(module, name, text):
    before = key(module)
    write(module / name, text)
    assert key(module) not in ("", before)


def test_go_is_asked_again_for_another_go_setting_or_folder(module, tmp_path_factory):
    work = tmp_path_factory.mktemp("above") / "go.work"
    work.write_text("go 1.25\n")
    other = key(module, GOWORK=str(work))
    work.write_text("go 1.25\nuse ./x\n")
    (module / "main.go").rename(module / "app.go")
    keys = [other, key(module, GOWORK=str(work)), key(module), key(module, words=[*WORDS, "-tags=a"])]
    keys += [key(module, GOOS="windows"), key(module, CGO_ENABLED="1"), key(module, GOEXPERIMENT="x")]
    assert len({*keys}) == len(keys)


def test_a_declaration_inside_of_a_comment_or_a_string_ends_no_header():
    text = b"/*\nfunc a()\n*/\npackage main\n\nimport `fmt\nvar x`\n\nvar y = 1\nfunc main() {}\n"
    assert listed.header(text) == text.partition(b"\nvar y")[0] + b"\n"


def test_a_file_that_embeds_counts_whole():
    text = b'package main\n\nimport _ "embed"\n\n//go:embed a.txt\nvar a string\n'
    assert listed.header(text) == text


@pytest.mark.parametrize("env", [{"GOFLAGS": "-modfile=x.mod"}, {"GO111MODULE": "off"}, {"GOWORK": ""}])
def test_nothing_is_kept_where_go_may_read_something_else(module, env):
    assert key(module, **env) == ""


@pytest.mark.parametrize("target", ["nowhere.go", "/dev/zero"])
def test_nothing_is_kept_where_a_link_leads_to_no_file(module, target):
    (module / "lost.go").symlink_to(target)
    assert key(module) == ""


@pytest.mark.parametrize(("bound", "value"), [("_MOST", 3), ("_LARGEST", 20)])
def test_nothing_is_kept_of_too_much(module, monkeypatch, bound, value):
    monkeypatch.setattr(listed, bound, value)
    assert key(module) == ""


def test_an_answer_comes_back_by_its_key_alone(tmp_path):
    place = listed.place(tmp_path, tmp_path, "linux/amd64", WORDS)
    listed.keep(place, "k", [GoPackage(name="main")])
    assert listed.read(place, "k") == [GoPackage(name="main")]
    assert listed.read(place, "other") is None
    assert listed.read(place, "") is None
    assert place != listed.place(tmp_path, tmp_path, "linux/arm64", WORDS)
    for damage in (b"", b"[]", b"{}", b'{"key": "k", "records": 1}'):
        place.write_bytes(damage)
        assert listed.read(place, "k") is None


def test_no_answer_is_kept_that_has_an_error_or_no_place(tmp_path):
    place = listed.place(tmp_path / "cache", tmp_path, "linux/amd64", WORDS)
    listed.keep(place, "k", [GoPackage(name="main"), GoPackage(error=GoProblem(err="x"))])
    listed.keep(place, "", [GoPackage(name="main")])
    assert not place.exists()
    (tmp_path / "cache").write_text("a file where the folder should be")
    listed.keep(place, "k", [GoPackage(name="main")])
    assert os.listdir(tmp_path) == ["cache"]
