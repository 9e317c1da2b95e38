"""src/start.py: what it tells pip, what pip never hears, and how a finished folder gets its name."""

import importlib.util
import os
import stat
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def start():
    spec = importlib.util.spec_from_file_location("start", ROOT / "src" / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pip_keeps_its_index_settings_and_loses_what_would_install_elsewhere(start):
    index = {"PIP_INDEX_URL": "i", "PIP_CERT": "c", "PIP_FIND_LINKS": "f", "PIP_CONFIG_FILE": "g", "HOME": "h"}
    contrary = {"PIP_TARGET": "t", "pip_prefix": "p", "PIP_CONSTRAINT": "k", "PIP_DRY_RUN": "1", "PIP_PYTHON": "x"}
    own = {"INPUT_TOKEN": "s", "GOFERRY_SIGNING_KEY": "s", "GITHUB_ENV": "e", "ACTIONS_RUNTIME_TOKEN": "s"}
    got = start.for_pip({**index, **contrary, **own, "PIP_USER": "1", "PIP_REQUIRE_VIRTUALENV": "1"})
    assert got == {**index, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}


def test_pip_takes_the_lock_by_its_hashes_and_runs_no_code_of_a_package(start, tmp_path):
    start.WHEELS = str(tmp_path / "none")
    words = start.options("a lock.txt", "a folder")
    assert {"--require-hashes", "--no-deps", "--only-binary", "--no-input"} <= set(words)
    assert words[-4:] == ["--target", "a folder", "-r", "a lock.txt"]
    assert "--no-index" not in words
    start.WHEELS = str(tmp_path)
    assert start.options("a", "b")[-7:-4] == ["--no-index", "--find-links", str(tmp_path)]


def test_a_folder_is_named_after_lock_interpreter_and_machine(start, tmp_path, monkeypatch):
    start.LOCKS = str(tmp_path)
    (tmp_path / "core.txt").write_text("one")
    first = start.folder_name("core")
    assert sys.implementation.cache_tag in first
    (tmp_path / "core.txt").write_text("two")
    second = start.folder_name("core")
    monkeypatch.setattr(start.sys, "abiflags", "t", raising=False)
    assert len({first, second, start.folder_name("core")}) == 3


ME = frozenset({os.geteuid()})


def installed(start, path, text="code"):
    """A group's folder as an installation leaves it."""
    building = path.with_name(f".{path.name}-building")
    (building / "click").mkdir(parents=True, mode=0o755)
    for name in ("click/__init__.py", "click/core.py"):
        (building / name).write_text(text)
        (building / name).chmod(0o644)
    start.settle(str(building), str(path), ME)
    return path


def test_a_finished_folder_is_for_every_user_and_the_quicker_job_wins(start, tmp_path):
    place = installed(start, tmp_path / "place", "quick")
    assert stat.S_IMODE(place.stat().st_mode) == 0o755
    installed(start, place, "late")
    assert (place / "click" / "core.py").read_text() == "quick"
    assert (place / start.LIST).read_text() == "5 click/__init__.py\n5 click/core.py\n"


def test_a_folder_that_cannot_get_its_name_is_an_error(start, tmp_path):
    (tmp_path / "done").mkdir()
    with pytest.raises(OSError, match="missing"):
        start.settle(str(tmp_path / "done"), str(tmp_path / "missing" / "place"), ME)


def test_the_first_cache_that_has_a_group_is_taken_and_pip_is_not_asked(start, tmp_path, monkeypatch):
    monkeypatch.setattr(start, "pip", lambda: pytest.fail("pip was asked for"))
    name = start.folder_name("core")
    for cache in ("tools", "xdg"):
        installed(start, tmp_path / cache / "goferry" / "packages" / name)
    environ = {"RUNNER_TOOL_CACHE": str(tmp_path / "tools"), "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    assert start.packages(["core"], environ) == [str(tmp_path / "tools" / "goferry" / "packages" / name)]


def _lost(folder):
    (folder / "click" / "core.py").unlink()


def _cut(folder):
    (folder / "click" / "core.py").write_text("")


def _linked(folder):
    (folder / "click" / "core.py").rename(folder.parent / "code")
    (folder / "click" / "core.py").symlink_to(folder.parent / "code")


def _open_folder(folder):
    folder.chmod(0o777)


def _open_file(folder):
    (folder / "click" / "core.py").chmod(0o664)


def _unlisted(folder):
    next(folder.glob(".goferry-files")).unlink()


def _empty_list(folder):
    next(folder.glob(".goferry-files")).write_text("")


@pytest.mark.parametrize("spoil", [_lost, _cut, _linked, _open_folder, _open_file, _unlisted, _empty_list])
def test_a_folder_that_lost_files_or_that_others_may_write_is_installed_again(start, tmp_path, monkeypatch, spoil):
    """Somebody emptied the tool cache in part, or planted a folder under the name that the lock foretells."""
    folder = installed(start, tmp_path / "goferry" / "packages" / start.folder_name("core"))
    assert start.usable(str(folder), ME)
    spoil(folder)
    assert not start.usable(str(folder), ME)
    monkeypatch.setattr(start, "install", lambda wanted, _: [installed(start, Path(path)) for _, path in wanted])
    assert start.packages(["core"], {"RUNNER_TOOL_CACHE": str(tmp_path)}) == [str(folder)]
    assert start.usable(str(folder), ME)
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


def test_another_users_folder_is_neither_used_nor_removed(start, tmp_path, monkeypatch):
    name = start.folder_name("core")
    theirs = installed(start, tmp_path / "tools" / "goferry" / "packages" / name)
    monkeypatch.setattr(start, "trusted", lambda _: frozenset({os.geteuid() + 1}))
    monkeypatch.setattr(start, "install", lambda *_: None)
    environ = {"RUNNER_TOOL_CACHE": str(tmp_path / "tools"), "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    assert start.packages(["core"], environ) == [str(tmp_path / "xdg" / "goferry" / "packages" / name)]
    assert start.usable(str(theirs), ME)


def test_root_this_user_and_the_runners_user_are_trusted(start, tmp_path, monkeypatch):
    assert start.trusted({}) == {0, os.geteuid()}
    monkeypatch.setattr(start.os, "stat", lambda _: type("Found", (), {"st_uid": 1001}))
    assert start.trusted({"RUNNER_TEMP": str(tmp_path)}) == {0, os.geteuid(), 1001}


def test_caches_that_cannot_be_written_are_passed_over_and_none_is_an_error(start, tmp_path):
    (tmp_path / "file").write_text("")
    assert start.writable([str(tmp_path / "file" / "a"), str(tmp_path / "b")], ["core"], ME) == str(tmp_path / "b")
    assert os.listdir(tmp_path / "b") == []
    with pytest.raises(start.NotStarted) as told:
        start.writable([str(tmp_path / "file" / "a")], ["core"], ME)
    assert told.value.name == "cache-unwritable"


@pytest.mark.parametrize("code", ["raise SystemExit('no index')", "import time; time.sleep(60)"])
def test_a_failed_pip_leaves_nothing_behind(start, tmp_path, monkeypatch, code):
    """Each lock has a pip of its own; the first failure is told and no folder of either stays."""
    bad = [sys.executable, "-I", "-c", code]
    monkeypatch.setattr(start, "pip", lambda: bad)
    if "sleep" in code:  # interrupted while pip runs
        monkeypatch.setattr(start.subprocess.Popen, "communicate", _interrupted)
    wanted = [("core.txt", str(tmp_path / "core")), ("release.txt", str(tmp_path / "release"))]
    with pytest.raises((start.NotStarted, KeyboardInterrupt)):
        start.install(wanted, os.environ)
    assert list(tmp_path.iterdir()) == []


def _interrupted(_process):
    raise KeyboardInterrupt


def test_the_interpreter_is_remembered_once_and_nothing_else(start, tmp_path):
    file = tmp_path / "env"
    file.write_text("")
    start.remember({"GITHUB_ENV": str(file)})
    assert file.read_text() == f"GOFERRY_PYTHON={sys.executable}\n"
    start.remember({"GITHUB_ENV": str(file), "GOFERRY_PYTHON": "/some/python3"})
    assert file.read_text().count("\n") == 1


def test_every_action_with_groups_is_an_action_and_every_group_has_a_lock(start):
    from goferry.actions.main import ACTIONS

    assert set(start.GROUPS) <= set(ACTIONS)
    for group in {"core"}.union(*start.GROUPS.values()):
        assert (ROOT / "requirements" / f"{group}.txt").is_file()
