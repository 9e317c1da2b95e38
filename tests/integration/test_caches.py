"""Caches that pay: what one job compiled and tested, the next one neither compiles nor tests again."""

import os
import subprocess

import pytest
from sampling import full

from goferry.artifacts.native import host
from goferry.caches.warm import Warm
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.gobuild import gate
from goferry.observe.events import Stream
from goferry.pipeline import build, caching
from goferry.pipeline.caching.scope import WORKS, JobRequest
from goferry.pipeline.project import ProjectRequest, open_project

FILES = {
    "go.mod": "module example.com/team/shop\n\ngo 1.21\n",
    "main.go": 'package main\n\nimport "example.com/team/shop/price"\n\nfunc main() { println(price.Of("a")) }\n',
    "price/price.go": 'package price\n\nimport "strings"\n\nfunc Of(s string) int { return len(strings.ToUpper(s)) }\n',
    "price/price_test.go": """package price

import (
	"os"
	"testing"
)

func TestOf(t *testing.T) {
	data, err := os.ReadFile("testdata/word")
	if err != nil || Of(string(data)) != 4 {
		t.Fatal(err, string(data))
	}
}
""",
    "price/testdata/word": "abcd",
}
TARGET = "/".join(host())
DATE = "2026-11-20T10:00:00Z"


def checkout(folder, files=FILES):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    author = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"], ["tag", "v1.0.0"]):
        environ = {**os.environ, "GIT_COMMITTER_DATE": DATE, "GIT_AUTHOR_DATE": DATE}
        subprocess.run(["git", *author, *words], cwd=folder, env=environ, check=True, capture_output=True)
    return folder


class Job:
    """A job on a machine of its own, with a checkout of its own; what it keeps lies in `place`."""

    def __init__(self, folder, settings, place, files=FILES, **more):
        folder.mkdir()
        self.repository = checkout(folder / "shop", files)
        environ = {
            **settings.environ,
            "GOCACHE": str(folder / "gocache"),
            "GOMODCACHE": str(folder / "modules"),
            **more,
        }
        self.settings = Settings(environ, folder / "cache", settings.tool_cache, settings.home)
        self.place, self.events = place, []

    def _call(self, what, *more, **options):
        return what(Context(self.settings, Stream([self.events.append])), *more, **options)

    def asked(self, targets=(), **more):
        return JobRequest(self.repository, targets=targets or (TARGET,), **more)

    def restore(self, *targets):
        return self._rows(self._call(caching.restore, self.asked(targets), str(self.place)))

    def save(self, *targets):
        return self._rows(self._call(caching.save, self.asked(targets), str(self.place)))

    def build(self, *targets, shard=""):
        job = self._call(build.prepare, ProjectRequest(self.repository, targets=targets or (TARGET,)), shard=shard)
        return self._call(build.run, job)

    def test(self):
        opened = self._call(open_project, ProjectRequest(self.repository))
        return gate.test(Context(self.settings, Stream()), opened.facts, opened.config, opened.toolchain)

    @property
    def warm(self):
        return Warm(self.settings.cache, self.repository)

    def entries(self):
        """Every entry of the build caches, with its time."""
        return {path.name: path.stat().st_mtime_ns for path in self.warm.root.glob("go/*/*/*-[ad]")}

    def compiled(self, before):
        """The packages and test results that were made since."""
        new = [path for path in self.warm.root.glob("go/*/*/*-d") if path.name not in before]
        return [path for path in new if not path.read_bytes().startswith(b"go index")]

    @staticmethod
    def _rows(rows):
        return {row.kind: row.done for row in rows}


@pytest.fixture
def job(tmp_path, settings, part):
    part("git")
    numbers = iter(range(10))
    return lambda *files: Job(tmp_path / f"job{next(numbers)}", settings, tmp_path / "place", *files)


MISSED = dict.fromkeys(["modules", "deps", "own", "tests", "results"], "missed")


def test_the_next_job_compiles_and_tests_nothing_again(job):
    first = job()
    assert first.restore() == MISSED
    first.test()
    ledger = first.build()
    assert first.save() == {"modules": "kept", "deps": "saved", "own": "saved", "tests": "saved", "results": "kept"}
    here = {"deps": "kept", "own": "kept", "tests": "kept"}
    assert first.restore() == {**MISSED, **here}  # what was packed from it is not brought to it
    second = job()
    assert second.restore() == {**dict.fromkeys(MISSED, "restored"), "modules": "missed", "results": "missed"}
    assert second.restore() == {**MISSED, **here}  # a second time nothing is brought again
    before = second.entries()
    again = second.build()
    assert not second.compiled(before)
    assert {name: each.sha256 for name, each in again.artifacts.items()} == {
        name: each.sha256 for name, each in ledger.artifacts.items()
    }
    aside = (second.repository.parent / "gocache").glob("*/*-d")
    assert not [path for path in aside if path.read_bytes().startswith(b"!<arch>")]  # Go's own cache has no part in it
    assert second.save() == dict.fromkeys(["modules", "deps", "own", "tests"], "kept")


def test_after_two_shards_a_red_vet_and_an_unchanged_run_nothing_is_compiled_again(job):
    both = (TARGET, "linux/amd64" if TARGET == "linux/arm64" else "linux/arm64")
    legs = [job(), job()]
    for number, leg in enumerate(legs, 1):
        leg.restore(*both)
        if number == 1:
            leg.test()
        leg.build(*both, shard=f"{number}/2")
    for leg in legs:
        leg.save(*both)
    red = job()
    red.restore(*both)
    (red.repository / "price" / "price.go").write_text(
        'package price\n\nimport "fmt"\n\nfunc Of(s string) int { fmt.Printf("%d", s); return len(s) }\n'
    )
    with pytest.raises(gate.VetFailed):
        red.test()
    assert "saved" not in red.save(*both).values()
    same = job()
    same.restore(*both)
    same.build(*both)
    same.build(*both)
    assert "saved" not in same.save(*both).values()
    warm = job()
    warm.restore(*both)
    before = warm.entries()
    warm.test()
    warm.build(*both)
    assert not [path for path in warm.compiled(before) if path.read_bytes().startswith(b"!<arch>")]


def test_the_parts_of_a_projects_work_have_packs_of_their_own(job):
    """A job that tests brings and keeps nothing for the targets, one that builds a shard nothing for other targets."""
    first = job()

    def names(*works, targets=("linux/amd64", "linux/arm64"), shard=""):
        return first._call(caching.names, first.asked(targets, works=works, shard=shard))

    whole, builds, tests = names(*WORKS), names("build"), names("test")
    assert len({each.slots for each in (whole, builds, tests, names("build", shard="1/2"))}) == 4
    assert names("test", targets=("linux/riscv64",)).slots == tests.slots
    assert (
        names("build", targets=("linux/arm64", "linux/amd64"), shard="2/2").slots
        == names("build", targets=("linux/amd64",)).slots
    )
    assert len({(each.project, each.modules, each.deps) for each in (whole, builds, tests)}) == 1
    kinds = {
        works: {row.kind for row in first._call(caching.restore, first.asked((), works=works), str(first.place))}
        for works in (("build",), ("test",))
    }
    assert kinds == {("build",): {"modules", "deps", "own"}, ("test",): {"modules", "deps", "tests", "results"}}


@full()
def test_a_hundred_pushes_keep_less_than_two_gigabytes(job):
    """By count, from real packs: what a run keeps at first, and what it keeps after one line has changed.

    A project of a hundred times this one's own code on four targets is reckoned with, whose dependencies take as much
    as the standard library; every twentieth push bumps one, and everything is kept anew.
    """

    def run(change):
        work = job()
        work.restore()
        file = work.repository / "price" / "price.go"
        file.write_text(file.read_text() + change)
        work.test()
        work.build()
        rows = work._call(caching.save, work.asked(), str(work.place))
        return {row.kind: row.bytes for row in rows if row.done == "saved"}

    first, push = run(""), run("\nfunc More() int { return 1 }\n")
    assert set(push) <= {"own", "results"}, "what is written once is found"
    targets, code, others = 4, 100, 2
    # Tests have a dependencies' pack of their own, beside that of the build.
    whole = others * ((targets + 1) * first["deps"] + first["tests"]) + targets * code * first["own"]
    each = targets * code * push["own"] + code * push.get("results", 0)
    print(f"first {first}, a push {push}: {(5 * whole + 95 * each) / 1e9:.2f} GB")
    assert 5 * whole + 95 * each < 2e9
