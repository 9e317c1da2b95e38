"""What stands in place of committed code, in real repositories; no Go is needed to see it."""

import os
import subprocess

import pytest

from goferry.gobuild import _index as indexes, replaced, revision
from goferry.gobuild.replaced import CodeReplaced, Replacement

ENVIRON = {"PATH": os.environ["PATH"], "HOME": os.devnull, "GOWORK": "off"}


def git(root, *words):
    author = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    done = subprocess.run(["git", *author, *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def root(tmp_path, part):
    part("git")
    root = tmp_path / "shop"
    root.mkdir()
    for name, text in {
        "go.mod": "module example.com/shop\n\ngo 1.24\n\nrequire example.com/x v1.0.0 // indirect\n",
        "main.go": "package main\n",
        "data.txt": "text\n",
        ".gitignore": "go.work\nvendor/\nzz_*\nlocal/\n",
        "lib/lib.go": "package lib\n",
        "lib/go.mod": "module example.com/lib\n",
    }.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


def found(root, flags="", **environ):
    index = indexes.read(root, ENVIRON)
    return [each.what for each in replaced.find(index, root, [root], {**ENVIRON, **environ}, flags)]


def write(root, name, text):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def test_a_plain_repository_with_comments_and_added_files_has_none(root):
    write(root, "zz_generated.go", "package main\n")
    write(root, "go.mod", (root / "go.mod").read_text() + "\nreplace example.com/lib => ./lib\n")
    git(root, "commit", "-qam", "second")
    assert found(root) == []


def _unseen(flag, change):
    def do(root):
        git(root, "update-index", flag, "main.go")
        change(root / "main.go")

    return do


def _edit(path):
    path.write_text("package evil\n")


def _remove(path):
    path.unlink()


def _replace(target):
    def do(root):
        write(root, "go.mod", (root / "go.mod").read_text() + f"\nreplace (\n\texample.com/x => {target} // here\n)\n")
        git(root, "commit", "-qam", "second")

    return do


def _vendor(root):
    write(root, "vendor/modules.txt", "# example.com/x v1.0.0\n")
    write(root, "vendor/example.com/x/x.go", "package x\n")


def _half_vendor(root):
    _vendor(root)
    git(root, "add", "-f", "vendor/modules.txt")
    git(root, "commit", "-qm", "second")


def _link(root):
    write(root.parent, "outside.go", "package main\n")
    (root / "more.go").symlink_to("../outside.go")
    git(root, "add", "more.go")
    git(root, "commit", "-qm", "second")


def _ignored_replacement(root):
    write(root, "local/x/go.mod", "module example.com/x\n")
    _replace("./local/x")(root)


def _folder_link(root):
    write(root.parent, "out/x/x.go", "package x\n")
    (root / "x").symlink_to("../out/x")
    git(root, "add", "x")
    git(root, "commit", "-qm", "second")


def _escaped(root):
    _replace('"\\x2e./x"')(root)


def _empty_submodule(root):
    commit = git(root, "rev-parse", "HEAD").strip()
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{commit},sub")
    git(root, "commit", "-qm", "second")
    write(root, "sub/sub.go", "package evil\n")


CASES = {
    "a link to a folder": (_folder_link, "x is a link to a folder out of the repository"),
    "an escaped replacement": (_escaped, "go.mod: ../x leads out"),
    "files in a submodule that is not checked out": (_empty_submodule, "sub/ is a submodule that is not checked out"),
    "assumed unchanged and edited": (_unseen("--assume-unchanged", _edit), "main.go is changed"),
    "assumed unchanged and removed": (_unseen("--assume-unchanged", _remove), "main.go is missing"),
    "skipped and edited": (_unseen("--skip-worktree", _edit), "main.go is changed"),
    "skipped and removed": (_unseen("--skip-worktree", _remove), "main.go is missing"),
    "a replacement above": (_replace("../x"), "go.mod: ../x leads out"),
    "a replacement anywhere": (_replace("/tmp/x"), "go.mod: /tmp/x leads out"),
    "a quoted replacement": (_replace('"../with space"'), "go.mod: ../with space leads out"),
    "a replacement that git ignores": (_ignored_replacement, "go.mod: ./local/x is not committed"),
    "a vendor folder": (_vendor, "vendor/ is not committed"),
    "a vendor folder in part": (_half_vendor, "vendor/example.com/x/x.go is not committed"),
    "a link": (_link, "more.go is a link out of the repository"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_replaces_committed_code_is_found(root, case):
    do, what = CASES[case]
    do(root)
    (only,) = found(root)
    assert only.startswith(what)


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_file_that_is_as_git_keeps_it_is_none(root, flag):
    git(root, "update-index", flag, "main.go")
    assert found(root) == []


def test_a_sparse_checkout_leaves_folders_out_and_no_file_of_a_package(root):
    git(root, "sparse-checkout", "set", "--no-cone", "/*", "!/lib/")
    assert not (root / "lib").exists()
    assert found(root) == []
    git(root, "sparse-checkout", "set", "--no-cone", "/*", "!/lib/lib.go", "!/data.txt")
    assert found(root)[0].startswith("lib/lib.go is missing")
    assert len(found(root)) == 1


def test_a_workspace_counts_where_the_build_uses_it(root):
    write(root, "go.work", "go 1.24\n\nuse (\n\t.\n\t./lib\n)\n")
    assert found(root) == []
    assert found(root, GOWORK=str(root / "go.work")) == ["go.work is not committed"]
    git(root, "add", "-f", "go.work")
    git(root, "commit", "-qm", "second")
    assert found(root, GOWORK=str(root / "go.work")) == []
    above = root.parent / "go.work"
    above.write_text("go 1.24\n\nuse ./shop\nuse ./other\n")
    assert found(root, GOWORK=str(above)) == [
        "../go.work is not committed",
        "../go.work: ./other leads out of the repository",
    ]


@pytest.mark.parametrize("flags", ["-overlay=x.json", "--overlay x.json", "-mod=mod -overlay=x.json"])
def test_an_overlay_and_another_module_file_are_found(root, flags):
    assert found(root, flags) == ["-overlay=x.json replaces files"]
    assert found(root, "-modfile=zz_other.mod") == ["-modfile=zz_other.mod is not committed"]
    assert found(root, "-modfile=go.mod -tags=x") == []


def test_a_release_is_refused_with_the_files_and_the_ways_out():
    these = [Replacement("go.work is not committed", "commit it:  git add -f go.work")]
    replaced.demand(these, snapshot=True)
    replaced.demand([], snapshot=False)
    with pytest.raises(CodeReplaced) as caught:
        replaced.demand(these, snapshot=False)
    assert "go.work is not committed" in caught.value.what
    assert caught.value.advice[0] == "commit it:  git add -f go.work"
    assert caught.value.exit_code == 3


TEXTS = {
    "require example.com/x v1.0.0 // indirect, see ./y": [],
    "replace example.com/x => example.com/y v1.0.0": [],
    "replace example.com/x v1.0.0 => ../y": ["../y"],
    "replace example.com/x => ../y // why": ["../y"],
    "replace(\nexample.com/x => ../y\n)": ["../y"],
    "replace (\n\t// ./no\n\texample.com/x => `../a b`\n)\nuse ./c": ["../a b", "./c"],
    "use (\n\t.\n\t..\n)": [".", ".."],
    "// replace example.com/x => ../y": [],
}


@pytest.mark.parametrize("text", TEXTS)
def test_local_folders_are_read_as_go_reads_them(text):
    assert replaced.targets(text) == TEXTS[text]


def test_flags_that_name_files_are_followed(root):
    write(root, "zz_tool", "")
    assert found(root, "-toolexec=./zz_tool") == ["-toolexec=./zz_tool is not committed"]
    assert found(root, "-toolexec=garble") == []
    assert found(root, "-pgo=../x.pgo") == ["-pgo=../x.pgo is not committed"]
    write(root, "alt.mod", "module example.com/shop\nreplace example.com/x => ../x\n")
    git(root, "add", "alt.mod")
    assert found(root, "-modfile=alt.mod") == ["alt.mod: ../x leads out of the repository"]


def test_replacements_of_a_workspace_s_other_modules_count(root):
    write(root, "lib/go.mod", "module example.com/lib\nreplace example.com/x => ../../x\n")
    write(root, "go.work", "go 1.24\n\nuse (\n\t.\n\t./lib\n)\n")
    git(root, "add", "-f", "go.work", "lib")
    assert found(root, GOWORK=str(root / "go.work")) == ["lib/go.mod: ../../x leads out of the repository"]


def test_what_go_does_not_look_at_is_no_replacement(root):
    _vendor(root)
    assert found(root, "-mod=mod") == []
    git(root, "add", "-f", "vendor")
    _replace("../x")(root)
    assert found(root) == []
    (root / "testdata").mkdir()
    (root / "testdata" / "x.go").symlink_to("/nowhere/x.go")
    git(root, "add", "testdata")
    assert found(root) == []


def test_ignored_files_of_a_submodule_are_seen(root):
    write(root, "sub/sub.go", "package sub\n")
    write(root, "sub/.gitignore", "zz_*\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        git(root / "sub", *words)
    git(root, "add", "sub")
    git(root, "commit", "-qm", "second")
    write(root, "sub/zz_generated.go", "package sub\n")
    assert indexes.others(indexes.read(root, ENVIRON), ENVIRON) == ["sub/zz_generated.go"]


def test_git_looks_closely_and_at_these_files(root):
    git(root, "config", "core.ignoreCase", "true")
    write(root, "MAIN.go", "package main\n")
    assert revision.read(root, ENVIRON).changes == ("?? MAIN.go",)
    (root.parent / "elsewhere").mkdir()
    git(root, "config", "core.worktree", str(root.parent / "elsewhere"))
    with pytest.raises(revision.GitFailed, match="git looks at"):
        revision.read(root, ENVIRON)


def test_the_history_is_the_commits_own(root):
    git(root, "tag", "v1.0.0")
    first = git(root, "rev-parse", "HEAD").strip()
    git(root, "commit", "-q", "--allow-empty", "-m", "second")
    second = git(root, "rev-parse", "HEAD").strip()
    write(root, ".git/info/grafts", f"{second}\n")
    assert revision.read(root, ENVIRON).before == ("v1.0.0",)
    git(root, "replace", second, first)
    write(root, "main.go", "package other\n")
    told = revision.read(root, {**ENVIRON, "GIT_DIR": "/nowhere", "GIT_REPLACE_REF_BASE": "refs/replace/"})
    assert (told.commit, told.changes) == (second, (" M main.go",))


def test_a_folder_s_time_hides_no_file(root):
    git(root, "config", "core.untrackedCache", "true")
    git(root, "status")
    times = (root / "lib").stat()
    write(root, "lib/more.go", "package lib\n")
    os.utime(root / "lib", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert revision.read(root, ENVIRON).changes == ("?? lib/more.go",)
