"""Every command that a message, an example or a next step shows is run: as it is shown, with real files in its place.

Commands of Goferry that only a network or another release would carry on are parsed, which proves that they are no
wrong usage; so does every other one, and then it runs, changing nothing where it has --dry-run. What is for a host, or
is run on one, is run on a real one by test_host_commands.py.
"""

import json
import os
import secrets
import shlex
import shutil
import subprocess
import time

import click
import pytest
from parts import messages

from goferry.artifacts import Artifact, Ledger
from goferry.cli.main import goferry, run
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.observe.events import Stream
from goferry.trust import keys, seal

PARSED = {"env", "fetch", "logs", "release", "provision", "unprovision", "setup-go", "merge", "sync-templates"}
"""Commands of Goferry that need a network, a host or a second release to go on, or print a line for each thing."""
ASK_GO = {"build", "plan", "up", "inspect", "test"}
ON_DISK = [
    (r"go mod vendor \{chdir\}", "GOWORK=off go mod vendor"), (r" \{chdir\}", ""),
    (r"X\./\.\.\.", "./..."), (r"go test X+-run 'X' X", "go test -run 'TestNothing' ./..."), (r"go list X-m", "go list -m"),
    (r"go work use X\.", "go work use ."), (r"go mod tidy X", "go mod tidy"), (r"-go=X", "-go=1.26"),
    (r"go version -m FILE", "go version -m GO"), (r"size FILE", "size GO"),
    (r"rm -r X && git submodule", "rm -r sub && git -c protocol.file.allow=always submodule"), (r"--init X", "--init sub"),
    (r"git lfs pull$", "git -c alias.lfs=version lfs"),
    (r"(git config core.symlinks true && rm) X (.*) X$", r"\1 go.mod \2 go.mod"),
    (r"git (add|add -f) X", r"git \1 go.mod"), (r"git checkout X", "git checkout -q v1.2.3"), (r"FILE$", "go.mod"),
    (r"git push origin (X|TAG)", "git push origin v1.2.3"), (r"chmod (\S+) X", r"chmod \1 file"),
    (r"^cp X", "cp KEYS/goferry.trust"), (r"/etc/ssh/ssh_host_\S+", "deploy_key.pub"), (r"PROJECT", "shop"),
    (r"gpg --verify X X", "gpg --verify dist/SHA256SUMS.asc dist/SHA256SUMS"),
    (r"--quick-set-expire (X|FINGERPRINT)", "--quick-set-expire FPR"), (r"--quick-add-key X", "--quick-add-key FPR"),
    (r"-secret-keys KEY", "-secret-keys FPR"), (r"gpg --quick-gen-key NAME", "gpg --quick-gen-key another"),
    (r"^gpg ", "gpg --batch --pinentry-mode loopback --passphrase '' "),
    (r"minisign -V -p KEY.pub -m X -x X", "minisign -V -p KEYS/minisign.pub -m dist/SHA256SUMS -x dist/SHA256SUMS.minisig"),
    (r"puttygen FILE", "puttygen PPK --new-passphrase /dev/null"), (r"(-o|>) NEW\b", r"\1 NEW.key"),
    (r"git -C X add X && git -C X commit", "git -C . add . && git -C . commit -m templates"),
    (r"apt-get update", "apt-get update --print-uris"), (r"apt-get install X", "apt-get install nginx"),
    (r"apt-get install", "apt-get install --simulate"),
    (r"gh secret set X < FILE", "gh secret set NAME < go.mod"),
    (r"gh secret set GOFERRY_CACHE_KEY < \S+", "gh secret set NAME < go.mod"), (r"--ref X", "--ref v1.2.3"),
    (r"rm -r vendor .*", "rm -r vendor"), (r"unset X", "unset GOFLAGS"),
    (r"minisign -G", "minisign -G -W"), (r"sport = :8080", "'sport = :8080'"), (r"''sport = :8080''", "'sport = :8080'"),
]  # fmt: skip
NOT_LOGGED_IN = 4
"""How gh ends when it has read its words and knows every one, and nobody is logged in ("gh help exit-codes")."""


def own():
    """Return Goferry's commands with files in place of their values, each once, and where it is shown."""
    found = {}
    for message in messages.shown():
        if "goferry " in message.text and not message.text.startswith(messages.ON_A_HOST):
            typed = messages.placed(message, "--target local --root run")
            found.setdefault(messages.substituted(typed, messages.VALUES), message.where)
    return found


def chosen():
    """Return those that are run as well: no network or host is needed, and of those that ask Go one of each name."""
    found = {}
    for typed in own():
        name, *words = shlex.split(typed)[1:]
        away = {"ssh", "--host", "--environment", "--online"} & set(words)
        if name not in PARSED and not away:
            found.setdefault(name if name in ASK_GO else typed, typed)
    return set(found.values())


def others():
    """Return other programs' commands in the same way."""
    found = {}
    for where, text in messages.shown():
        if not text.startswith(("goferry ", *messages.ON_A_HOST)) and "goferry " not in text:
            found.setdefault(messages.substituted(text, ON_DISK), where)
    return found


def shell(command, **options):
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False, timeout=120, **options)
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


@pytest.fixture(scope="module")
def world(tmp_path_factory, part):
    """Return a repository with a release, keys, a remote and a local target, as a person has them who is told these."""
    root = tmp_path_factory.mktemp("world")
    work = root / "shop"
    (work / "run" / ".goferry" / "run").mkdir(parents=True, mode=0o700)
    (root / ".ssh").mkdir()
    (root / ".github").mkdir()
    (work / "go.mod").write_text("module example.com/shop\n\ngo 1.26\n")
    (work / "go.work").write_text("go 1.26\n\nuse .\n")
    (work / "main.go").write_text("package main\n\nfunc main() {}\n")
    (work / "goferry.yml").write_text(
        "services:\n  api: {main: ., listen: {env: ADDR}}\nenvironments:\n  production: {target: ssh, hosts: [web-1]}\n"
    )
    (work / "file").write_text("")
    settings = Settings(dict(os.environ), root)
    keys.generate(work / "KEYS")
    keys.generate_cache(work / "KEYS")
    shutil.copy(work / "KEYS" / "goferry.trust", work)
    (work / "dist").mkdir()
    (work / "dist" / "api_linux_amd64").write_bytes(b"\x7fELF")
    ledger = Ledger("shop", "v1.2.3", module="example.com/shop", commit="a" * 40)
    ledger.add(Artifact.of_file(work / "dist" / "api_linux_amd64", project="shop", kind="binary"))
    ledger.save(work / "dist")
    signers = keys.load_signers(
        openpgp_key=work / "KEYS/openpgp.asc", minisign_key_file=work / "KEYS/minisign.key",
        passphrase_file=None, settings=settings,
    )  # fmt: skip
    seal.seal(Context(settings, Stream()), work / "dist", signers, now=int(time.time()))
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("GH_", "GITHUB_", "XDG_"))}, "HOME": str(root), "GNUPGHOME": str(root / "g"), "GOWORK": "", "GOFLAGS": "-modcacherw",
        "GOMODCACHE": str(root / "modules"), "GOCACHE": shell("go env GOCACHE")[1].strip(), "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.com",
    }  # fmt: skip
    setup = """
    ssh-keygen -q -t ed25519 -N '' -f deploy_key
    command -v puttygen >/dev/null && puttygen -q -t ed25519 --new-passphrase /dev/null -o PPK -C test
    true && mkdir -m 700 "$GNUPGHOME"
    gpg --batch --quiet --passphrase '' --quick-gen-key one ed25519 default never
    gpg --batch --quiet --import KEYS/openpgp.pub.asc
    git init -q --bare ../origin && git init -q && git remote add origin ../origin
    git add go.mod main.go goferry.yml && git commit -qm first && git tag v1.0.0 && git tag v1.2.3
    git clone -q --depth 1 file://$PWD ../shallow
    git init -q ../super && git -C ../super -c protocol.file.allow=always submodule --quiet add ../origin/../shop sub
    git -C ../super commit -qm first && git -C ../super submodule --quiet deinit sub && touch ../super/sub/other.go
    git clone -q . ../fresh && git -C ../fresh config filter.x.smudge cat
    git init -q ../moved && git -C ../moved config core.worktree "$PWD"
    """
    code, said = shell("set -e\n" + setup, cwd=work, env=environ)
    assert code == 0, said
    _, listed = shell("gpg --with-colons --list-keys one", env=environ)
    environ["FPR"] = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))
    yield work, environ
    shell("gpgconf --kill all", env=environ)


RUN = chosen()


@pytest.mark.parametrize("typed", own(), ids=str)
def test_a_command_of_goferry_is_no_wrong_usage(typed, world, monkeypatch, capsys):
    work, _ = world
    monkeypatch.chdir(work)
    name, *words = shlex.split(typed)[1:]
    command = goferry.get_command(click.Context(goferry), name)
    assert command is not None, typed
    command.make_context(name, list(words))
    if typed not in RUN:
        return
    taken = {flag for parameter in command.params for flag in parameter.opts}
    code = run([name, *words, *(["--dry-run"] if "--dry-run" in taken - set(words) else []), *{"--json"} - set(words)])
    told = json.loads(capsys.readouterr().out)
    assert told.get("error") not in {"misuse", "internal-error", "target-missing"}, told
    assert (code == 0) == told.get("ok", name == "schema"), told


FOLDERS = {
    "unshallow": "shallow", "mod init": "empty", "git init": "none", "git add .": "unborn", "git -C . add": "templates",
    "rm -r vendor": "vendored", "git -c protocol": "super", "core.worktree": "moved", "git rm -rq": "fresh", "get-regexp": "fresh", "core.symlinks": "fresh", "": "shop",
}  # fmt: skip
"""Where a command is typed that is for another folder than the world's; one that is not there is made."""
PARTS = ("gh ", "puttygen ")


@pytest.mark.parametrize("typed", others(), ids=str)
def test_a_command_of_another_program_works(typed, world, part):
    work, environ = world
    if typed.startswith(PARTS):
        part(typed.split()[0])
    folder = FOLDERS[next((words for words in FOLDERS if words in typed), "")]
    folder = work.parent / folder
    if not folder.exists():
        folder.mkdir()
        if typed.startswith(("git add .", "git -C")):
            shell("git init -q", cwd=folder)
        (folder / "file").write_text("")
        (folder / "vendor").mkdir()
    command = typed.replace(" GO", " $(go env GOTOOLDIR)/asm").replace("FPR", environ["FPR"])
    command = command.replace("gen-key another", f"gen-key {secrets.token_hex(4)}")  # several messages make one
    code, said = shell(command, cwd=folder, env=environ)
    assert code == (NOT_LOGGED_IN if command.startswith("gh ") else 0), said
