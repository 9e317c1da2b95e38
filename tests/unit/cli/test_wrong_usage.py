"""Typing errors: exit code 2, a message whose every option the command has, and nothing on the disk that was not there."""

import json
import re
import shlex

import click
import pytest

from goferry.cli.main import goferry, run
from goferry.trust._minisign_key import MinisignSecretKey
from goferry.trust.signer import clean_trust

TRUST = clean_trust([MinisignSecretKey.generate().signer()]).to_bytes()
ON_A_TARGET = ["status", "status --logs 5", "logs", "logs -f", "history", "metrics", "rollback", "rollback --dry-run", "down", "down --dry-run", "purge shop --yes", "purge shop"]  # fmt: skip


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("words", ON_A_TARGET)
def test_a_folder_that_is_no_target_is_told_and_stays_as_it_is(words, own, tmp_path, capsys):
    root = tmp_path / "WRONG"
    if own:
        (root / ".goferry" / "keys").mkdir(parents=True)  # as a repository's
    before = sorted(tmp_path.rglob("*"))
    assert run([*words.split(), "--target", "local", "--root", str(root), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "target-missing"
    assert sorted(tmp_path.rglob("*")) == before


CONFIGURATION = """services:
  api: {main: ., listen: {env: ADDR}, port: 8080}
environments:
  away: {hosts: [web-1.example.com]}
"""
WRONG = [
    ("verify dist --trust absent", "trust-file-missing"),
    ("verify . --trust go.mod", "trust-file-mistaken"),
    ("verify absent --trust goferry.trust", "folder-unreadable"),
    ("deploy absent --host web-1", "folder-unreadable"),
    ("deploy absent --target local --root run", "misuse"),
    ("deploy absent --environment production --target local --root run --trust absent", "folder-unreadable"),
    ("status --host web-1 --known-hosts absent", "known-hosts-unreadable"),
    ("status --host web-1 --identity absent", "deploy-key-unusable"),
    ("status --host web-1 --root run", "misuse"),
    ("status", "misuse"),
    ("status --target elsewhere", "misuse"),
    ("status --environment absent", "environment-unknown"),
    ("down", "misuse"),
    ("down --target ssh", "misuse"),
    ("down --target ssh --root run", "misuse"),
    ("purge shop", "misuse"),
    ("release absent --repository acme/shop", "folder-unreadable"),
    ("release absent", "misuse"),
    ("release absent --repository acme", "repository-invalid"),
    ("fetch v1 --repository acme/shop --out new", "reference-invalid"),
    ("sign absent", "key-unusable"),
    ("sign absent --openpgp-key absent", "key-unusable"),
    ("image absent", "folder-unreadable"),
    ("image goferry.yml", "folder-unreadable"),
    ("image .", "ledger-missing"),
    ("image absent --platform linux/amd64", "misuse"),
    ("merge absent", "misuse"),
    ("up --openpgp-key absent", "trust-unnamed"),
    ("up --target elsewhere", "misuse"),
    ("provision", "misuse"),
    ("provision --environment production", "misuse"),
    ("status --environment production", "misuse"),
    ("rollback --environment production", "misuse"),
    ("deploy absent --environment production", "misuse"),
    ("deploy absent --environment away", "misuse"),
    ("build --shard 3/2", "shard-invalid"),
]


@pytest.mark.parametrize(("words", "name"), WRONG, ids=[words for words, _ in WRONG])
def test_a_typing_error_ends_with_2_and_offers_what_the_command_takes(words, name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    (tmp_path / "go.mod").write_text("module example.com/shop\n\ngo 1.26\n")
    (tmp_path / "goferry.trust").write_bytes(TRUST)
    (tmp_path / "goferry.yml").write_text(CONFIGURATION)
    before = sorted(tmp_path.rglob("*"))
    assert run([*words.split(), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["error"] == name
    assert sorted(tmp_path.rglob("*")) == before
    command = goferry.get_command(click.Context(goferry), words.split()[0])
    mine = {flag for parameter in command.params for flag in parameter.opts}
    for line in told["advice"]:
        typed = "" if "goferry " in line else line
        assert set(re.findall(r"(?<!\S)--[a-z][a-z-]+", typed)) <= mine, line
    assert all(shlex.split(line, posix=False) for line in told["advice"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("status --environment production", "the environment production names no hosts in goferry.yml"),
        ("status --environment away", "the environment away lists hosts, and its target is not ssh"),
        ("provision --environment production", "the environment production names no hosts in goferry.yml"),
    ],
)
def test_an_environment_without_hosts_is_told_as_such(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "go.mod").write_text("module example.com/shop\n\ngo 1.26\n")
    (tmp_path / "goferry.trust").write_bytes(TRUST)
    (tmp_path / "goferry.yml").write_text(CONFIGURATION)
    assert run([*words.split(), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["what"] == said
    assert "{target: ssh, hosts: [web-1.example.com]}" in told["advice"][0]


WORKING, BROKEN = "#!/bin/sh\nexit 0\n", "#!/bin/sh\nexit 1\n"


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("docker", 0, "it is there, and its daemon does not answer: "),
        ("gpgv", 0, "it is there and does not work: "),
        ("git", 1, "it is there and does not work: "),
    ],
)
def test_doctor_asks_each_program_whether_it_works(name, code, said, tmp_path, monkeypatch, capsys):
    for program in ("git", "go", "gpgv", "docker"):
        (tmp_path / program).write_text(BROKEN if program == name else WORKING)
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert run(["doctor", "--json"]) == code
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert {each for each, check in checks.items() if not check["found"]} == {name}
    assert checks[name]["trouble"] == said + str(tmp_path / name)
