import os

import pytest

from goferry.pipeline import sources


@pytest.fixture
def repo(tmp_path):
    repo = tmp_path / "repo"
    (repo / "cmd").mkdir(parents=True)
    (repo / "go.mod").write_text("module example.com/x\n")
    (repo / "cmd" / "main.go").write_text("package main\n")
    return repo


CHANGES = {
    "edit": lambda repo: (repo / "cmd" / "main.go").write_text("package other\n"),
    "add": lambda repo: (repo / "cmd" / "ignored.bin").write_text(""),
    "remove": lambda repo: (repo / "cmd" / "main.go").unlink(),
    "rename": lambda repo: (repo / "cmd" / "main.go").rename(repo / "cmd" / "a.go"),
    "mode": lambda repo: (repo / "cmd" / "main.go").chmod(0o755),
    "link": lambda repo: (repo / "cmd" / "l").symlink_to("main.go"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_source_changes_the_digest(repo, change):
    before = sources.digest(repo)
    CHANGES[change](repo)
    assert sources.digest(repo) != before


def test_time_and_what_is_no_source_do_not(repo):
    before = sources.digest(repo)
    os.utime(repo / "go.mod", (1, 1))
    for name in (".git", ".goferry", "node_modules", "dist"):
        (repo / name).mkdir()
        (repo / name / "x").write_text("x")
    (repo / "report.html").write_text("x")
    assert sources.digest(repo, without=[repo / "dist", repo / "report.html"]) == before
    assert sources.digest(repo) != before


def test_a_local_replacement_and_a_workspace_above_count(repo):
    other = repo.parent / "other"
    other.mkdir()
    (other / "x.go").write_text("package x\n")
    (repo / "go.mod").write_text("module example.com/x\nreplace example.com/y => ../other\n")
    before = sources.digest(repo)
    (other / "x.go").write_text("package y\n")
    after = sources.digest(repo)
    assert after != before
    (repo.parent / "go.work").write_text("go 1.26\nuse ./repo\n")
    assert sources.digest(repo) not in {before, after}


def test_a_name_with_a_line_feed_or_foreign_bytes_is_a_name(repo):
    before = sources.digest(repo)
    for name in (b"a\nb", b"\xff"):
        with open(os.path.join(os.fsencode(repo), name), "w"):
            pass
    assert sources.digest(repo) != before
