"""Times that hang on content: the same in every checkout, another after each change."""

import os
import shutil

import pytest

from goferry.gobuild import _mtimes as mtimes

FILES = {
    "README.md": "read",
    "a.go": "package a\n",
    "golden.txt": "x",
    "testdata/one": "1",
    "testdata/in.go": "package in\n",
    "testdata/deep/two": "22",
    "testdata/deep/three": "3",
}
NOW = 1_600_000_000 * 10**9
"""Later than all times that are derived."""


@pytest.fixture
def checkout(tmp_path):
    def make(name, files=FILES):
        root = tmp_path / name
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return root

    return make


def times(root, names=FILES):
    """Derive, and return the times of everything, links' own, the root's as `.`."""
    mtimes.derive(root, names)
    return {path.relative_to(root).as_posix(): path.lstat().st_mtime_ns for path in (root, *root.rglob("*"))}


def own(found):
    """What kept its own time."""
    return {name for name, moment in found.items() if moment > NOW}


def test_the_same_content_has_the_same_times_of_the_past(checkout):
    one, two = times(checkout("one")), times(checkout("two"))
    assert own(one) == own(two) == {"a.go"}, "Go indexes the source of packages by its time"
    assert {**one, "a.go": 0} == {**two, "a.go": 0}
    assert len(set(one.values())) == len(one)
    assert mtimes.moment(b"\0" * 32) > 0
    assert mtimes.moment(b"\xff" * 32) < NOW


@pytest.mark.parametrize("path", ["testdata/one", "testdata/deep/two", "testdata/in.go", "golden.txt"])
def test_a_change_of_the_same_length_is_another_time(checkout, path):
    before, after = times(checkout("one")), times(checkout("two", {**FILES, path: FILES[path][:-1] + "~"}))
    assert {name for name in before if before[name] != after[name]} == {path, "a.go"}


def test_what_is_in_a_folder_decides_its_time_and_what_git_does_not_keep_has_its_own(checkout):
    before, root = times(checkout("one")), checkout("two")
    (root / "testdata" / "deep" / "extra").write_text("not kept")
    after = times(root)
    assert {name for name in after if before.get(name) != after[name]} == {
        "testdata/deep/extra",
        "testdata/deep",
        "a.go",
    }
    assert own(after) == {"testdata/deep/extra", "a.go"}


def test_what_lies_there_counts_and_not_what_git_keeps_of_it(checkout):
    """Line ends, filters, and files at which git was told not to look."""
    crlf, lf = ({**FILES, "testdata/one": text} for text in ("a\r\nb", "a\n\nb"))
    assert times(checkout("one", crlf))["testdata/one"] != times(checkout("two", lf))["testdata/one"]


def test_links_have_times_of_their_own_and_nothing_is_touched_through_one(checkout, tmp_path):
    outside = checkout("outside", {"two": "x", "three": "y"})
    before = {path: path.lstat().st_mtime_ns for path in (outside, *outside.iterdir())}
    root = checkout("one")
    shutil.rmtree(root / "testdata" / "deep")
    (root / "testdata" / "deep").symlink_to(outside)
    (root / "link").symlink_to(outside / "two")
    (root / "twin").hardlink_to(outside / "three")
    found = times(root, [*FILES, "link", "twin"])
    assert {path: path.lstat().st_mtime_ns for path in before} == before
    assert own(found) == {"a.go", "twin", "testdata/deep"}
    other = checkout("two")
    (other / "link").symlink_to(outside / "three")
    assert times(other, [*FILES, "link"])["link"] != found["link"]


@pytest.mark.parametrize("name", ["../outside", "/outside", "testdata/../../outside", "one/" * 2000 + "two", "", "."])
def test_no_name_leads_out_of_the_work_tree(checkout, tmp_path, name):
    (tmp_path / "outside").write_text("x")
    before = (tmp_path / "outside").stat().st_mtime_ns
    assert mtimes.derive(checkout("one"), [name]) == {}
    assert (tmp_path / "outside").stat().st_mtime_ns == before


def test_what_cannot_be_read_keeps_its_time(checkout, tmp_path):
    root = checkout("one")
    os.mkfifo(root / "fifo")
    (root / "README.md").unlink()
    (root / "README.md").mkdir()
    assert {"fifo", "README.md"} <= own(times(root, [*FILES, "fifo", "missing", "golden.txt/below"]))
    assert mtimes.derive(tmp_path / "nowhere", FILES) == {}
