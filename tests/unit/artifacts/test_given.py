"""The folder of a release as it was typed: what is told of one that is not there, and how one is named."""

import os
from pathlib import Path

import pytest

from goferry.artifacts import Ledger, given
from goferry.cli.main import run
from goferry.kernel.refusals import FolderUnreadable
from goferry.pipeline import up
from goferry.trust._minisign_key import MinisignSecretKey
from goferry.trust.signer import clean_trust


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return the working folder: a repository with a project in a folder, which was built there."""
    monkeypatch.chdir(tmp_path)
    for folder in ("api/dist", "releases", "web/out", ".hidden/dist"):
        Path(folder).mkdir(parents=True)
    for folder in ("api/dist", ".hidden/dist"):
        Ledger("shop", "v1.2.3").save(Path(folder))
    Path("releases/SHA256SUMS").write_text("")
    Path("note").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "what", "meant"),
    [
        ("dist", "there is no folder dist", ["api/dist"]),
        ("./dist/", "there is no folder dist", ["api/dist"]),
        ("release", "there is no folder release", ["releases", "api/dist"]),
        ("web/outs", "there is no folder web/outs", ["api/dist"]),
        ("note", "note is a file, not the folder of a release", ["api/dist"]),
        ("absent/dist", "there is no folder absent/dist", ["api/dist"]),
    ],
)
def test_a_folder_that_is_not_there_is_told_with_what_may_be_meant(here, words, what, meant):
    with pytest.raises(FolderUnreadable) as told:
        given.refuse_absent(Path(words))
    assert told.value.what == what
    folder = str(Path(words))
    assert told.value.advice == (
        *(f"did you mean {each}?" for each in meant),
        f"make it:  goferry build --out {folder}",
        f"then seal it:  goferry sign {folder} --openpgp-key FILE",
    )


@pytest.mark.parametrize("there", ["api/dist", "web/out", "."])
def test_a_folder_that_is_there_is_judged_by_who_opens_it(here, there):
    given.refuse_absent(Path(there))


@pytest.mark.parametrize(
    ("path", "word"),
    [("api/dist", "api/dist"), ("{here}/api/dist", "api/dist"), ("{here}", "."), ("{here}/a b", "'a b'"), ("/x", "/x")],
)
def test_a_folder_is_named_as_it_is_typed_in_the_working_folder(here, path, word):
    assert given.typed(Path(path.format(here=here))) == word


def test_a_working_folder_that_is_gone_hides_nothing(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        assert given.typed(Path("/x")) == "/x"
    finally:
        os.chdir(tmp_path)


def test_up_names_its_folder_as_it_is_typed_here(here):
    about = {"project": "shop", "version": "v1.2.3", "dist": str(here / "api/dist"), "unchanged": True}
    rest = {"made": (), "no_image": "", "tests": None, "keys": "given", "trust": "", "deploy": None, "seconds": 1.0}
    assert up.lines(up.UpResult(**about, **rest)) == [
        "shop v1.2.3 is up to date in api/dist; nothing changed, nothing was done."
    ]


COMMANDS = [
    "sign dist --minisign-key KEY", "sign dist --minisign-key KEY --dry-run", "verify dist --trust goferry.trust",
    "image dist", "deploy dist --target local --root run --trust goferry.trust", "deploy dist --host web-1",
    "deploy dist --host web-1 --dry-run", "release dist --repository acme/shop",
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS)
def test_each_command_tells_it_alike(here, words, capsys, monkeypatch):
    secret = MinisignSecretKey.generate()
    Path("KEY").write_bytes(secret.to_bytes())
    Path("goferry.trust").write_bytes(clean_trust([secret.signer()]).to_bytes())
    assert run(words.split()) == 2
    told = capsys.readouterr().err
    assert "folder-unreadable" in told
    assert "there is no folder dist" in told
    assert "did you mean api/dist?" in told
