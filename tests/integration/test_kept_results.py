"""Results of tests between jobs: each job is a checkout of its own at the same path, with caches restored."""

import os
import shutil
import subprocess

import pytest
from sampling import full

from goferry.artifacts.native import host
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.gobuild import _mtimes as mtimes, gate
from goferry.observe.events import Stream
from goferry.pipeline import caching
from goferry.pipeline.caching import JobRequest
from goferry.pipeline.project import ProjectRequest, open_project

MODULE = "example.com/team/shop"
TARGET = "/".join(host())
OPENS = """package NAME

import (
	"os"
	"testing"
)

func TestOpens(t *testing.T) {
	if data, err := os.ReadFile("FILE"); err != nil || len(data) == 0 || string(data) == "bad\\n" {
		t.Fatal(err, string(data))
	}
}
"""
LISTS = """package NAME

import (
	"os"
	"testing"
)

func TestLists(t *testing.T) {
	if entries, err := os.ReadDir("testdata"); err != nil || len(entries) == 0 {
		t.Fatal(err)
	}
}
"""
OUTSIDE = """package outside

import (
	"os"
	"testing"
)

func TestOutside(t *testing.T) {
	if _, err := os.Stat(os.Getenv("HOME") + "/poisoned"); err != nil {
		t.Fatal("nobody answers for this")
	}
}
"""


def lists(name):
    return {f"{name}/it_test.go": LISTS.replace("NAME", name), f"{name}/testdata/word": "abc\n"}


def opens(name, file="testdata/word"):
    return {f"{name}/it_test.go": OPENS.replace("NAME", name).replace("FILE", file), f"{name}/testdata/word": "abc\n"}


FILES = {
    "go.mod": f"module {MODULE}\n\ngo 1.21\n",
    "main.go": 'package main\n\nimport "example.com/team/shop/plain"\n\nfunc main() { println(plain.Of("a")) }\n',
    "plain/plain.go": 'package plain\n\nimport "bytes"\n\nfunc Of(s string) int { return len(bytes.ToUpper([]byte(s))) }\n',
    "plain/plain_test.go": 'package plain\n\nimport "testing"\n\nfunc TestOf(t *testing.T) { Of("a") }\n',
}
READING = {
    ".gitignore": "*.made\n",
    ".gitattributes": "*.dated filter=dated\n",
    **opens("changed"),
    **opens("beside"),
    **opens("unseen"),
    **opens("filtered", "testdata/word.dated"),
    "filtered/testdata/word.dated": "one\n",
    **opens("below", "../sub/testdata/word"),
    **lists("listed"),
    **lists("ignored"),
}
GIT = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"]
ON_BRANCH = {"CI": "true"}
ON_TAG = {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/v1.0.0"}


def git(folder, *words):
    subprocess.run([*GIT, *words], cwd=folder, env={**os.environ, "HOME": str(folder)}, capture_output=True, check=True)


def commit(folder, files, *more):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for words in (*more, ["add", "."], ["commit", "-q", "--allow-empty", "-m", "one"]):
        git(folder, *words)


class Runner:
    """A machine that is new for each job; `place` is what stays of the job before."""

    def __init__(self, folder, settings, place):
        self.folder, self.given, self.place = folder, settings, str(place)
        self.origin, self.machine, self.cache = folder / "origin", folder / "machine", folder / "cache"
        commit(self.origin, FILES, ["init", "-q"])

    def commit(self, files):
        commit(self.origin, files)

    def job(self, environ=ON_BRANCH, meanwhile=lambda _: None, smudge="cat", at="", kept=False, **options):
        """Check out, have `meanwhile` happen to the checkout, restore and test; return (what ran, what was cached).

        With `kept` the machine still has the caches of the job before.
        """
        shutil.rmtree(self.machine, ignore_errors=True)
        self.machine.mkdir()
        if not kept:
            shutil.rmtree(self.cache, ignore_errors=True)
        self.repository = self.machine / "shop"
        git(
            self.folder,
            "-c",
            f"filter.dated.smudge={smudge}",
            "clone",
            "-q",
            "--recurse-submodules",
            str(self.origin),
            str(self.repository),
        )
        meanwhile(self.repository)
        places = {"GOCACHE": str(self.machine / "gocache"), "GOMODCACHE": str(self.machine / "modules")}
        self.settings = Settings(
            {**self.given.environ, **places, **environ}, self.cache, self.given.tool_cache, self.given.home
        )
        self.repository /= at
        caching.restore(self.ctx, self.asked, self.place)
        opened = open_project(self.ctx, ProjectRequest(self.repository))
        report = gate.test(self.ctx, opened.facts, opened.config, opened.toolchain, **options)
        tested = [each for each in report.packages if each.tests]
        names = {each.package.removeprefix(f"{MODULE}/"): each.cached for each in tested}
        assert report.cached == sum(names.values())
        return {name for name in names if not names[name]}, {name for name in names if names[name]}

    @property
    def asked(self):
        return JobRequest(self.repository, targets=(TARGET,))

    @property
    def ctx(self):
        return Context(self.settings, Stream())

    def save(self):
        return {row.kind: row.done for row in caching.save(self.ctx, self.asked, self.place)}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """One for all, so that the standard library is compiled once."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture
def runner(tmp_path, settings, place, part):
    part("git")
    return Runner(tmp_path, settings, place)


def meanwhile(repository):
    """What happens to a checkout before its tests run; each change is a package's own."""
    (repository / "changed/testdata/word").write_text("xyz\n")
    (repository / "beside/testdata/new").write_text("untracked")
    git(repository, "update-index", "--skip-worktree", "unseen/testdata/word")
    (repository / "unseen/testdata/word").write_text("xyz\n")
    (repository / "sub/testdata/word").write_text("xyz\n")
    (repository / "listed/testdata/new").write_text("untracked")
    (repository / "ignored/testdata/x.made").write_text("ignored")


def test_results_are_found_in_a_new_checkout_and_only_for_the_same_content(runner):
    commit(runner.folder / "sub", {"testdata/word": "abc\n"}, ["init", "-q"])
    git(runner.origin, "submodule", "--quiet", "add", str(runner.folder / "sub"), "sub")
    runner.commit(READING)
    ran, cached = runner.job()
    everything = {"plain", "changed", "beside", "unseen", "filtered", "below", "listed", "ignored"}
    assert ran | cached == everything
    assert runner.save()["tests"] == "saved"
    assert runner.job() == (set(), everything)
    # The filter makes another file of the same length, and git still finds nothing changed.
    assert runner.job(meanwhile=meanwhile, smudge="sed s/one/two/") == (
        {"changed", "unseen", "filtered", "below", "listed", "ignored"},
        {"plain", "beside"},
    )


def test_no_change_of_a_package_is_missed_even_where_all_times_are_the_same(runner, monkeypatch):
    """Go's index of a package's folder is found by names, sizes and times: here all times that are derived are one."""
    monkeypatch.setattr(mtimes, "moment", lambda _: 10**18)
    runner.job()
    assert runner.job(kept=True) == (set(), {"plain"})
    text = FILES["plain/plain.go"]
    other = text.replace('"bytes"', '"bufio"').replace("len(bytes.ToUpper([]byte(s)))", "bufio.MaxScanTokenSize       ")
    assert len(other) == len(text)
    # With the imports of the content before, there would be no bufio to compile it with.
    change = {"meanwhile": lambda repository: (repository / "plain/plain.go").write_text(other)}
    assert runner.job(kept=True, **change)[0] == {"plain"}


def test_no_result_of_a_cache_that_somebody_poisoned_answers_for_a_tag(runner):
    runner.commit({"outside/it_test.go": OUTSIDE})
    mark = runner.given.home / "poisoned"
    mark.touch()
    runner.job()
    runner.save()
    mark.unlink()
    assert "outside" in runner.job()[1], "Go knows of no file outside the module"
    for environ, options in ((ON_TAG, {}), (ON_BRANCH, {"fresh": True})):
        with pytest.raises(gate.TestsFailed, match="nobody answers"):
            runner.job(environ, **options)


@full()
def test_what_lies_outside_its_module_counts_too(runner):
    """Go looks at no file outside the module again."""
    runner.commit(
        {
            "inner/go.mod": f"module {MODULE}/inner\n\ngo 1.21\n",
            "inner/main.go": "package main\n\nfunc main() {}\n",
            "inner/data/it_test.go": OPENS.replace("NAME", "data").replace("FILE", "../../word"),
            "word": "abc\n",
        }
    )
    runner.job(at="inner")
    runner.save()
    assert runner.job(at="inner") == (set(), {"inner/data"})
    other = runner.job(at="inner", meanwhile=lambda repository: (repository / "word").write_text("xyz\n"))
    assert other == ({"inner/data"}, set())
