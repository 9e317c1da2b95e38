"""The way to a host: names that can't be options, pinned key types, named failures, and answers of hostile hosts."""

import base64
import hashlib
import hmac
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given, settings as limits, strategies as st
from sampling import examples

from goferry import deploy
from goferry.config.settings import Settings
from goferry.deploy import Fleet, _client as client, _hosts as hosts, _known_hosts as known_hosts, _ssh as ssh
from goferry.kernel import frames
from goferry.kernel.errors import GoferryError, printable
from goferry.runner._surface import Surface, adapt

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIvrSTAtI/cBS03iAAY0MIJTr3s3nZ6wzO7QZvd7WtZ4"


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("web-1", "goferry", "web-1", 0),
        ("root@web-1.example.com:2222", "root", "web-1.example.com", 2222),
        ("[2001:db8::1]:22", "goferry", "2001:db8::1", 22),
        ("2001:db8::1", "goferry", "2001:db8::1", 0),
        ("fe80::1%eth0", "goferry", "fe80::1%eth0", 0),
    ],
)
def test_hosts_are_read(text, user, host, port):
    found = hosts.parse(text, "goferry")
    assert (found.user, found.host, found.port) == (user, host, port)


@pytest.mark.parametrize(
    "text",
    ["", "-oProxyCommand=x", "a b", "a;b", "@web", "-l@web", "web:0", "web:99999", "web:22:22", "a@b@c", "web\n", "we\x1bb", "[::1", "$(id)", "web:-1"],
)  # fmt: skip
def test_what_is_no_host_is_refused(text):
    with pytest.raises(GoferryError, match="is not a valid host"):
        hosts.parse(text, "goferry")


@limits(max_examples=examples(200), deadline=None)
@given(st.text(max_size=30))
def test_no_text_becomes_an_option(text):
    try:
        found = hosts.parse(text, "goferry")
    except GoferryError:
        return
    words = ssh.argv(found, ssh.Access())
    assert words[words.index("--") + 1] == found.host
    assert not found.host.startswith("-")
    assert not found.user.startswith("-")


def test_a_host_named_twice_or_none_is_refused():
    for names in ([], ["web-1", "root@WEB-1:22"]):
        with pytest.raises(GoferryError):
            hosts.parse_all(names, "goferry")


def hashed(name):
    salt = b"0123456789abcdefghij"
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("line", "name", "wanted"),
    [
        (f"web-1 {KEY}", "web-1", ["ssh-ed25519"]),
        (f"web-1,10.0.0.1 {KEY}", "10.0.0.1", ["ssh-ed25519"]),
        (f"[web-1]:2222 {KEY}", "[web-1]:2222", ["ssh-ed25519"]),
        (f"[web-1]:2222 {KEY}", "web-1", []),
        ("web-1 ssh-rsa AAAA", "WEB-1", ["rsa-sha2-512", "rsa-sha2-256"]),
        (f"*.example.com,!bad.example.com {KEY}", "web.example.com", ["ssh-ed25519"]),
        (f"*.example.com,!bad.example.com {KEY}", "bad.example.com", []),
        (f"{hashed('web-1')} {KEY}", "web-1", ["ssh-ed25519"]),
        (f"{hashed('web-2')} {KEY}", "web-1", []),
        (f"|1|%%|x {KEY}", "web-1", []),
        (f"@revoked web-1 {KEY}", "web-1", []),
        (f"# web-1 {KEY}", "web-1", []),
        ("web-1", "web-1", []),
        ("web-1 ssh-ed25519,evil AAAA", "web-1", []),
    ],
)
def test_pinned_key_types(line, name, wanted):
    assert known_hosts.algorithms(line + "\n", [name]) == wanted


def test_a_host_authority_pins_certificates():
    assert all(
        "cert" in each for each in known_hosts.algorithms(f"@cert-authority *.example.com {KEY}", ["a.example.com"])
    )


@pytest.mark.parametrize(
    ("code", "errors", "name"),
    [
        (255, "ssh: connect to host web port 22: Connection refused", "host-unreachable"),
        (255, "ssh: Could not resolve hostname web: Name or service not known", "host-unreachable"),
        (255, "ssh: connect to host web port 22: Connection timed out", "host-unreachable"),
        (255, "", "host-unreachable"),
        (255, "No ED25519 host key is known for web and you have requested strict checking.\nHost key verification failed.", "host-key-unknown"),
        (255, "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", "host-key-changed"),
        (255, "Unable to negotiate with web port 22: no matching host key type found. Their offer: ssh-rsa", "host-key-changed"),
        (255, "goferry@web: Permission denied (publickey).", "deploy-key-refused"),
        (255, 'Load key "k": error in libcrypto\ngoferry@web: Permission denied (publickey).', "deploy-key-unusable"),
        (255, 'sign_and_send_pubkey: signing failed for ED25519-SK "k": device not found\ngoferry@web: Permission denied (publickey).', "deploy-key-unusable"),
        (255, "sign_and_send_pubkey: no mutual signature supported\ngoferry@web: Permission denied (publickey).", "deploy-key-unusable"),
        (255, '@ WARNING: UNPROTECTED PRIVATE KEY FILE! @\nLoad key "k": bad permissions\ngoferry@web: Permission denied (publickey).', "deploy-key-unusable"),
        (127, "sh: 1: /usr/local/libexec/goferry-host: not found", "agent-missing"),
    ],
)  # fmt: skip
def test_how_ssh_ends_has_a_name(code, errors, name):
    found = ssh.failure(hosts.parse("web", "goferry"), ssh.Access(), code, errors)
    assert found is not None
    assert found.name == name


WAY = "\nkex_exchange_identification: Connection closed by remote host\n"
CHANGED = "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key for [10.0.0.1]:2222 has changed\n"


@pytest.mark.parametrize(
    ("errors", "name", "says"),
    [
        ("Host key verification failed." + WAY, "host-key-unknown", "on the way to web"),
        (CHANGED + "Host key verification failed." + WAY, "host-key-changed", "[10.0.0.1]:2222, on the way to web"),
        ("root@bastion: Permission denied (publickey)." + WAY, "deploy-key-refused", "root@bastion: Permission"),
        ("ssh: connect to host bastion port 22: Connection refused" + WAY, "host-unreachable", "host bastion port 22"),
        (WAY, "host-unreachable", "closed by remote host"),
    ],
)
def test_a_jump_host_s_failure_is_not_told_of_the_host_behind_it(errors, name, says):
    found = ssh.failure(hosts.parse("web", "goferry"), ssh.Access(known_hosts=Path("pinned")), 255, errors)
    assert found is not None
    assert found.name == name
    assert says in found.what
    assert "pinned" not in found.what + " ".join(found.advice)


def test_the_command_line_pins_and_forbids():
    words = ssh.argv(hosts.parse("web", "goferry"), ssh.Access(Path("/a b/100%"), Path("/k h")), ["ssh-ed25519"], ["x"])
    assert 'IdentityFile="/a b/100%%"' in words
    assert 'UserKnownHostsFile="/k h"' in words
    for option in (
        "StrictHostKeyChecking=yes",
        "BatchMode=yes",
        "ClearAllForwardings=yes",
        "HostKeyAlgorithms=ssh-ed25519",
    ):
        assert option in words
    assert words[-3:] == ["--", "web", "x"]


def test_ssh_gets_no_secret_of_the_environment():
    given_environ = {
        "PATH": "/bin",
        "GOFERRY_DEPLOY_KEY": "s",
        "GITHUB_TOKEN": "s",
        "SSH_AUTH_SOCK": "/x",
        "https_proxy": "p",
    }
    assert set(ssh.spoken(given_environ)) == {"PATH", "SSH_AUTH_SOCK", "https_proxy", "LC_ALL", "SSH_ASKPASS_REQUIRE"}


def frame(**header):
    return frames.encode(header)


@pytest.fixture
def hostile(tmp_path):
    """`hostile(bytes)` returns a fleet and settings whose ssh is a program that prints those bytes."""

    def make(data, errors="", code=0):
        program = tmp_path / "bin" / "ssh"
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            f"#!{sys.executable} -I\nimport os,sys\n"
            f"if '-G' in sys.argv: print('hostname web\\nport 22'); sys.exit(0)\n"
            f"os.write(1, {data!r})\nos.write(2, {errors.encode()!r})\nsys.exit({code})\n"
        )
        program.chmod(0o755)
        known = tmp_path / "known_hosts"
        known.write_text(f"web {KEY}\n")
        environ = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
        return Fleet(["web"], known_hosts=known), Settings.from_environ(environ)

    return make


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "agent-lost"),
        (b"Welcome to web!\r\n" * 9, "agent-lost"),
        (b"GF\x02" + b"\0" * 40, "agent-lost"),
        (b"GF\x01\xff\xff\xff\xff\xff\xff\xff\xff", "agent-lost"),
        (frame(ok=True)[:9], "agent-lost"),
        (frame(ok=True), "agent-lost"),
        (frame(ok=True, live=[], recovered=3, busy=None), "agent-lost"),
        (frame(ok="yes"), "host-failed"),
        (frame(ok=False, error={"name": "x\x1b[31m", "exit_code": 0, "what": "a"}), "host-failed"),
        (frame(ok=False, error={"name": "port-taken", "exit_code": 99, "what": "\x1b]0;pwned\x07::error::x"}), "port-taken"),
        (frame(ok=False, error=[1]), "host-failed"),
        (frame(progress={"a": 1}) + frame(ok=False, error={"name": "disk-full", "exit_code": 1, "what": "x"}), "disk-full"),
    ],
)  # fmt: skip
def test_whatever_a_host_answers_is_an_error_with_a_name(hostile, data, name):
    fleet, settings = hostile(data)
    with pytest.raises(GoferryError) as told:
        deploy.status(fleet, settings=settings)
    assert told.value.name == name
    assert 1 <= told.value.exit_code <= 6
    shown = printable(told.value.what)
    assert "\x1b" not in shown
    assert "\n::" not in "\n" + shown


def test_a_host_that_never_answers_is_left(hostile, monkeypatch):
    monkeypatch.setattr(client, "MOST", 50)
    fleet, settings = hostile(frame(progress="soon") * 60 + frame(ok=True, live={}, recovered=[], busy=False))
    with pytest.raises(GoferryError, match="progress") as told:
        deploy.status(fleet, settings=settings)
    assert told.value.name == "agent-lost"


def test_what_a_host_complains_of_does_not_fill_our_disk(tmp_path):
    program = "import os\nfor _ in range(400): os.write(2, b'x' * 65536)\nos.write(2, b'\\nat last\\n')"
    with client.opened([sys.executable, "-c", program], dict(os.environ)) as agent:
        with pytest.raises(GoferryError, match="at last"):
            agent.ask("hello")
        assert len(agent.complaints()) <= 2 * client.COMPLAINTS


def test_a_banner_can_not_speak_to_the_runner(hostile):
    fleet, settings = hostile(b"", "::add-mask::x\n\x1b[2J##[error]Permission denied (publickey).\n", 255)
    with pytest.raises(GoferryError) as told:
        deploy.status(fleet, settings=settings)
    assert told.value.name == "deploy-key-refused"
    assert "\x1b" not in printable(told.value.what)
    assert "##[" not in printable(told.value.what)


def test_a_good_answer_is_read(hostile):
    live = {"api": {"project": "shop", "service": "api", "version": "v1"}}
    fleet, settings = hostile(frame(ok=True, live=live, recovered=[], busy=False))
    told = deploy.status(fleet, settings=settings).as_json()["live"]["api"]
    assert {**told, **live["api"]} == told
    assert told["pid"] is None, "a figure that the host did not tell is none"


def test_told_never_ends_well():
    for record in (None, 3, [], {}, {"exit_code": True}, {"exit_code": 0}, {"advice": "x"}, {"facts": 1}):
        assert 1 <= client.error_of(record).exit_code <= 6


def test_a_key_that_is_not_there_says_what_to_type(tmp_path):
    with pytest.raises(ssh.DeployKeyUnusable) as caught:
        ssh.check(ssh.Access(identity=tmp_path / "nokey"), dict(os.environ))
    assert any("--identity FILE" in line for line in caught.value.advice)


@pytest.fixture(scope="module")
def ssh_keys(tmp_path_factory, part):
    """Return two private keys as texts: one that nothing protects, and one that a passphrase does."""
    folder = tmp_path_factory.mktemp("keys")
    for name, passphrase in (("plain", ""), ("locked", "right")):
        argv = [part("ssh-keygen"), "-q", "-t", "ed25519", "-N", passphrase, "-f", folder / name]
        subprocess.run(argv, check=True, timeout=30)
    return {path.name: path.read_text() for path in folder.iterdir()}


def truncated(text):
    lines = text.splitlines()
    return "\n".join([*lines[:3], lines[-1], ""])


FORMS = {
    "set in": (lambda keys: textwrap.indent(keys["plain"], "  "), "is set in: its lines begin with spaces"),
    "a byte order mark": (lambda keys: "\ufeff" + keys["plain"], "is UTF-16, or begins with a byte order mark"),
    "one line": (lambda keys: keys["plain"].replace("\n", " "), "has lost its line ends: it is on one line"),
    "cut": (lambda keys: keys["plain"][:200], "is cut off: its last line, -----END OPENSSH PRIVATE KEY-----, is missing"),
    "cut within": (lambda keys: truncated(keys["plain"]), "can't be loaded by ssh: Load key"),
    "locked": (lambda keys: keys["locked"], "is protected by a passphrase, and nobody is there to type it"),
    "public": (lambda keys: keys["plain.pub"], "is a public key; the half without .pub opens hosts"),
    "base64": (lambda keys: base64.b64encode(keys["plain"].encode()).decode(), "is base64 of a key; ssh reads the key itself"),
    "no line end": (lambda keys: keys["plain"].rstrip(), "lacks the end of its last line"),
    "Windows": (lambda keys: keys["plain"].replace("\n", "\r\n"), "has the line ends of Windows"),
    "empty": (lambda _: "", "is empty"),
    "of PuTTY": (lambda _: "PuTTY-User-Key-File-3: ssh-ed25519\n", "is a key of PuTTY"),
    "another kind": (lambda _: "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nx\n-----END PGP PRIVATE KEY BLOCK-----\n", "is not a private key of ssh"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "said"), FORMS.values(), ids=FORMS)
def test_a_deploy_key_that_ssh_cannot_load_is_told_before_anything_is_connected_to(change, said, ssh_keys, tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(change(ssh_keys).encode())
    path.chmod(0o600)
    fleet = Fleet(["unreachable.invalid"], identity=path, called={path: "the secret GOFERRY_DEPLOY_KEY"})
    with pytest.raises(ssh.DeployKeyUnusable) as caught:
        deploy.status(fleet, settings=Settings(dict(os.environ), tmp_path))
    assert caught.value.what.startswith(f"the secret GOFERRY_DEPLOY_KEY {said}")
    assert str(path) not in "\n".join([caught.value.what, *caught.value.advice])
    assert "--identity FILE" in "\n".join(caught.value.advice)
    adapt(caught.value, Surface.STEP)
    assert "gh secret set GOFERRY_DEPLOY_KEY < FILE" in "\n".join(caught.value.advice)


def test_a_protected_key_that_an_agent_holds_is_used(ssh_keys, tmp_path, part):
    path = tmp_path / "key"
    path.write_text(ssh_keys["plain"])
    path.chmod(0o600)
    ssh.check(ssh.Access(path), dict(os.environ))
    agent = subprocess.Popen([part("ssh-agent"), "-D", "-a", tmp_path / "agent"], stdout=subprocess.DEVNULL)
    try:
        environ = {**os.environ, "SSH_AUTH_SOCK": str(tmp_path / "agent")}
        until = time.monotonic() + 10
        while not (tmp_path / "agent").exists() and time.monotonic() < until:
            time.sleep(0.01)
        subprocess.run([part("ssh-add"), "-q", path], env=environ, check=True, timeout=30)
        argv = [part("ssh-keygen"), "-q", "-p", "-N", "right", "-f", path]
        subprocess.run(argv, check=True, timeout=30, stdout=subprocess.DEVNULL)
        ssh.check(ssh.Access(path), environ)
        with pytest.raises(ssh.DeployKeyUnusable, match="is protected by a passphrase"):
            ssh.check(ssh.Access(path), dict(os.environ))
    finally:
        agent.terminate()
        agent.wait(10)
