"""Becoming root on a host: by sudo with and without a password, and each way in which it can be refused."""

import os
import re

import pytest

from goferry.cli import sudo_password
from goferry.deploy import _ssh as ssh
from goferry.deploy._hosts import parse
from goferry.deploy.provision._order_on_host import HostOrder
from goferry.deploy.provision._perform import SCRIPTS
from goferry.deploy.provision._root_shell import open_root_shell
from goferry.kernel.errors import GoferryError

SSH = """#!/bin/sh
# Runs what it is given, as sshd would, with FOLDER/bin alone before the system's own programs.
for command; do :; done
case " $* " in *" -G "*) echo hostname web; exit 0 ;; esac
printf '%s\\n' "$@" >> FOLDER/argv
env >> FOLDER/environ
PATH="FOLDER/bin:/usr/bin:/bin" exec sh -c "$command"
"""
SUDO = """#!/bin/sh
mode=$(cat FOLDER/mode)
given=
for word; do case $word in -n|-S|-k) given="$given$word" ;; --) break ;; esac; done
while [ "$1" != -- ]; do shift; done; shift
case $mode in
  free) exec "$@" ;;
  once) rm -f FOLDER/mode; echo free > FOLDER/mode
        case $given in *-n*) echo 'sudo: a password is required' >&2; exit 1 ;; esac; exec "$@" ;;
  password)
    case $given in *-n*) echo 'sudo: a password is required' >&2; exit 1 ;; esac
    IFS= read -r line || { echo 'sudo: no password was provided' >&2; exit 1; }
    [ "$line" = 'pass word$' ] && exec "$@"
    echo 'Sorry, try again.' >&2; IFS= read -r line && echo "read on: $line" >> FOLDER/leaked
    echo 'sudo: no password was provided' >&2; echo 'sudo: 1 incorrect password attempt' >&2; exit 1 ;;
  *) cat FOLDER/mode >&2; exit 1 ;;
esac
"""
FACTS = HostOrder("facts")


class FakeHost:
    """A folder with an ssh that runs everything here, and a sudo as the test wants it."""

    def __init__(self, folder):
        self.folder, self.prompts = folder, []
        (folder / "bin").mkdir()
        self.program("ssh", SSH)
        self.environ = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder)}

    def program(self, name, text):
        path = self.folder / "bin" / name
        path.write_text(text.replace("FOLDER", str(self.folder)))
        path.chmod(0o755)

    def sudo(self, mode):
        self.program("sudo", SUDO)
        (self.folder / "mode").write_text(mode)

    def ask(self, password="", user="ubuntu"):
        def type_it(prompt):
            self.prompts.append(prompt)
            if password is None:
                raise EOFError
            return password

        ask = type_it if password != "" else None
        shell = open_root_shell(parse("web", user), ssh.Access(), self.environ, ask)
        return [shell.ask(FACTS, SCRIPTS) for _ in range(2)]

    def seen(self):
        return "".join((self.folder / name).read_text() for name in ("argv", "environ"))


@pytest.fixture
def host(tmp_path):
    return FakeHost(tmp_path)


def refusal(host, *given, **more):
    with pytest.raises(GoferryError) as told:
        host.ask(*given, **more)
    error = told.value
    assert "goferry provision" not in str(error.advice), "advice that names the command that failed"
    return error.name, error.exit_code, error.what, " / ".join(error.advice)


def test_root_needs_no_sudo(host):
    assert host.ask(user="root")[0]["user"] == os.geteuid()
    assert "LC_ALL=C sudo" not in host.seen()


def test_a_login_whose_sudo_asks_for_nothing_is_never_asked(host):
    host.sudo("free")
    assert [each["system"] for each in host.ask("unused")] == ["Linux", "Linux"]
    assert host.prompts == []


def test_a_password_is_asked_for_once_and_nothing_but_sudo_gets_it(host):
    host.sudo("password")
    assert [each["system"] for each in host.ask("pass word$")] == ["Linux", "Linux"]
    assert host.prompts == ["sudo's password of ubuntu on web: "]
    assert "pass word" not in host.seen()
    assert not (host.folder / "leaked").exists()


def test_a_password_that_sudo_did_not_read_is_passed_over(host):
    host.sudo("once")
    assert [each["system"] for each in host.ask("pass word$")] == ["Linux", "Linux"]


def test_a_wrong_password_is_tried_once_and_no_program_follows_it(host):
    host.sudo("password")
    name, code, what, advice = refusal(host, "wr0ng")
    assert (name, code) == ("sudo-refused", 3)
    assert "does not take that password of ubuntu" in what
    assert "wr0ng" not in host.seen() + advice
    assert not (host.folder / "leaked").exists()


@pytest.mark.parametrize("typed", ["", None])
def test_without_a_terminal_or_an_answer_it_says_what_to_do(host, typed):
    host.sudo("password")
    name, code, what, advice = refusal(host, typed)
    assert (name, code) == ("sudo-password-needed", 2)
    assert what.startswith("web: sudo asks ubuntu for a password")
    assert "ubuntu ALL=(ALL) NOPASSWD: ALL" in advice


@pytest.mark.parametrize(
    ("message", "name", "said"),
    [
        ("ubuntu is not in the sudoers file.  This incident will be reported.", "sudo-refused", "usermod -a -G sudo"),
        ("Sorry, user ubuntu may not run sudo on web.", "sudo-refused", "usermod -a -G sudo"),
        ("sudo: I'm sorry ubuntu. I'm afraid I can't do that", "sudo-refused", "usermod -a -G sudo"),
        ("sudo: sorry, you must have a tty to run sudo", "sudo-refused", "!requiretty"),
        ("sudo: interactive authentication is required", "sudo-password-needed", "NOPASSWD"),
        ("sudo: /usr/bin/python3: command not found", "host-unsuitable", "apt-get install python3-minimal"),
        ("Python 3.6", "host-unsuitable", "Python 3.9 or later"),
        ("sudo: /etc/sudoers is world writable \x1b[31m", "provision-failed", "world writable"),
    ],
)
def test_each_refusal_of_sudo_has_its_own_advice(host, message, name, said):
    host.sudo(message + "\n")
    found = refusal(host)
    assert found[0] == name
    assert said in " ".join(map(str, found))
    assert "\x1b" not in str(found)


def test_a_host_without_sudo_is_named(host):
    host.program("env", "#!/bin/sh\necho \"env: 'sudo': No such file or directory\" >&2\nexit 127\n")
    name, code, what, advice = refusal(host)
    assert (name, code) == ("host-unsuitable", 2)
    assert "there is no sudo" in what
    assert "--user root" in advice


@pytest.mark.parametrize("code", [142, 0])
def test_a_cloud_image_that_names_its_user_is_believed(host, code):
    text = 'Please login as the user "ubuntu" rather than the user "root".'
    host.program("ssh", f"#!/bin/sh\necho '{text}'; echo; exit {code}\n")
    name, _, what, advice = refusal(host, user="root")
    assert (name, what) == ("deploy-key-refused", "web takes no login of root, but of ubuntu")
    assert advice.endswith(":  --user ubuntu")


def test_a_key_that_is_refused_is_not_answered_with_the_same_command(host):
    host.program("ssh", "#!/bin/sh\necho 'root@web: Permission denied (publickey).' >&2; exit 255\n")
    for user, wanted in (("root", "--user NAME"), ("admin", "--identity FILE")):
        name, code, _, advice = refusal(host, user=user)
        assert (name, code) == ("deploy-key-refused", 3)
        assert wanted in advice
        assert re.search(rf"ssh -l {user} web", advice)


def test_a_known_hosts_file_that_is_not_there_is_not_answered_with_the_same_command(host, tmp_path):
    with pytest.raises(GoferryError) as told:
        open_root_shell(parse("web", "root"), ssh.Access(known_hosts=tmp_path / "none"), host.environ)
    assert told.value.name == "known-hosts-unreadable"
    assert "--known-hosts FILE" in str(told.value.advice)
    assert "goferry provision" not in str(told.value.advice)


def test_nobody_is_asked_where_there_is_no_terminal(monkeypatch):
    with open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert sudo_password.asker() is None
