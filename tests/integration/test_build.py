"""Builds with the real go and git, of a repository made up here: small, from the standard library's runtime alone."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from goferry.artifacts import Ledger, Toolchain
from goferry.artifacts.ledger import DistSealed
from goferry.config import model
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.config.workspace import gowork
from goferry.gobuild import build_plan, executor, facts, folder, gate, merge, resources
from goferry.gobuild._compiler import CompileFailed
from goferry.gobuild.folder import DistBusy, DistForeign
from goferry.gobuild.ledger_services import ServiceUnknown
from goferry.gobuild.mains import MainMissing, MainUnknown, ProgramCollision, ProgramNameInvalid
from goferry.gobuild.project_modules import ModuleMissing
from goferry.gobuild.replaced import CodeReplaced
from goferry.gobuild.shard import Shard
from goferry.golang._toolchain_store import host
from goferry.observe.events import Stream
from goferry.pipeline import build as pipeline, inspection
from goferry.pipeline.project import OpenProject
from goferry.trust._release_manifest import describe

MAIN = (
    'package main\n\nvar version = "dev"\n\nvar commit, date string\n\nfunc main() { println(version, commit, date) }\n'
)
DATE = "2026-11-20T10:00:00Z"


@pytest.fixture(scope="module")
def gocache(tmp_path_factory):
    """A build cache of this module's own: whether something is compiled is the subject here."""
    return str(tmp_path_factory.mktemp("gocache"))


@pytest.fixture
def repository(tmp_path, part):
    part("git")
    return make(
        tmp_path / "shop",
        {"go.mod": "module example.com/team/shop/v3\n\ngo 1.21\n", "main.go": MAIN, "LICENSE": "free\n"},
    )


def git(root, *words):
    author = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    environ = {**os.environ, "GIT_COMMITTER_DATE": DATE, "GIT_AUTHOR_DATE": DATE}
    return subprocess.run(
        ["git", *author, *words], cwd=root, env=environ, check=True, capture_output=True, text=True
    ).stdout


def make(root, files, tag="v3.1.0"):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    if tag:
        git(root, "tag", tag)
    return root


class Work:
    """Looks, plans and builds with what the fixtures give."""

    def __init__(self, toolchain, settings):
        self.toolchain, self.settings, self.events = toolchain, settings, []

    def look(self, root, config=None, **options):
        return facts.inspect_repository(root, self.toolchain, self.settings, config or model.Project(), **options)

    def build(self, root, out, config=None, *, targets=("linux/amd64",), shard=None, **options):
        config = config or model.Project()
        found = self.look(root, config, asked=targets, out=out, **options)
        folder.ours(out)
        made = build_plan.plan(found, config, resources.read(), shard=shard)
        return executor.build(Context(self.settings, Stream([self.events.append])), made, self.toolchain, out)


@pytest.fixture
def work(toolchain, settings):
    return Work(toolchain, settings)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_go_work_above_the_repository_changes_nothing(work, tmp_path, part):
    """On a runner that others share, the folder above the checkout is not the repository's."""
    part("git")
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "go.mod").write_text("module example.com/dep\n\ngo 1.21\n")
    (tmp_path / "evil" / "dep.go").write_text('package dep\n\nfunc Say() string { return "evil" }\n')
    (tmp_path / "go.work").write_text("go 1.21\n\nuse (\n\t./shop\n\t./evil\n)\n")
    repository = make(
        tmp_path / "shop",
        {
            "go.mod": "module example.com/team/shop/v3\n\ngo 1.21\n\nrequire example.com/dep v0.0.0\n\n"
            "replace example.com/dep => ./dep\n",
            "main.go": 'package main\n\nimport "example.com/dep"\n\nfunc main() { println(dep.Say()) }\n',
            "dep/go.mod": "module example.com/dep\n\ngo 1.21\n",
            "dep/dep.go": 'package dep\n\nfunc Say() string { return "good" }\n',
        },
    )
    ledger = work.build(repository, repository / "dist", targets=("/".join(host()),))
    (binary,) = [each.name for each in ledger.artifacts.values() if each.kind == "binary"]
    said = subprocess.run([repository / "dist" / binary], capture_output=True, text=True, check=True).stderr
    assert said == "good\n"
    (repository / "go.work").write_text("go 1.21\n\nuse (\n\t.\n\t../evil\n)\n")
    assert gowork(repository, {}) == gowork(repository / "dep", {}) == str(repository / "go.work")


def test_a_build_is_whole_says_its_version_and_is_not_done_again(work, repository):
    out = repository / "dist"
    ledger = work.build(repository, out)
    assert names(out) == ["goferry.json", "shop_3.1.0_linux_amd64.tar.gz", "shop_linux_amd64"]
    said = subprocess.run([out / "shop_linux_amd64"], check=True, capture_output=True, text=True).stderr
    assert said.split() == ["v3.1.0", git(repository, "rev-parse", "HEAD").strip(), DATE]
    assert (ledger.snapshot, ledger.dirty, ledger.artifacts["shop_linux_amd64"].meta["program"]) == (
        False,
        False,
        "shop",
    )
    with tarfile.open(out / "shop_3.1.0_linux_amd64.tar.gz") as tar:
        assert tar.getnames() == ["LICENSE", "shop"]
    before = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.iterdir()}
    work.events.clear()
    assert work.build(repository, out) == ledger
    assert {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.iterdir()} == before
    ends = {(event.stage, event.outcome, event.message) for event in work.events if event.kind == "end"}
    assert ends == {(stage, "skipped", "unchanged") for stage in ("build", "archive")}
    (out / "shop_linux_amd64").write_bytes(b"broken")
    again = work.build(repository, out)
    assert again.artifacts == ledger.artifacts


DECIDES = {
    ".gitignore": "/web/\n/zz_generated.go\n/default.pgo\n/NOTES\n/dist/\n",
    "go.mod": "module example.com/shop\n\ngo 1.21\n\nrequire example.com/dep v0.0.0 // indirect\n\n"
    "replace example.com/dep => ../dep\n",
    "main.go": 'package main\n\nimport (\n\t_ "embed"\n\n\t"example.com/dep"\n)\n\n//go:embed web/index.html\nvar web string\n\n'
    "func number() int\n\nfunc main() { println(number(), dep.Word, web) }\n",
    "number_amd64.s": '#include "number.h"\n\nTEXT ·number(SB), 4, $0-8\n\tMOVQ $NUMBER, ret+0(FP)\n\tRET\n',
    "number.h": "#define NUMBER 7\n",
    "tagged.go": "//go:build extra\n\npackage main\n\nfunc init() { println(1) }\n",
}


def test_whatever_decides_the_bytes_is_built_again_and_nothing_else_is(work, tmp_path, part):
    part("git")
    dep, out = tmp_path / "dep", tmp_path / "out"
    for path, text in {"go.mod": "module example.com/dep\n", "dep.go": 'package dep\n\nconst Word = "a"\n'}.items():
        dep.mkdir(exist_ok=True)
        (dep / path).write_text(text)
    root = make(tmp_path / "shop", DECIDES, tag="")
    (root / "web").mkdir()
    (root / "web" / "index.html").write_text("one\n")
    (root / "NOTES").write_text("one\n")
    files = {"files": ["NOTES"]}

    def built(**builds):
        work.events.clear()
        config = model.Project(builds=model.Builds(**{**files, **builds}))
        work.build(root, out, config)
        return {event.stage for event in work.events if event.kind == "end" and event.outcome == "done"}

    whole, archive, nothing = {"build", "archive"}, {"archive", "build"}, set()
    assert built() == whole
    assert built() == nothing, "a go.mod with an indirect line, and ignored files that did not change"
    for name, text in {
        "web/index.html": "two\n",
        "zz_generated.go": "package main\n\nfunc init() { println(2) }\n",
        "number.h": "#define NUMBER 8\n",
        "../dep/dep.go": 'package dep\n\nconst Word = "b"\n',
    }.items():
        (root / name).write_text(text)
        assert built() == whole, name
        assert built() == nothing, name
    before = (out / "shop_linux_amd64").stat().st_ino
    (root / "NOTES").write_text("two\n")
    assert built() == archive
    assert (out / "shop_linux_amd64").stat().st_ino == before, "a file of the archives alone"
    (root / "NOTES").chmod(0o755)
    assert built() == archive
    assert built(tags=["extra"]) == whole
    assert built(tags=["extra"], ldflags=["-X=main.x=y"]) == whole
    assert built(tags=["extra"], ldflags=["-X=main.x=y"], env={"GOFLAGS": "-gcflags=-l"}) != nothing


def test_what_is_built_in_beside_the_commit_is_listed(work, tmp_path, part):
    part("git")
    root = make(
        tmp_path / "shop",
        {
            ".gitignore": "/web/dist/\nzz_*\n/NOTES\n/dist/\nnode_modules/\ndefault.pgo\n",
            "go.mod": "module example.com/shop\n\ngo 1.21\n",
            "main.go": MAIN,
            "web/web.go": 'package web\n\nimport _ "embed"\n\n//go:embed dist/index.html\nvar Page string\n',
            "cmd/web/main.go": 'package main\n\nimport "example.com/shop/web"\n\nfunc main() { println(web.Page) }\n',
            "unused/unused.go": "package unused\n",
        },
        tag="v1.0.0",
    )
    ignored = {
        "web/dist/index.html": "page\n",
        "zz_generated.go": "package main\n\nfunc init() { println(1) }\n",
        "NOTES": "notes\n",
        "unused/zz_unused.go": "package unused\n",
        "zz_test.go": "package main\n",
        "node_modules/x/x.h": "",
    }
    for name, text in ignored.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    config, out = model.Project(builds=model.Builds(files=["NOTES"])), root / "dist"

    def built():
        work.events.clear()
        found = work.look(root, config, asked=["linux/amd64"], out=out)
        opened = OpenProject(config, None, "shop", root, root, work.toolchain, found)
        stream = Stream([work.events.append])
        ledger = pipeline.run(Context(work.settings, stream), pipeline.planned(opened, out=out))
        return ledger, {entry.path: entry.sha256 for entry in ledger.uncommitted}

    ledger, listed = built()
    assert (ledger.dirty, ledger.snapshot) == (False, False)
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in ignored.items()}
    assert listed == {name: digests[name] for name in ("NOTES", "web/dist/index.html", "zz_generated.go")}
    notes = [event.message for event in work.events if event.kind == "note"]
    assert f"not in the commit: NOTES  {digests['NOTES']}" in notes
    assert describe(ledger, sequence=1, now=1, signatures=[]).uncommitted == sorted(listed)
    looked = work.look(root, config, asked=["linux/amd64"])
    opened = OpenProject(config, None, "shop", root, root, work.toolchain, looked)
    found = inspection.beside(opened, work.settings)
    assert found == inspection.Beside(listed), "inspecting tells what building does"
    assert inspection.record(opened, found).uncommitted == ledger.uncommitted
    assert "  beside    zz_generated.go is built in and not in the commit" in inspection.lines(opened, found)
    assert built() == (ledger, listed), "asked of nobody again where Go found nothing to do"
    (root / "zz_generated.go").unlink()
    assert sorted(built()[1]) == ["NOTES", "web/dist/index.html"]
    (root / "go.work").write_text("go 1.21\n\nuse .\n")
    (root / ".git" / "info" / "exclude").write_text("go.work\n")
    with pytest.raises(CodeReplaced, match=r"go\.work is not committed"):
        built()


def test_what_git_converted_and_go_reads_is_refused(work, tmp_path, part):
    part("git")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 9\n"
    root = make(
        tmp_path / "shop",
        {
            ".gitattributes": "*.bin filter=lfs -text\n",
            "go.mod": "module example.com/shop\n\ngo 1.21\n",
            "main.go": MAIN,
            "page.go": 'package main\n\nimport _ "embed"\n\n//go:embed page.html\nvar page string\n',
            "page.html": "one\ntwo\n",
            "main_windows.go": "package main\n",
            "model.bin": pointer,
        },
        tag="v1.0.0",
    )

    def told():
        found = work.look(root, model.Project(), asked=["linux/amd64"])
        assert not found.dirty
        return [each.what.partition(" ")[0] for each in found.replaced]

    assert told() == [], "nobody reads the pointer"
    git(root, "config", "core.autocrlf", "true")
    git(root, "rm", "-rq", "--cached", ".")
    git(root, "reset", "-q", "--hard")
    assert told() == ["main.go", "page.go", "page.html"], "what another platform reads is none"
    config = model.Project(builds=model.Builds(files=["model.bin"]))
    (only,) = (each.what for each in work.look(root, config, asked=["linux/amd64"]).replaced if "LFS" in each.what)
    assert only.startswith("model.bin is a pointer")
    (root / "main.go").write_text(MAIN + "// changed\n")
    changed = work.look(root, model.Project(), asked=["linux/amd64"], wanted="v1.0.1")
    assert (changed.dirty, changed.snapshot, changed.replaced) == (True, False, ()), "what git tells is told as ever"


def stamped(toolchain, program):
    """What a program says of itself: `mod` and the `vcs` settings."""
    done = subprocess.run([toolchain.go, "version", "-m", program], check=True, capture_output=True, text=True)
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    settings = dict(row[1].split("=", 1) for row in rows if row[0] == "build" and "=" in row[1])
    mod = next(row for row in rows if row[0] == "mod")
    return mod[2] if len(mod) > 2 else "", {key: value for key, value in settings.items() if key.startswith("vcs")}


def test_a_program_tells_the_commit_and_the_version_that_is_released(work, repository, tmp_path):
    git(repository, "tag", "v3.1.0-rc.1")
    git(repository, "tag", "v3.2.0-rc.1")
    commit = git(repository, "rev-parse", "HEAD").strip()

    def built(root, **options):
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        work.build(root, out, **options)
        return out / "shop_linux_amd64"

    whole = built(repository, wanted="v3.1.0-rc.1")
    told = {"vcs": "git", "vcs.revision": commit, "vcs.time": DATE, "vcs.modified": "false"}
    assert stamped(work.toolchain, whole) == ("v3.1.0-rc.1", told), "the candidate beside the final"
    full = built(repository, wanted="v3.1.0")
    assert stamped(work.toolchain, full) == ("v3.1.0", told)
    git(repository, "worktree", "add", "-q", "--detach", tmp_path / "linked", "v3.1.0")
    shallow, sparse = tmp_path / "shallow", tmp_path / "sparse"
    address = repository.as_uri()
    git(tmp_path, "clone", "-q", "--depth=1", "--branch=v3.1.0", address, shallow)
    git(tmp_path, "clone", "-q", "--no-checkout", "--separate-git-dir", tmp_path / "elsewhere", address, sparse)
    git(sparse, "sparse-checkout", "set", "--no-cone", "/*", "!/LICENSE")
    git(sparse, "checkout", "-q", "v3.1.0")
    (shallow / "bin").mkdir()
    for root in (tmp_path / "linked", shallow, sparse):
        assert built(root, wanted="v3.1.0").read_bytes() == full.read_bytes(), root.name
    git(repository, "tag", "v3.9.9")
    assert built(repository, wanted="v3.1.0").read_bytes() == full.read_bytes(), "more tags on the commit"
    off = model.Project(builds=model.Builds(buildvcs=False))
    assert stamped(work.toolchain, built(repository, config=off))[1] == {}
    hook = dict.fromkeys(("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"), "/nowhere")
    hook |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.useReplaceRefs", "GIT_CONFIG_VALUE_0": "false"}
    hook |= {"GIT_CONFIG_PARAMETERS": "'core.usereplacerefs'='false'", "GIT_REPLACE_REF_BASE": "refs/other/"}
    work.settings = replace(work.settings, environ={**work.settings.environ, **hook})
    assert built(repository, wanted="v3.1.0").read_bytes() == full.read_bytes(), "in a git hook"
    (repository / "main.go").write_text(MAIN + "// changed\n")
    for tag in ("v3.9.9", "v3.2.0-rc.1", "v3.1.0-rc.1"):
        git(repository, "tag", "-d", tag)
    version, settings = stamped(work.toolchain, built(repository))
    assert (version, settings["vcs.modified"]) == ("v3.1.0+dirty", "true")
    git(repository, "commit", "-q", "-a", "-m", "second")
    found = work.look(repository)
    assert found.version.startswith("v3.1.1-0.2026")
    assert stamped(work.toolchain, built(repository))[0] == found.version, "a pseudo-version of its own base"


SHOWS = """package main

import (
	"github.com/prometheus/common/version"

	"example.com/shop/internal/build"
)

func main() {
	println(build.Version, build.Commit, build.Date)
	println(version.Version, version.Revision, version.BuildDate, version.Branch)
}
"""


@pytest.fixture
def versioned(tmp_path, part):
    """A version package of the project's own, and one of a module that is replaced by a folder of the repository."""
    part("git")
    return make(
        tmp_path / "shop",
        {
            ".gitignore": "/dist/\n",
            "go.mod": "module example.com/shop\n\ngo 1.21\n\nrequire github.com/prometheus/common v0.60.0\n\n"
            "replace github.com/prometheus/common => ./common\n",
            "common/go.mod": "module github.com/prometheus/common\n\ngo 1.21\n",
            "common/version/info.go": 'package version\n\nvar Version, Revision, BuildDate string\n\nvar Branch = "main"\n',
            "internal/build/build.go": 'package build\n\nvar Version = "dev"\n\nvar Commit, Date string\n',
            "cmd/api/main.go": SHOWS,
            "cmd/cli/main.go": 'package main\n\nfunc main() { println("cli") }\n',
        },
        tag="v1.2.0",
    )


def test_version_packages_tell_the_release(work, versioned):
    out = versioned / "dist"
    work.build(versioned, out, targets=("/".join(host()),))
    program = next(out.glob("api_*"))
    said = subprocess.run([program], check=True, capture_output=True, text=True).stderr.splitlines()
    told = f"v1.2.0 {git(versioned, 'rev-parse', 'HEAD').strip()} {DATE}"
    assert said == [told, f"{told} main"]
    assert subprocess.run([next(out.glob("cli_*"))], check=True, capture_output=True).stderr == b"cli\n"


def test_programs_and_archives_are_named_as_the_configuration_says(work, versioned):
    out, (goos, goarch) = versioned / "dist", host()

    def built(**names):
        config = model.Project(builds=model.Builds(**names))
        return work.build(versioned, out, config, targets=(f"{goos}/{goarch}",))

    built(binary_name="{program}-{version}.{os}-{arch}", archive_name="all-of-{project}+{short-commit}")
    programs = [f"{name}-v1.2.0.{goos}-{goarch}" for name in ("api", "cli")]
    archive = f"all-of-shop+{git(versioned, 'rev-parse', 'HEAD')[:12]}.tar.gz"
    assert names(out) == sorted([archive, *programs, "goferry.json"])
    assert subprocess.run([out / programs[1]], check=True, capture_output=True).stderr == b"cli\n"
    with tarfile.open(out / archive) as tar:
        assert tar.getnames() == ["api", "cli"], "who unpacks it finds the programs by their own names"
    ledger = built(binary_name="{program}", archive_name="{project}")
    assert names(out) == ["api", "cli", "goferry.json", "shop.tar.gz"], "what had the former names is gone"
    assert {name: ledger.artifacts[name].meta.get("program") for name in ("api", "cli")} == {"api": "api", "cli": "cli"}
    with pytest.raises(ProgramCollision, match="two files would be named shop"):
        built(binary_name="{project}")


def test_where_git_can_not_be_asked_nothing_is_stamped_and_a_note_says_so(work, repository, tmp_path):
    commit = git(repository, "rev-parse", "HEAD").strip()
    found = work.look(repository, asked=["linux/amd64"])
    (repository / ".git" / "objects" / commit[:2] / commit[2:]).unlink()
    made = build_plan.plan(found, model.Project(), resources.read())
    executor.build(Context(work.settings, Stream([work.events.append])), made, work.toolchain, tmp_path / "out")
    assert stamped(work.toolchain, tmp_path / "out" / "shop_linux_amd64")[1] == {}
    assert any("no commit and version: git can't read" in event.message for event in work.events)


RUN = """
import _strptime, os, sys, tarfile, tempfile, zipfile
from pathlib import Path
from goferry.gobuild import build_plan, executor, facts, resources
from goferry.config import model
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.artifacts import Toolchain
from goferry.observe.events import Stream
root, out, goroot, version = sys.argv[1:]
if os.environ.get("BECOME"):  # after the imports: this Python may lie where only root can read
    os.setgroups([])
    os.setgid(int(os.environ["BECOME"]))
    os.setuid(int(os.environ["BECOME"]))
toolchain = Toolchain(version, Path(goroot), "machine", "unproven")
settings = Settings(dict(os.environ), Path(os.environ["HOME"]))
found = facts.inspect_repository(Path(root), toolchain, settings, model.Project(), asked=["linux/amd64"], out=Path(out))
made = build_plan.plan(found, model.Project(), resources.Machine(*map(int, os.environ["MACHINE"].split())))
executor.build(Context(settings, Stream()), made, toolchain, Path(out))
"""


def reachable(goroot, base):
    """A toolchain that every user can read: it itself, or a copy where it lies in somebody's home."""
    if all(folder.stat().st_mode & 0o001 for folder in goroot.parents):
        return goroot
    return shutil.copytree(goroot, base / "go", symlinks=True, ignore=shutil.ignore_patterns("test", "testdata"))


def test_two_folders_caches_zones_umasks_and_users_give_the_same_bytes(repository, toolchain, root):
    base = Path(tempfile.mkdtemp(prefix="goferry-"))
    base.chmod(0o755)
    try:
        built = []
        nobody = 65534 if os.geteuid() == 0 else None
        goroot = reachable(Path(toolchain.goroot), base)
        for name, zone, umask, user, cores in (
            ("a", "UTC", 0o022, None, "2 8000"),
            ("b/deeper", "Asia/Kathmandu", 0o077, nobody, "1 600"),
        ):
            place = base / name
            shutil.copytree(repository, place / "src")
            (place / "home").mkdir()
            (place / "out").mkdir()
            if user:
                for folder_ in (place / "home", place / "out"):
                    os.chown(folder_, user, user)
            hostile = {
                "GOFLAGS": "-tags=evil -ldflags=-X=main.version=evil",
                "CGO_ENABLED": "1",
                "GOAMD64": "v3",
                "GOEXPERIMENT": "x",
            }
            environ = {
                "PATH": os.environ["PATH"],
                "HOME": str(place / "home"),
                "TZ": zone,
                "PYTHONPATH": str(root / "src"),
                "GOCACHE": str(place / "home/cache"),
                "GOPROXY": "off",
                "MACHINE": cores,
                "PYTHONDONTWRITEBYTECODE": "1",
                **({"BECOME": str(user)} if user else {}),
                **(hostile if name != "a" else {}),
            }
            words = [sys.executable, "-c", RUN, place / "src", place / "out", goroot, toolchain.version]
            done = subprocess.run(
                words, env=environ, umask=umask, cwd=place, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            built.append(
                {path.name: (path.read_bytes(), path.stat().st_mode & 0o777) for path in (place / "out").iterdir()}
            )
        first, second = built
        assert first.keys() == second.keys()
        for name in first.keys() - {"goferry.json"}:
            assert first[name] == second[name], name
        ledgers = [Ledger.parse(made["goferry.json"][0]) for made in built]
        assert ledgers[0].artifacts == ledgers[1].artifacts
    finally:
        shutil.rmtree(base, ignore_errors=True)


def test_mains_by_target_tags_and_ignored_files(work, tmp_path):
    root = make(
        tmp_path / "many",
        {
            "go.mod": "module example.com/many\n\ngo 1.21\n",
            "lib.go": "package many\n",
            "cmd/api/main.go": "package main\n\nfunc main() {}\n",
            "cmd/agent/main_linux.go": "package main\n\nfunc main() {}\n",
            "cmd/service/main_windows.go": "package main\n\nfunc main() {}\n",
            "cmd/extra/main.go": "//go:build extra\n\npackage main\n\nfunc main() {}\n",
            "cmd/nomain/x.go": "package main\n\n// func main() {}\n",
            "gen.go": "//go:build ignore\n\npackage main\n\nfunc main() {}\n",
            "testdata/x/main.go": "package main\n\nfunc main() {}\n",
        },
        tag="",
    )
    found = work.look(root, asked=["linux/amd64", "windows/amd64"])
    assert [(m.path, m.program, m.targets) for m in found.mains] == [
        ("./cmd/agent", "agent", ("linux/amd64",)),
        ("./cmd/api", "api", ("linux/amd64", "windows/amd64")),
        ("./cmd/service", "service", ("windows/amd64",)),
    ]
    assert found.version.startswith("v0.0.0-20261120100000-")
    tagged = work.look(root, model.Project(builds=model.Builds(tags=["extra"])), asked=["linux/amd64"])
    assert [m.program for m in tagged.mains] == ["agent", "api", "extra"]
    with pytest.raises(MainMissing):
        work.look(
            root, model.Project(builds=model.Builds(mains=["./cmd/agent"])), asked=["linux/amd64", "windows/amd64"]
        )
    with pytest.raises(MainUnknown) as caught:
        work.look(root, model.Project(builds=model.Builds(mains=["./cmd/apy"])))
    assert caught.value.advice == ("did you mean ./cmd/api?",)
    config = model.Project(services={"api": model.Service(main="./cmd/apy", listen=model.Listen(env="ADDR"))})
    with pytest.raises(ServiceUnknown):
        build_plan.plan(found, config, resources.Machine(2, 4000))


def test_a_workspace_and_a_module_in_a_subfolder(work, tmp_path):
    root = make(
        tmp_path / "mono",
        {
            "go.work": "go 1.21\n\nuse (\n\t./api\n\t./web\n)\n",
            "api/go.mod": "module example.com/mono/api\n\ngo 1.21\n",
            "api/main.go": MAIN,
            "web/go.mod": "module example.com/mono/web\n\ngo 1.21\n",
            "web/main.go": MAIN,
        },
        tag="api/v1.4.0",
    )
    found = work.look(root)
    assert (found.module, [m.program for m in found.mains]) == ("example.com/mono", ["api", "web"])
    assert found.snapshot
    assert work.look(root / "api").version == "v1.4.0"
    assert work.look(root / "web").version.startswith("v0.0.0-")
    (root / "web/main.go").write_text(MAIN + "// changed\n")
    assert work.look(root / "api").version == "v1.4.0+dirty"


def test_tags_of_other_modules_are_told_from_ones_own(work, tmp_path):
    files = {
        "go.mod": "module example.com/mono\n\ngo 1.21\n",
        "main.go": MAIN,
        "api/v2/go.mod": "module example.com/mono/api/v2\n\ngo 1.21\n",
        "api/v2/main.go": MAIN,
    }
    root = make(tmp_path / "mono", files, tag="")

    def kind(folder, tag, config=None):
        at = Settings.from_environ(
            {**work.settings.environ, "GITHUB_EVENT_NAME": "push", "GITHUB_REF": f"refs/tags/{tag}"}
        )
        found = facts.inspect_repository(root / folder, work.toolchain, at, config or model.Project(), others=["b-"])
        return found.tags.kind(tag).name

    assert [kind(".", tag) for tag in ("v1.0.0", "api/v2.0.0", "b-1.2.3", "web/v1.0.0")] == [
        "VERSION", "OTHER", "OTHER", "FORBIDDEN",
    ]  # fmt: skip
    assert [kind("api/v2", tag) for tag in ("api/v2.0.0", "v1.0.0", "api/v1.0.0")] == ["VERSION", "OTHER", "FORBIDDEN"]
    plain = model.Project(version=model.Version(scheme="semver", prefix=""))
    assert kind("api/v2", "1.2.3", plain) == "VERSION"


@pytest.mark.parametrize("name", ["sh~op", "sh..op"])
def test_a_program_whose_files_github_would_rename_is_refused(work, tmp_path, name):
    files = {"go.mod": "module example.com/x\n\ngo 1.21\n", f"cmd/{name}/main.go": MAIN}
    with pytest.raises(ProgramNameInvalid):
        work.look(make(tmp_path / "x", files))


@pytest.mark.parametrize("name", ["c++", "a~b", "a..b", "a b", "a" * 101])
def test_a_project_whose_name_no_release_can_have_is_refused(work, repository, name):
    with pytest.raises(build_plan.ProjectNameInvalid):
        build_plan.plan(work.look(repository, name=name), model.Project(), resources.read())


def test_two_programs_of_one_name_are_refused(work, tmp_path):
    files = {"go.mod": "module example.com/x\n\ngo 1.21\n", "a/cmd/srv/main.go": MAIN, "b/cmd/srv/main.go": MAIN}
    with pytest.raises(ProgramCollision):
        work.look(make(tmp_path / "x", files))


def test_no_module_names_those_below(work, tmp_path):
    with pytest.raises(ModuleMissing) as caught:
        work.look(make(tmp_path / "x", {"sub/go.mod": "module example.com/x\n", "README": ""}))
    assert "--dir sub" in caught.value.advice[0]


def test_a_library_has_nothing_to_build(work, tmp_path):
    with pytest.raises(MainMissing, match="library"):
        work.look(make(tmp_path / "x", {"go.mod": "module example.com/x\n\ngo 1.21\n", "x.go": "package x\n"}))


def test_hostile_refs_stay_text(work, repository):
    commit = git(repository, "rev-parse", "HEAD").strip()
    git(repository, "tag", "-d", "v3.1.0")
    git(repository, "update-ref", "refs/tags/--exec=touch pwned".replace(" ", "_"), commit)
    git(repository, "update-ref", "refs/heads/-x", commit)
    git(repository, "symbolic-ref", "HEAD", "refs/heads/-x")
    (repository / "HEAD").write_text("a file named like a ref\n")
    found = work.look(repository)
    assert (found.commit, found.version) == (commit, f"v3.0.0-20261120100000-{commit[:12]}+dirty")


def test_before_the_first_commit_and_outside_of_git(work, repository):
    shutil.rmtree(repository / ".git")
    found = work.look(repository)
    assert (found.commit, found.date, found.snapshot) == ("", "1980-01-01T00:00:00Z", True)
    assert found.hints[0].startswith("the folder is in no git repository: ")
    git(repository, "init", "-q")
    assert "no commit yet" in work.look(repository).hints[0]


def test_a_machine_without_git_builds_a_snapshot_and_says_what_it_is_without(toolchain, settings, repository):
    without = Work(toolchain, Settings({**settings.environ, "PATH": "/nonexistent"}, settings.cache))
    said = without.look(repository).hints[0]
    assert said.startswith("the folder is in a git repository, and git is not on PATH: this is a snapshot, v3.0.0-")
    assert said.endswith("install it:  apt-get install git")
    ledger = without.build(repository, repository / "dist")
    assert (ledger.commit, ledger.snapshot, ledger.dirty) == ("", True, False)
    assert "git" not in " ".join(event.message for event in without.events if event.level == "warning")


def test_a_shallow_clone_keeps_its_tag_and_misses_older_ones(work, repository, tmp_path):
    (repository / "more.go").write_text("package main\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "second")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth=1", repository.as_uri(), clone], check=True, capture_output=True)
    found = work.look(clone)
    assert found.version.startswith("v3.0.0-2026")
    assert any("unshallow" in hint for hint in found.hints)


def test_dist_does_not_make_the_tree_dirty_but_other_files_do(work, repository):
    work.build(repository, repository / "dist")
    assert not work.look(repository).dirty
    (repository / "new\n\x1b[31m.go").write_text("package main\n")
    found = work.look(repository)
    assert found.version == "v3.1.0+dirty"


def test_a_compiler_error_is_shown_and_dist_stays(work, repository):
    out = repository / "dist"
    work.build(repository, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (repository / "main.go").write_text(MAIN.replace("println(version", "println(undefinedName, version"))
    with pytest.raises(CompileFailed) as caught:
        work.build(repository, out)
    assert caught.value.facts["problems"][0]["file"] == "main.go"
    assert "undefined: undefinedName" in caught.value.what
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    fresh = repository / "other"
    with pytest.raises(CompileFailed):
        work.build(repository, fresh)
    assert not fresh.exists()


def test_a_killed_compiler_gets_one_more_try_alone(work, repository, tmp_path, toolchain):
    fake = tmp_path / "fake" / "bin"
    fake.mkdir(parents=True)
    real, log = toolchain.go, tmp_path / "log"
    (fake / "go").write_text(
        f'#!/bin/sh\n[ "$1" = build ] || exec {real} "$@"\necho "$GOMAXPROCS $GOGC $*" >> {log}\n'
        f'[ -e {tmp_path}/second ] && exec {real} "$@"\ntouch {tmp_path}/second\necho "compile: signal: killed" >&2\nexit 1\n'
    )
    (fake / "go").chmod(0o755)
    (fake.parent / "src").symlink_to(toolchain.goroot / "src")
    work.toolchain = Toolchain(toolchain.version, fake.parent, "machine", "unproven")
    work.build(repository, repository / "dist")
    _, second = log.read_text().splitlines()
    assert " -p=1 " in second
    assert second.startswith("1 50 ")
    assert any(event.level == "warning" and "memory" in event.message for event in work.events)


def test_foreign_sealed_and_busy_folders_are_refused(work, repository, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious.txt").write_text("mine")
    with pytest.raises(DistForeign):
        work.build(repository, out)
    assert names(out) == ["precious.txt"]
    (out / "precious.txt").unlink()
    work.build(repository, out)
    (out / "precious.txt").write_text("mine")
    with pytest.raises(DistForeign):
        work.build(repository, out)
    (out / "precious.txt").unlink()
    (out / "SHA256SUMS").write_text("")
    with pytest.raises(DistSealed):
        work.build(repository, out)
    (out / "SHA256SUMS").unlink()
    with folder.work(out), pytest.raises(DistBusy), folder.work(out):
        pass


def test_an_interrupt_leaves_nothing_behind(work, repository, tmp_path, toolchain):
    fake = tmp_path / "fake" / "bin"
    fake.mkdir(parents=True)
    (fake / "go").write_text(f'#!/bin/sh\n[ "$1" = build ] || exec {toolchain.go} "$@"\nexec sleep 300\n')
    (fake / "go").chmod(0o755)
    (fake.parent / "src").symlink_to(toolchain.goroot / "src")
    out = tmp_path / "out"
    words = [sys.executable, "-c", RUN, repository, out, fake.parent, toolchain.version]
    environ = {
        **work.settings.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "MACHINE": "2 8000",
    }
    process = subprocess.Popen(words, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    begun = time.monotonic()
    while not (out / ".building" / "files").exists():
        assert process.poll() is None
        assert time.monotonic() - begun < 30
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(15) != 0
    assert not out.exists()


def test_shards_built_apart_and_merged_equal_the_whole(work, repository, tmp_path):
    both = ("linux/amd64", "linux/arm64")
    whole = work.build(repository, tmp_path / "whole", targets=both)
    parts = [tmp_path / "one", tmp_path / "two"]
    for index, part_folder in enumerate(parts, 1):
        work.build(repository, part_folder, targets=both, shard=Shard(index, 2))
    merged = merge.merge(parts, tmp_path / "merged")
    assert merged.artifacts == whole.artifacts
    assert names(tmp_path / "merged") == names(tmp_path / "whole")


def test_the_gate_passes_and_names_what_fails(work, repository):
    def judged():
        found = work.look(repository, asked=["linux/amd64"])
        return gate.test(Context(work.settings, Stream()), found, model.Project(), work.toolchain)

    (repository / "main_test.go").write_text('package main\n\nimport "testing"\n\nfunc TestVersion(t *testing.T) {}\n')
    report = judged()
    assert [(p.package, p.outcome, p.tests) for p in report.packages] == [("example.com/team/shop/v3", "pass", 1)]
    (repository / "main_test.go").write_text(
        'package main\n\nimport "testing"\n\nfunc TestVersion(t *testing.T) { t.Fatal("no\\x1b[31m") }\n'
    )
    with pytest.raises(gate.TestsFailed) as caught:
        judged()
    assert "main_test.go:5: no" in caught.value.what
    assert caught.value.facts["packages"][0]["failed"] == ["TestVersion"]
    (repository / "main_test.go").write_text(
        'package main\n\nimport "testing"\n\nfunc TestVersion(t *testing.T) { t.Fatalf("%d", "x") }\n'
    )
    with pytest.raises(gate.VetFailed) as vetted:
        judged()
    assert vetted.value.facts["problems"][0]["line"] == 5


def test_the_command_line_plans_what_it_then_builds(work, repository, tmp_path, monkeypatch, capsys):
    from goferry.cli import main
    from goferry.pipeline import project

    monkeypatch.setattr(project.golang, "setup_go", lambda *_, **__: work.toolchain, raising=False)
    for key in [key for key in os.environ if key.startswith(("GO", "XDG"))]:
        monkeypatch.delenv(key)
    for key, value in work.settings.environ.items():
        monkeypatch.setenv(key, value)
    out = tmp_path / "out"
    words = [
        "build",
        "--dir",
        str(repository),
        "--targets",
        "linux/amd64,windows/amd64",
        "--version",
        "v3.2.0",
        "--out",
        str(out),
        "--json",
    ]
    assert main.run([*words, "--dry-run"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert not out.exists()
    assert main.run(words) == 0
    built = json.loads(capsys.readouterr().out)
    wanted = [name for step in planned["steps"] for name in step["writes"]]
    assert sorted(wanted) == sorted(entry["name"] for entry in built["artifacts"])
    assert "shop_3.2.0_windows_amd64.zip" in wanted
    assert built["version"] == "v3.2.0"
    assert main.run(["inspect", "--dir", str(repository), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == "v3.1.0"
    assert main.run(["build", "--dir", str(repository), "--version", "3.2", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "version-invalid"


def test_what_is_started_for_a_build_with_nothing_to_do(work, repository, tmp_path, monkeypatch):
    """The programs, not the clock: each of them is some milliseconds, and Go's are most of such a build's time."""
    from goferry.cli import main
    from goferry.pipeline import project
    from goferry.system import process

    monkeypatch.setattr(project.golang, "setup_go", lambda *_, **__: work.toolchain, raising=False)
    for key in [key for key in os.environ if key.startswith(("GO", "XDG"))]:
        monkeypatch.delenv(key)
    for key, value in work.settings.environ.items():
        monkeypatch.setenv(key, value)
    started = []
    run = process.run

    def recorded(argv, **options):
        started.append([Path(argv[0]).name, *map(str, argv[1:])])
        return run(argv, **options)

    monkeypatch.setattr(process, "run", recorded)
    words = ["--dir", str(repository), "--out", str(tmp_path / "out"), "--json"]
    assert main.run(["build", *words, "--targets", "linux/amd64"]) == 0
    started.clear()
    assert main.run(["build", *words, "--targets", "linux/amd64"]) == 0
    verbs = sorted(f"{program} {verb}" for program, verb, *_ in started)
    assert [name for name in verbs if name.startswith("go ")] == ["go build", "go env"]
    asked = ["cat-file", "for-each-ref", "log", "ls-files", "rev-parse", "status"]
    assert [name for name in verbs if name.startswith("git ")] == [f"git {name}" for name in asked]
    main_file = repository / "main.go"
    main_file.write_text(main_file.read_text() + "\nconst another = 1\n")
    started.clear()
    assert main.run(["build", *words, "--targets", "linux/amd64"]) == 0
    assert [verb for program, verb, *_ in started if program == "go"] == ["env", "build"], "no import changed"

    for number in range(8):
        put = repository / "cmd" / f"app{number}"
        put.mkdir(parents=True)
        (put / "main.go").write_text(MAIN)
    (repository / "cmd" / "app0" / "help_windows.go").write_text("package main\n\nconst help = 1\n")
    started.clear()
    assert main.run(["plan", *words, "--targets", ",".join(SIXTEEN[:15])]) == 0
    lists = [words for _, verb, *words in started if verb == "list"]
    assert [each[-1] for each in lists] == ["./...", *["./cmd/app0"] * 14], "each target is asked for what may differ"
    (repository / "cmd" / "app0" / "help_windows.go").unlink()
    started.clear()
    assert main.run(["plan", *words, "--targets", ",".join(SIXTEEN)]) == 0
    assert [verb for program, verb, *_ in started if program == "go"] == ["env", "list"]


SIXTEEN = (
    *("linux/amd64", "linux/arm64", "linux/386", "linux/arm/6", "linux/arm/7", "linux/riscv64", "linux/ppc64le"),
    *("linux/s390x", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64", "freebsd/amd64"),
    *("freebsd/arm64", "openbsd/amd64", "netbsd/amd64"),
)
