from pathlib import Path
from types import SimpleNamespace

import pytest

from goferry.config import model
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.gobuild import _runtime_caller as runtime_caller, gate
from goferry.observe.events import Stream
from goferry.system.process import Completed


@pytest.mark.parametrize(
    ("text", "asks"),
    [("package x\n", False), ("_, file, _, _ := runtime.Caller(0)\n", True), ("runtime.Callers(1, pcs)\n", True)],
)
def test_source_that_asks_for_its_path_is_found(tmp_path, monkeypatch, text, asks):
    (tmp_path / "a_test.go").write_text(text)
    listed = f"{tmp_path}/a_test.go\n{tmp_path}/_testmain.go\n"
    monkeypatch.setattr(
        runtime_caller.process, "run", lambda argv, **_: Completed(tuple(argv), 0, listed.encode(), b"")
    )
    facts = SimpleNamespace(patterns=("./...",), directory=tmp_path)
    assert runtime_caller.asked_for(facts, model.Project(), SimpleNamespace(go="go"), {}) is asks


def test_source_that_go_cannot_list_is_not_trimmed(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime_caller.process, "run", lambda argv, **_: Completed(tuple(argv), 1, b"", b"no"))
    facts = SimpleNamespace(patterns=("./...",), directory=tmp_path)
    assert runtime_caller.asked_for(facts, model.Project(), SimpleNamespace(go="go"), {}) is True


def test_only_the_tests_go_without_trimpath():
    facts = SimpleNamespace(patterns=("./...",))
    vetting, testing = gate.commands(facts, model.Project(), trimmed=False)
    assert "-trimpath" in vetting
    assert "-trimpath" not in testing
    assert "-trimpath" in gate.commands(facts, model.Project())[1]


@pytest.mark.parametrize(("asks", "expected"), [(False, {"test": "/go"}), (True, {})])
def test_trimmed_tests_find_the_go_that_runs_them(tmp_path, monkeypatch, asks, expected):
    given = {}

    def run(argv, *, environ, **_):
        if "GOROOT" in environ:
            given[argv[1]] = environ["GOROOT"]
        return Completed(tuple(argv), 0, b"", b"")

    monkeypatch.setattr(gate.runtime_caller, "asked_for", lambda *_: asks)
    monkeypatch.setattr(gate.process, "run", run)
    facts = SimpleNamespace(
        patterns=("./...",), directory=tmp_path, root=tmp_path, modules=(), environ={"PATH": "/bin"}, snapshot=True
    )
    toolchain = SimpleNamespace(go=Path("/go/bin/go"), goroot=Path("/go"), version="1.27.3")
    gate.test(Context(Settings({}, tmp_path), Stream()), facts, model.Project(), toolchain)
    assert given == expected
