"""Signing keys as people hand them on: each reason why one can't sign is told apart, and by the name that it goes by."""

import base64
import json
import re
import subprocess
import textwrap
from pathlib import Path

import openpgp as openpgp_parts
import pytest

from goferry.cli.main import run
from goferry.config.settings import Settings
from goferry.kernel import packets
from goferry.kernel.errors import GoferryError
from goferry.trust import _openpgp_key as openpgp_key, _sequoia as sequoia, keys
from goferry.trust._minisign_key import MinisignSecretKey

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def openpgp():
    """Return a secret key's text and its public half's."""
    secret, public = sequoia.generate("one")
    return secret.decode(), public


def load(openpgp="", minisign="", passphrase="", environ=None):
    given = [("openpgp_key", openpgp), ("minisign_key_file", minisign), ("passphrase_file", passphrase)]
    names = {name: keys.Secret(f"the secret {name}", _bytes(text)) if text else None for name, text in given}
    return keys.load_signers(settings=Settings(environ or {}, None), **names)


def _bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def minisign():
    return MinisignSecretKey.from_seed(b"12345678", b"s" * 32).to_bytes().decode()


HARMLESS = {
    "as it is": lambda text: text,
    "base64 on one line": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 as a tool breaks it": lambda text: base64.encodebytes(text.encode()).decode(),
    "UTF-16, as PowerShell writes it": lambda text: ("\ufeff" + text.replace("\n", "\r\n")).encode("utf-16-le"),
    "UTF-16 of the other order": lambda text: ("\ufeff" + text).encode("utf-16-be"),
    "base64 of UTF-16": lambda text: base64.b64encode(("\ufeff" + text).encode("utf-16-le")).decode(),
    "a byte order mark": lambda text: "\ufeff" + text,
    "in quotes": lambda text: f'"{text.strip()}"' if "BEGIN" in text else text,
    "base64 in quotes": lambda text: f"'{base64.b64encode(text.encode()).decode()}'\n",
    "set in": lambda text: textwrap.indent(text, "    "),
    "Windows line ends": lambda text: text.replace("\n", "\r\n"),
    "blank lines around": lambda text: "\n\n" + text + "\n\n",
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_is_harmless_is_undone(change, openpgp):
    found = load(openpgp=change(openpgp[0]), minisign=change(minisign()))
    assert [signer.format for signer in found] == ["openpgp", "minisign"]


@pytest.mark.parametrize("change", [bytes, base64.b64encode], ids=["binary", "base64 of it"])
def test_a_binary_key_is_read(change, openpgp):
    binary = packets.dearmor(
        openpgp[0].partition("-----")[1].encode() + openpgp[0].partition("-----")[2].encode(), "PGP PRIVATE KEY BLOCK"
    )
    key = keys.Secret("the key", change(binary))
    assert keys.load_signers(openpgp_key=key, minisign_key_file=None, passphrase_file=None, settings=Settings({}, None))


@pytest.mark.parametrize("passphrase", ["anything", "  "])
def test_a_key_that_nothing_protects_needs_no_passphrase_and_minds_none(passphrase, openpgp):
    assert load(openpgp=openpgp[0], minisign=minisign(), passphrase=passphrase)


REASONS = {
    "public": (lambda key: key[1], "is a public key; signing needs the secret one"),
    "base64 of a public one": (lambda key: base64.b64encode(key[1].encode()).decode(), "is a public key"),
    "one line": (lambda key: key[0].replace("\n", " "), "has lost its line ends: it is on one line"),
    "escaped": (lambda key: key[0].strip().replace("\n", "\\n"), "has lost its line ends: it is on one line"),
    "cut": (lambda key: key[0][: len(key[0]) // 2], "is cut off: its last line, -----END PGP PRIVATE KEY BLOCK-----"),
    "a line is missing": (lambda key: "\n".join(key[0].split("\n")[:5] + key[0].split("\n")[6:]), "is damaged: "),
    "blank": (lambda _: " \n", "is empty"),
    "rubbish": (lambda _: "hello", "is not an OpenPGP secret key"),
    "ssh": (
        lambda _: "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----\n",
        "is an ssh key; a release is signed with an OpenPGP key",
    ),
    "minisign": (lambda _: minisign(), "is a minisign key, and an OpenPGP key belongs there"),
}


def forged(kind, **options):
    """Return a secret key's text as another tool may have made it; its secret part is of no use."""
    shown = openpgp_parts.Public(openpgp_parts.Secret(kind), **options).packets
    made = [
        (packets.SECRET_KEY, body + b"\0") if number == packets.PUBLIC_KEY else (number, body) for number, body in shown
    ]
    binary = b"".join(packets.encode(number, body) for number, body in made)
    return packets.armor(binary, "PGP PRIVATE KEY BLOCK").decode()


def stubbed(key, mode, which=(packets.SECRET_KEY, packets.SECRET_SUBKEY)):
    """Return a secret key with GnuPG's stubs in place of secret parts: 1 left out, 2 on a card (its doc/DETAILS)."""
    stub = bytes([255, 0, 0x65, 0]) + b"GNU" + bytes([mode]) + (bytes([16]) + bytes(16) if mode == 2 else b"")
    made = [
        packets.encode(kind, body[: openpgp_key._public_length(body)] + stub if kind in which else body)
        for kind, body in packets.split(packets.dearmor(key[0].encode(), openpgp_key.SECRET))
    ]
    return packets.armor(b"".join(made), openpgp_key.SECRET).decode()


def of_version(key, number):
    made = [
        packets.encode(kind, bytes([number]) + body[1:] if kind == packets.SECRET_KEY else body)
        for kind, body in packets.split(packets.dearmor(key[0].encode(), openpgp_key.SECRET))
    ]
    return packets.armor(b"".join(made), openpgp_key.SECRET).decode()


OTHERS_MADE = {
    "version 6": (lambda key: of_version(key, 6), "is an OpenPGP key of version 6, and hosts read version 4"),
    "version 5": (lambda key: of_version(key, 5), "is an OpenPGP key of version 5, and hosts read version 4"),
    "on a card": (lambda key: stubbed(key, 2), "has its key for signing on a card"),
    "its subkeys on a card": (
        lambda key: stubbed(key, 2, (packets.SECRET_SUBKEY,)),
        "has its key for signing on a card",
    ),
    "all left out": (lambda key: stubbed(key, 1), "holds public keys alone"),
    "its subkeys left out": (
        lambda key: stubbed(key, 1, (packets.SECRET_SUBKEY,)),
        "lacks the secret part of its key for signing: it was left out of the export",
    ),
    "short RSA": (lambda _: forged("rsa-1024"), "is DSA, short RSA, or of a curve that is not known"),
    "an odd curve": (lambda _: forged("P-192"), "is DSA, short RSA, or of a curve that is not known"),
    "certified with SHA-1": (lambda _: forged("ed", digest="sha1"), "certifies itself with SHA-1 or MD5"),
    "for certifying alone": (lambda _: forged("ed", uses=0x01), "holds no key for signing"),
    "two blocks": (lambda key: key[0] + key[0], "holds several keys; a release is signed with one"),
    "two keys in a block": (
        lambda key: packets.armor(
            2 * packets.dearmor(key[0].encode(), openpgp_key.SECRET), openpgp_key.SECRET
        ).decode(),
        "holds several keys; a release is signed with one",
    ),
}
REASONS |= OTHERS_MADE


def test_a_primary_key_that_was_left_out_or_is_on_a_card_is_not_missed(openpgp):
    for mode in (1, 2):  # `gpg --export-secret-subkeys`
        assert load(openpgp=stubbed(openpgp, mode, (packets.SECRET_KEY,)))


def test_a_public_block_before_the_secret_one_is_passed_over(openpgp):
    assert load(openpgp=openpgp[1] + openpgp[0])


@pytest.mark.parametrize("backtrace", ["0", "1"])
@pytest.mark.parametrize(("change", "said"), REASONS.values(), ids=REASONS)
def test_each_reason_has_words_of_its_own(change, said, backtrace, openpgp, monkeypatch):
    monkeypatch.setenv("RUST_BACKTRACE", backtrace)
    with pytest.raises(GoferryError) as caught:
        load(openpgp=change(openpgp))
    assert caught.value.name == "key-unusable"
    assert caught.value.what.startswith("the secret openpgp_key ")
    assert said in caught.value.what
    assert len(caught.value.what) < 200
    assert "\n" not in caught.value.what


MINISIGN = {
    "public": (lambda _: MinisignSecretKey.generate().public_file().decode(), "is a public key"),
    "OpenPGP": (lambda key: key[0], "holds a PGP PRIVATE KEY BLOCK, and a minisign key belongs there"),
    "one line": (lambda _: minisign().replace("\n", " "), "has lost its second line, or the line end before it"),
    "the comment alone": (lambda _: minisign().split("\n")[0], "has lost its second line"),
    "blank": (lambda _: " \n", "is empty"),
}


@pytest.mark.parametrize(("change", "said"), MINISIGN.values(), ids=MINISIGN)
def test_each_reason_of_a_minisign_key_has_words_of_its_own(change, said, openpgp):
    with pytest.raises(GoferryError) as caught:
        load(minisign=change(openpgp))
    assert (caught.value.name, caught.value.what[:29]) == ("key-unusable", "the secret minisign_key_file ")
    assert said in caught.value.what


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_passphrase_ends_before_its_line_does(end, tmp_path):
    assert keys.passphrase(Settings({"GOFERRY_SIGNING_PASSPHRASE": "two words " + end}, None), None) == "two words "
    (tmp_path / "file").write_text("two words " + end, "utf-16")
    assert keys.passphrase(Settings({}, None), tmp_path / "file") == "two words "
    (tmp_path / "file").write_text("two words " + end)
    assert keys.passphrase(Settings({}, None), tmp_path / "file") == "two words "


def test_no_secret_is_shown(openpgp):
    assert openpgp[0] not in repr(keys.Secret("the secret X", openpgp[0].encode()))


def git(folder, *words):
    done = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "committed").mkdir()
    (tmp_path / "committed" / "main.go").write_text("package main\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qm", "first")
    return tmp_path


def test_keys_in_a_repository_are_no_source_and_no_change(repository, capsys):
    assert run(["keygen", "--out", str(repository / "KEYS"), "--json"]) == 0
    git(repository, "add", ".")
    assert git(repository, "status", "--porcelain", "-uall") == ""
    assert {path.name for path in (repository / "KEYS").iterdir()} == {".gitignore", *keys.FILES}
    assert run(["keygen", "--out", str(repository / "co[a-z]*"), "--json"]) == 0  # a name, and no pattern of others


def test_a_cache_s_key_in_a_repository_is_no_source_either(repository, capsys):
    assert run(["keygen", "--cache", "--out", str(repository / "KEYS"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trust"].endswith("/KEYS/goferry.cache.trust")
    git(repository, "add", ".")
    assert git(repository, "status", "--porcelain", "-uall") == ""


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
@pytest.mark.parametrize("folder", [".", "committed", "committed/KEYS/..", "open", "linked", "dangling"])
@pytest.mark.parametrize("cache", [[], ["--cache"]])
def test_keys_are_not_made_where_git_would_take_them(folder, dry_run, cache, repository, capsys):
    (repository / "open").mkdir()
    (repository / "open" / ".gitignore").write_text("*.asc\n")
    (repository / "linked").symlink_to("committed")
    (repository / "dangling").mkdir()
    (repository / "dangling" / ".gitignore").symlink_to("nowhere")
    before = sorted(repository.rglob("*"))
    assert run(["keygen", "--out", str(repository / folder), "--json", *dry_run, *cache]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "keys-exposed"
    assert sorted(repository.rglob("*")) == before


@pytest.mark.parametrize("folder", ["KEYS", "co[a-z]*", "two\nlines"])
def test_keys_are_made_beside_others_that_git_ignores(folder, repository, capsys):
    """As `goferry init` says: keys of releases and of the cache in one folder."""
    assert run(["keygen", "--out", str(repository / folder), "--json"]) == 0
    assert run(["keygen", "--cache", "--out", str(repository / folder), "--json"]) == 0
    capsys.readouterr()
    assert run(["keygen", "--out", str(repository / folder), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "keys-exist"
    git(repository, "add", ".")
    assert git(repository, "status", "--porcelain", "-uall") == ""


def test_no_document_has_a_key_made_in_a_repository():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "src" / "goferry").rglob("*.py")]
    named = re.compile(r"ssh-keygen [^\n`]*-f (\S+)|--identity ([^\s\"`]+)")
    found = [a or b for page in pages for a, b in named.findall(page.read_text())]
    assert found
    assert [path for path in found if not path.startswith(("~/", "/etc/ssh/", "FILE", "DEPLOY_KEY", "{"))] == []
