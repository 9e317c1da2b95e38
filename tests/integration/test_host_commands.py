"""Every command that a message shows and that is for a host, or is typed on one, is run: on a real provisioned host.

What stands in place of a message's values is named here and in parts/messages.py. Goferry's own take seconds each: a run
without GOFERRY_TEST_FULL takes some of them.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import time

import pytest
from parts import messages
from releases import Works
from sampling import sample

from goferry.cli.main import run

CONFIGURATION = """\
project: PROJECT
services:
  plain: {main: ./plain, listen: {env: ADDR}, port: 8081}
environments:
  production: {target: ssh, hosts: [HOSTS]}
"""
VALUES = [
    (r" --user (NAME|ubuntu)", ""),
    (r"goferry purge X (.*)", r"goferry purge shop \1 --dry-run"),
    (r"--(service|trust|identity|deploy-key) \S+", lambda found: f"--{found[1]} {FILES[found[1]]}"),
    (r"--to \S+", "--to v1.0.0"),
    (r"--host-key \S+", "--host-key FINGERPRINT"),
    (r"goferry restart api", "goferry restart plain"),
    (r"provision web-1", "provision root@web-1"),
    (r"( --host web-2)", ""),
    (r"(root@)?web-1", r"\g<1>127.0.0.1:PORT"),
    (r"PORTX", "PORT"),  # behind it the options of a login that is not root's
    (r"(provision .*--identity )\S+", r"\1root_key"),
]
"""What stands in place of the values of parts.messages, where that names no real host; in this order."""
FILES = {"service": "plain", "trust": "goferry.trust", "identity": "deploy_key", "deploy-key": "deploy_key.pub"}
ON_HOST = [
    (r"PROJECT", "shop"),
    (r"(nginx -T \| grep -n 'listen\.\*)\w+'", r"\g<1>8081'"),
    (r"(systemctl status|journalctl --unit) X", r"\1 goferry-shop-plain@$SLOT.service"),
    (r"apt-get install", "apt-get install --simulate"),
    (r"ssh_host_X_key", "ssh_host_ed25519_key"),
]
ELSEWHERE = re.compile(r"goferry (env|logs|metrics|unprovision) | --watch")
"""What test_host_secrets, test_operate, test_metrics and test_host_left run: it reads standard input, goes on until it
is interrupted, or prints something else than one object."""
TO_HOST = [(r"ssh -G X", "ssh -F CONFIG -G 127.0.0.1"), (r"ssh X.*", "ssh -F CONFIG -p PORT 127.0.0.1")]


def to_a_host():
    """Return Goferry's commands on hosts, each once, with where it is shown."""
    found = {}
    for message in messages.shown():
        if "goferry " not in message.text or message.text.startswith(messages.ON_A_HOST):
            continue
        typed = messages.placed(message, "--target ssh --host web-1")
        typed = messages.substituted(typed, messages.VALUES)
        words = set(shlex.split(typed))
        if ELSEWHERE.search(typed):
            continue
        if words & {"--host", "--environment"} or typed.startswith("goferry provision "):
            found.setdefault(messages.substituted(typed, VALUES), message.where)
    return list(found)


def on_a_host():
    """Return what is typed on a host, or to reach it, as it is shown."""
    return list(dict.fromkeys(text for _, text in messages.commands() if text.startswith(messages.ON_A_HOST)))


TYPED = [typed for typed in to_a_host() if not typed.startswith("goferry provision")]
PROVISIONS = [typed for typed in to_a_host() if typed.startswith("goferry provision")]


@pytest.fixture(scope="module")
def works(tmp_path_factory, part, shared_host):
    """A host that serves v1.1.0 and holds v1.0.0, and a repository with a newer release, as a person has them."""
    works = Works(tmp_path_factory.mktemp("works"), part("go"))
    works.configuration = CONFIGURATION
    works.provision(shared_host)
    for version in ("v1.0.0", "v1.1.0"):
        works.deploy(works.release(version, ("plain",)), shared_host)
    shutil.copytree(works.release("v1.2.0", ("plain",)), works.repository / "dist")
    (works.repository / ".goferry").mkdir()
    shutil.copy(works.folder / "known_hosts", works.repository / ".goferry" / "known_hosts")
    for file in (works.trust, works.deploy_key, works.deploy_key.with_suffix(".pub"), shared_host.root_key):
        shutil.copy(file, works.repository)
    (works.repository / "CONFIG").write_text(
        f"Host *\n  User root\n  BatchMode yes\n  IdentityFile {shared_host.root_key}\n"
        f"  UserKnownHostsFile {shared_host.known_hosts}\n"
    )
    return works


@pytest.fixture(scope="module")
def agent(works):
    """A running ssh-agent's socket, with the keys of a person who names none: the deploy key and root's."""
    socket = works.folder / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        environ = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        for _ in range(100):
            if socket.exists():
                break
            time.sleep(0.05)
        keys = [works.repository / "deploy_key", works.repository / "root_key"]
        subprocess.run(["ssh-add", "-q", *keys], env=environ, check=True)
        yield socket
    finally:
        process.terminate()
        process.wait()


def fingerprint(host):
    line = host.run("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")
    return line.split()[1]


@pytest.mark.parametrize("typed", [*sample(TYPED, 2), *sample(PROVISIONS)], ids=str)
def test_a_command_on_a_host_is_carried_out(typed, works, shared_host, agent, monkeypatch, capsys):
    monkeypatch.chdir(works.repository)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    if typed.startswith("goferry rollback"):  # back from what a deploy of before has brought
        works.deploy(works.repository / "dist", shared_host)
    if "FINGERPRINT" in typed:
        typed = typed.replace("FINGERPRINT", fingerprint(shared_host))
    words = shlex.split(typed.replace("PORT", str(shared_host.port)))[1:]
    code = run([*words, *{"--json"} - set(words)])
    told = json.loads(capsys.readouterr().out)
    assert code == 0, told


@pytest.mark.parametrize("typed", on_a_host(), ids=str)
def test_a_command_that_is_typed_on_a_host_works_there(typed, works, shared_host):
    if typed.startswith("ssh "):
        command = messages.substituted(typed, TO_HOST).replace("PORT", str(shared_host.port))
        done = subprocess.run(
            ["bash", "-c", command], cwd=works.repository, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return
    live = shared_host.run("systemctl list-units --plain --no-legend 'goferry-shop-plain@*.service'")
    slot = re.search(r"@(\w+)\.service", live)[1]
    shared_host.run(f"SLOT={slot}; " + messages.substituted(typed, ON_HOST))
