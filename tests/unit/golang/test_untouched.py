"""A toolchain that is there: when a look is enough, and when every file is hashed again."""

import json
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from goferry.caches import ci_job
from goferry.config.context import Context
from goferry.golang import GoRequest, _tree as tree, _untouched as untouched, hold, setup_go
from goferry.golang._untouched import ToolchainModified, TreeWatch
from goferry.observe.events import Stream

V = "1.27.3"
CI = {"CI": "true", "GITHUB_RUN_ID": "7", "GITHUB_JOB": "build", "RUNNER_TRACKING_ID": "one"}


@pytest.fixture
def go(world):
    """An installed toolchain, as the job of these surroundings made it."""

    def install(**environ):
        world.publish(V)
        settings = world.settings(**environ)
        request = GoRequest(world.folder, V, allow_unproven=False)
        return setup_go(Context(settings, Stream()), request), settings

    return install


@pytest.fixture
def hashed(monkeypatch):
    """Counts how often all files are hashed."""
    counted, usual = [], tree.hash_folder
    monkeypatch.setattr(tree, "hash_folder", lambda *given, **more: counted.append(1) or usual(*given, **more))
    return counted


def again(world, settings):
    return setup_go(Context(settings, Stream()), GoRequest(world.folder, V, allow_unproven=False))


def change(found):
    """Change a tool as well as a program can: size, mode and time stay."""
    path = found.goroot / "pkg/tool/x/compile"
    seen, data = path.stat(), path.read_bytes()
    path.write_bytes(data.replace(b"fake", b"evil"))
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def forge(found, settings, mode=0o600, folder=0o700):
    """Write the note that would fit, as another program of the same user could."""
    watch = TreeWatch.of(settings)
    watch.keep(found.goroot, found.evidence["h1"])
    (note,) = (settings.cache / "seen").iterdir()
    note.chmod(mode)
    note.parent.chmod(folder)


def test_what_was_hashed_once_is_only_looked_at(world, go, hashed):
    found, settings = go()
    assert again(world, settings) == found
    assert hashed == []


def test_a_changed_file_shows_and_is_proven_anew(world, go, hashed):
    found, settings = go()
    change(found)
    assert again(world, settings) == found
    assert len(hashed) > 0
    assert b"fake" in (found.goroot / "pkg/tool/x/compile").read_bytes()


def test_what_lies_beside_the_tree_says_nothing_of_its_files(world, go, hashed):
    found, settings = go()
    (note,) = (settings.cache / "seen").iterdir()
    note.unlink()
    record = found.goroot.with_name(found.goroot.name + ".proof.json")
    said = json.loads(record.read_bytes())
    record.write_text(json.dumps({**said, "files": tree.survey(found.goroot).files}))
    again(world, settings)
    assert len(hashed) == 1


@pytest.mark.parametrize(("mode", "folder"), [(0o660, 0o700), (0o606, 0o700), (0o600, 0o770), (0o600, 0o707)])
def test_a_note_that_others_can_write_is_none(world, go, mode, folder):
    found, settings = go()
    change(found)
    forge(found, settings, mode, folder)
    assert not TreeWatch.of(settings).untouched(found.goroot, found.evidence["h1"])
    again(world, settings)
    assert b"fake" in (found.goroot / "pkg/tool/x/compile").read_bytes()


@pytest.mark.parametrize("content", [b"", b"[", b"[" * 100_000, b"null", b'{"root": 1}'])
def test_a_note_that_is_none_is_no_reason(go, content):
    found, settings = go()
    (note,) = (settings.cache / "seen").iterdir()
    note.write_bytes(content)
    assert not TreeWatch.of(settings).untouched(found.goroot, found.evidence["h1"])
    note.unlink()
    note.symlink_to("/dev/zero")
    assert not TreeWatch.of(settings).untouched(found.goroot, found.evidence["h1"])


def test_a_release_is_compiled_with_what_this_job_hashed_or_it_is_hashed_again(go, hashed):
    found, settings = go(**CI)
    hold(Context(settings, Stream()), found)
    assert hashed == []
    ci_job.doubt(settings.cache)  # tests ran
    hold(Context(settings, Stream()), found)
    other = replace(settings, environ={**settings.environ, "RUNNER_TRACKING_ID": "two"})
    hold(Context(other, Stream()), found)
    assert len(hashed) == 2
    change(found)
    with pytest.raises(ToolchainModified):
        hold(Context(settings, Stream()), found)


def test_a_forged_note_deceives_no_release(go):
    found, settings = go(**CI)
    ci_job.doubt(settings.cache)
    change(found)
    forge(found, replace(settings, environ={}))
    with pytest.raises(ToolchainModified):
        hold(Context(settings, Stream()), found)


def test_more_files_and_links_to_folders_are_no_longer_what_was_proven(go, tmp_path):
    found, settings = go()
    (found.goroot / "src" / "evil").symlink_to(tmp_path)
    with pytest.raises(ToolchainModified):
        hold(Context(settings, Stream()), found)


def test_an_unproven_one_has_nothing_to_be_held_to(go, hashed):
    found, settings = go()
    hold(Context(settings, Stream()), replace(found, proof="unproven"))
    assert hashed == []


@pytest.mark.parametrize(
    ("uid", "mode", "alone"),
    [
        (0, 0o755, True),
        (0, 0o644, True),
        (0, 0o775, False),
        (0, 0o1777, False),
        (0, 0o646, False),
        (1000, 0o755, False),
    ],
)
def test_what_root_alone_can_write(uid, mode, alone):
    assert tree.of_root(SimpleNamespace(st_uid=uid, st_mode=stat.S_IFREG | mode)) is alone


def test_what_root_alone_can_write_needs_no_note_unless_we_are_root(monkeypatch, tmp_path):
    monkeypatch.setattr(untouched.os, "geteuid", lambda: 1000)
    assert untouched._roots(Path("/usr"))
    assert not untouched._roots(tmp_path), "a folder above it is everybody's"
    monkeypatch.setattr(untouched.os, "geteuid", lambda: 0)
    assert not untouched._roots(Path("/usr"))
