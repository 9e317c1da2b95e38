"""Modules and workspaces with the real go: one reading for set-up, inspection and build, and Go's words where it said why."""

import os
import re
import subprocess

import pytest

from goferry.artifacts.fetching import ModulesIncomplete, ModulesNotFound
from goferry.config import model
from goferry.config.context import Context
from goferry.gobuild import facts, gate
from goferry.gobuild.environment import GoFailed, clean
from goferry.gobuild.gate import TestsFailed, VetFailed
from goferry.gobuild.mains import MainMissing, MainUnknown
from goferry.gobuild.project_modules import ModuleOutsideWorkspace
from goferry.golang import modules
from goferry.observe.events import Stream

MAIN = "package main\n\nfunc main() {}\n"


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["git", "init", "-q", root], check=True)
    return root


@pytest.fixture
def look(toolchain, settings):
    def at(directory, **builds):
        config = model.Project(builds=model.Builds(targets=["linux/amd64"], **builds))
        return facts.inspect_repository(directory, toolchain, settings, config)

    return at


def test_a_module_outside_go_work_is_told_in_gos_words_and_not_called_a_library(tmp_path, look):
    root = write(
        tmp_path / "shop",
        {
            "go.work": "go 1.24\n\nuse ./in\n",
            "in/go.mod": "module example.com/in\n\ngo 1.24\n",
            "in/main.go": MAIN,
            "out/go.mod": "module example.com/out\n\ngo 1.24\n",
            "out/main.go": MAIN,
        },
    )
    with pytest.raises(ModuleOutsideWorkspace, match="not one of the workspace modules listed in") as caught:
        look(root / "out")
    assert caught.value.exit_code == 2
    assert caught.value.advice[0].endswith("go work use -C out .")
    assert [main.package for main in look(root / "in").mains] == ["example.com/in"]
    assert [main.package for main in look(root / "out", env={"GOWORK": "off"}).mains] == ["example.com/out"]


def test_a_nested_module_without_go_sum_is_told_in_gos_words(tmp_path, look):
    needs = "module example.com/a\n\ngo 1.16\n\nrequire example.com/dep v1.0.0\n"
    root = write(tmp_path / "shop", {"go.mod": "module example.com/shop\n", "a/go.mod": needs, "a/main.go": MAIN})
    with pytest.raises(
        (GoFailed, ModulesIncomplete, ModulesNotFound), match=r"go\.sum|module lookup disabled"
    ) as caught:
        look(root / "a")
    assert "library" not in caught.value.what


def test_a_package_that_cannot_be_read_is_not_left_out_of_a_release(tmp_path, look):
    files = {"go.mod": "module example.com/shop\n\ngo 1.24\n", "main.go": MAIN, "cmd/x/x.go": "<<<<<<< HEAD\n" + MAIN}
    root = write(tmp_path / "shop", {f"api/{name}": text for name, text in files.items()})
    with pytest.raises(GoFailed, match=r"api/cmd/x/x\.go:1:1: expected 'package'") as caught:
        look(root / "api")
    assert caught.value.facts["problems"][0]["file"] == "api/cmd/x/x.go"
    assert "builds: {mains: [./cmd/NAME]}" in caught.value.advice[-1]
    assert look(root / "api", mains=["."]).mains, "one that is not asked for is left to vet"
    with pytest.raises(GoFailed, match="expected 'package'"):
        look(root / "api", mains=["./cmd/x"])
    (root / "api/cmd/x/x.go").write_text(MAIN)
    with pytest.raises(MainUnknown):
        look(root / "api", mains=["./cmd/y"])


def test_a_library_is_still_called_one(tmp_path, look):
    root = write(tmp_path / "lib", {"go.mod": "module example.com/lib\n\ngo 1.24\n", "lib.go": "package lib\n"})
    with pytest.raises(MainMissing, match="it is a library"):
        look(root)


@pytest.mark.parametrize("said", ["off", "/elsewhere/go.work"])
def test_the_callers_gowork_counts_for_no_stage(tmp_path, toolchain, settings, said):
    root = write(tmp_path / "shop", {"go.work": "go 1.24\n", "a/go.mod": "module example.com/a\n"})
    environ = {**settings.environ, "GOWORK": said}
    assert clean(environ, toolchain, root / "a")["GOWORK"] == str(root / "go.work")
    assert clean(environ, toolchain, tmp_path)["GOWORK"] == "off"


def test_modules_are_downloaded_for_the_go_work_that_counts(tmp_path, toolchain, settings):
    """A go.work above the repository lacks a module; `go mod download` would fail by it."""
    (tmp_path / "go.work").write_text("go 1.24\n\nuse ./gone\n")
    root = write(tmp_path / "shop", {"go.mod": "module example.com/shop\n\ngo 1.24\n", "main.go": MAIN})
    modules.download(Context(settings, Stream()), toolchain, root)
    modules.verify(Context(settings, Stream()), toolchain, root)


BROKEN = "package main\n\nfunc main() {\n\tx := 1\n\n\tx = x\n}\n"
TEST = 'package x\n\nimport "testing"\n\nfunc TestX(t *testing.T) {\n\tt.Errorf("want 1")\n}\n'


@pytest.mark.parametrize(
    ("files", "error", "file", "line"),
    [
        ({"cmd/a/main.go": BROKEN}, VetFailed, "services/api/cmd/a/main.go", 6),
        ({"cmd/a/main.go": BROKEN.replace("x = x", "x = y")}, VetFailed, "services/api/cmd/a/main.go", 6),
        ({"pkg/x/x_test.go": TEST}, TestsFailed, "services/api/pkg/x/x_test.go", 6),
        ({"pkg/x/x_test.go": TEST.replace('"want 1"', "y")}, VetFailed, "services/api/pkg/x/x_test.go", 6),
        ({"pkg/x/x_test.go": TEST.replace("t.Errorf(", "panic(")}, TestsFailed, "services/api/pkg/x/x_test.go", 6),
    ],
)
def test_what_the_gate_finds_in_a_nested_module_is_placed_in_the_repository(
    tmp_path, look, toolchain, settings, files, error, file, line
):
    module = {"go.mod": "module example.com/shop/api\n\ngo 1.24\n", "main.go": MAIN, **files}
    root = write(tmp_path / "shop", {f"services/api/{name}": text for name, text in module.items()})
    (root / "x_test.go").write_text("a file of the same name at the top")
    found = look(root / "services/api")
    with pytest.raises(error) as caught:
        gate.test(Context(settings, Stream()), found, model.Project(), toolchain)
    assert re.search(rf"(^|[\s:]){re.escape(file)}:{line}\b", caught.value.what)
    assert (caught.value.facts["problems"][0]["file"], caught.value.facts["problems"][0]["line"]) == (file, line)


def test_what_vet_said_of_another_checkout_is_not_placed_there(tmp_path, look, toolchain, settings):
    """Go keeps what vet says with paths, and a build cache outlives checkouts."""
    name = os.urandom(4).hex()
    module = {"go.mod": f"module example.com/{name}\n\ngo 1.24\n", "main.go": MAIN, "cmd/a/main.go": BROKEN}
    for folder in ("first", "second"):
        root = write(tmp_path / folder, module)
        with pytest.raises(VetFailed, match=r"^cmd/a/main\.go:6:2: self-assignment") as caught:
            gate.test(Context(settings, Stream()), look(root), model.Project(), toolchain)
        assert [each["file"] for each in caught.value.facts["problems"]] == ["cmd/a/main.go"]
