"""`.goferry/` in a repository: what git sees of it."""

import subprocess

import pytest

from goferry.artifacts import ownfolder


@pytest.mark.parametrize("before", [None, b"*\n", b"# mine\n"])
def test_git_sees_the_hosts_keys_alone(before, tmp_path):
    folder = tmp_path / ".goferry"
    if before is not None:
        folder.mkdir()
        (folder / ".gitignore").write_bytes(before)
    for _ in range(2):
        ownfolder.make(folder)
    for name in ("known_hosts", "dist.json", "keys/openpgp.asc"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    words = ["git", "-C", tmp_path, "status", "--porcelain", "--untracked-files=all"]
    seen = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[1::2]
    if before == b"# mine\n":
        assert (folder / ".gitignore").read_bytes() == before
    else:
        assert seen == [".goferry/known_hosts"]


@pytest.mark.parametrize("taken", [".goferry", ".goferry/.gitignore"])
def test_what_stands_in_its_place_is_named(taken, tmp_path):
    if taken == ".goferry":
        (tmp_path / taken).touch()
    else:
        (tmp_path / taken).mkdir(parents=True)
    with pytest.raises(ownfolder.OwnFolderUnusable):
        ownfolder.make(tmp_path / ".goferry")
