"""What git made of committed files when it checked them out, in real repositories; no Go is needed to see it."""

import hashlib
import os
import subprocess

import pytest

from goferry.gobuild import _converted as converted, _index as indexes, revision

ENVIRON = {"PATH": os.environ["PATH"], "HOME": os.devnull}
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"
CONTENT = b"\x00a model\x01" * 200
FILES = {
    "go.mod": b"module example.com/shop\n",
    "main.go": b'package main\n\nimport "embed"\n\n//go:embed pages\nvar pages embed.FS\n\nfunc main() {}\n',
    "pages/index.html": b"one\ntwo\n",
    "pages/windows.txt": b"one\r\ntwo\r\n",
    "other/notes.txt": b"one\ntwo\n",
    "LICENSE": b"do\nas you like\n",
}
READ = ("main.go", "pages/index.html", "pages/windows.txt", "pages/model.bin", "pages/link", "pages/id.txt")


def git(root, *words):
    author = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"]
    return subprocess.run(["git", *author, *words], cwd=root, check=True, capture_output=True, text=True).stdout


def repository(tmp_path, **more):
    root = tmp_path / "shop"
    for name, data in {**FILES, **more}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    git(root.parent, "init", "-q", "shop")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


def again(root, *settings):
    """Check everything out anew with these settings."""
    for setting in settings:
        git(root, "config", *setting.split("=", 1))
    git(root, "rm", "-rq", "--cached", ".")
    git(root, "reset", "-q", "--hard")


def find(root, *, release=True, read=READ, packed=("LICENSE",)):
    assert revision.read(root, ENVIRON).changes == ()  # git calls it clean
    index = indexes.read(root, ENVIRON)
    return converted.find(
        index, ENVIRON, lambda: [root / name for name in read], packed=[root / name for name in packed], release=release
    )


def told(found):
    return [each.what.partition(" ")[0] for each in found.replaced]


@pytest.fixture(autouse=True)
def _git(part):
    part("git")


def test_a_plain_checkout_is_as_the_commit_has_it_and_nobody_asks_go(tmp_path):
    root = repository(tmp_path)
    index = indexes.read(root, ENVIRON)
    assert converted.find(index, ENVIRON, lambda: pytest.fail("Go was asked")) == converted.Converted()


@pytest.mark.parametrize("settings", [["core.autocrlf=true"], ["core.eol=crlf", "core.attributesFile=ATTRIBUTES"]])
def test_line_ends_of_this_machine_are_told_of_what_is_released(tmp_path, settings):
    root = repository(tmp_path)
    (tmp_path / "attributes").write_text("* text=auto\n")
    again(root, *(setting.replace("ATTRIBUTES", str(tmp_path / "attributes")) for setting in settings))
    assert (root / "pages/index.html").read_bytes() == b"one\r\ntwo\r\n"
    found = find(root)
    assert told(found) == ["LICENSE", "main.go", "pages/index.html"]
    assert "other line ends" in found.replaced[0].what
    assert find(root, release=False) == converted.Converted()
    remedy = found.replaced[0].remedy.partition(":  ")[2]
    git(root, "config", "--unset-all", "core.attributesFile") if "core.attributesFile" in str(settings) else None
    subprocess.run(["bash", "-c", remedy], cwd=root, check=True)
    assert find(root) == converted.Converted()


def test_line_ends_that_the_commit_asks_for_are_its_own(tmp_path):
    root = repository(tmp_path, **{".gitattributes": b"*.html text eol=crlf\n*.txt ident\n", "pages/id.txt": b"$Id$\n"})
    again(root)
    assert (root / "pages/index.html").read_bytes() == b"one\r\ntwo\r\n"
    assert (root / "pages/id.txt").read_bytes().startswith(b"$Id: ")
    assert find(root) == converted.Converted()


def test_a_filter_of_this_machine_is_told_and_one_of_the_commit_is_listed(tmp_path):
    (tmp_path / "attributes").write_text("*.html filter=shout\n")
    settings = ["filter.shout.smudge=tr a-z A-Z", "filter.shout.clean=tr A-Z a-z"]
    root = repository(tmp_path / "a")
    again(root, *settings, f"core.attributesFile={tmp_path / 'attributes'}")
    assert (root / "pages/index.html").read_bytes() == b"ONE\nTWO\n"
    assert told(find(root)) == ["pages/index.html"]
    root = repository(tmp_path / "b", **{".gitattributes": b"*.html filter=shout\n"})
    again(root, *settings)
    assert find(root) == converted.Converted(filtered=("pages/index.html",))


def test_a_pointer_of_git_lfs_is_told_where_it_is_released(tmp_path):
    pointer = POINTER.format(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT)).encode()
    root = repository(tmp_path, **{
        ".gitattributes": b"*.bin filter=lfs diff=lfs merge=lfs -text\n",
        "pages/model.bin": pointer, "other/model.bin": pointer,
    })  # fmt: skip
    for release in (True, False):
        found = find(root, release=release)
        assert told(found) == ["pages/model.bin"]
        assert found.pointers == ("pages/model.bin",)
    (hint,) = converted.hints(found)
    assert hint.startswith("pages/model.bin is a pointer of Git LFS")
    # what `git lfs pull` makes of it: the content, and git is told so by the filter
    (tmp_path / "content").write_bytes(CONTENT)
    (tmp_path / "pointer").write_bytes(pointer)
    again(root, f"filter.lfs.smudge=cat {tmp_path / 'content'}", f"filter.lfs.clean=cat {tmp_path / 'pointer'}")
    assert (root / "pages/model.bin").read_bytes() == CONTENT
    assert find(root) == converted.Converted()
    (tmp_path / "content").write_bytes(b"another")
    again(root)
    assert told(find(root)) == ["pages/model.bin"]


def test_a_link_that_became_a_plain_file_is_told(tmp_path):
    root = repository(tmp_path)
    (root / "pages/link").symlink_to("index.html")
    git(root, "add", ".")
    git(root, "commit", "-qm", "second")
    assert find(root) == converted.Converted()
    again(root, "core.symlinks=false")
    (root / "pages/link").unlink()
    again(root)
    assert (root / "pages/link").read_text() == "index.html"
    found = find(root)
    assert told(found) == ["pages/link"]
    subprocess.run(["bash", "-c", found.replaced[0].remedy.partition(":  ")[2]], cwd=root, check=True)
    assert find(root) == converted.Converted()


def test_a_submodule_is_compared_by_its_own_attributes(tmp_path):
    inner = repository(tmp_path / "inner", **{".gitattributes": b"*.html eol=crlf\n"})
    root = repository(tmp_path)
    git(root, "submodule", "--quiet", "add", str(inner), "sub")
    git(root, "commit", "-qm", "second")
    read = ("main.go", "sub/pages/index.html", "sub/main.go")
    assert find(root, read=read) == converted.Converted()
    again(root / "sub", "core.autocrlf=true")
    assert told(find(root, read=read)) == ["sub/main.go"]
