"""Times that hang on content: the same in every checkout, another after each change."""

import os
import shutil
import subprocess

import pytest

from goferry.build import index, mtimes

FILES = {"a.go": "package a\n", "testdata/one": "1", "testdata/deep/two": "22", "testdata/deep/three": "3"}


@pytest.fixture
def checkout(tmp_path, part):
    part("git")

    def make(name, files=FILES):
        root = tmp_path / name
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
        subprocess.run(["git", "add", "."], cwd=root, check=True)
        return root

    return make


def times(root, changed=()):
    mtimes.derive(index.read(root, dict(os.environ)), changed)
    found = [path for path in root.rglob("*") if ".git" not in path.parts]
    return {path.relative_to(root).as_posix(): path.stat().st_mtime for path in found}


def test_the_same_content_has_the_same_times_of_the_past(checkout):
    one, two = times(checkout("one")), times(checkout("two"))
    assert one == two
    assert max(one.values()) < 1_300_000_000
    assert len(set(one.values())) == len(one)


@pytest.mark.parametrize(("path", "text"), [("testdata/one", "2"), ("testdata/deep/two", "23")])
def test_a_change_of_the_same_length_is_another_time_for_it_and_its_folders(checkout, path, text):
    before, after = times(checkout("one")), times(checkout("two", {**FILES, path: text}))
    other = {name for name in before if before[name] != after[name]}
    above = {path.rsplit("/", depth)[0] for depth in range(1, path.count("/") + 1)}
    assert other == {path, *above}


def test_what_differs_keeps_its_time_and_so_do_its_folders(checkout):
    root = checkout("one")
    (root / "testdata" / "deep" / "two").write_text("other")
    (root / "testdata" / "extra").write_text("not kept")
    found = times(root, {"testdata/deep/two"})
    own = {name for name, moment in found.items() if moment > 1_300_000_000}
    assert own == {"testdata/deep/two", "testdata/deep", "testdata/extra", "testdata"}


def test_links_are_left_alone_and_nothing_outside_is_touched(checkout, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("x")
    root = checkout("one")
    (root / "testdata" / "link").symlink_to(outside)
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    shutil.rmtree(root / "testdata" / "deep")
    (root / "testdata" / "deep").symlink_to(tmp_path)
    before = outside.stat().st_mtime
    times(root)
    assert outside.stat().st_mtime == before
