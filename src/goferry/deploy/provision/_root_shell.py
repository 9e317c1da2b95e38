"""Runs a program as root on a host: modules of the standard library, sent over ssh to Python, by sudo unless the login
is root's.

A password of sudo's goes to it alone, as the first line of standard input: no argument, log or environment has it.
"""  # noqa: D205

from __future__ import annotations

import json
import re
import secrets
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol

from goferry.deploy import _ssh as ssh
from goferry.deploy._hosts import Address
from goferry.deploy.errors import (
    DeployKeyRefused,
    HostKeyUnknown,
    HostUnsuitable,
    KnownHostsUnreadable,
    ProvisionFailed,
    SudoPasswordNeeded,
    SudoRefused,
)
from goferry.deploy.provision import _host_key as host_key
from goferry.kernel.errors import GoferryError, printable
from goferry.kernel.outcomes import AgentLost
from goferry.system.process import Completed, run

# Through standard input, as one argument can't be longer than 128 KiB; and nothing is written on the host.
# An import finds a module that stands in sys.modules by its full name, though its packages are not there.
LOADER = """\
import sys, types
if sys.version_info < (3, 9):
    sys.exit("Python %d.%d" % sys.version_info[:2])
while sys.stdin.buffer.readline() not in (sys.argv[1].encode() + b"\\n", b""):
    pass
for name, size in zip(sys.argv[2::2], sys.argv[3::2]):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(sys.stdin.buffer.read(int(size)), name, "exec"), module.__dict__)
module.main()
"""
"""Begins behind a line that nobody else writes: a password that sudo did not ask for is passed over."""
PYTHON = "/usr/bin/python3"
TIMEOUT = 1200.0
_PROBE_TIMEOUT = 60.0
_SUDO = ("/usr/bin/env", "LC_ALL=C", "sudo")  # its messages tell one end from another

AskPassword = Callable[[str], str]
"""Asks a person for a password, with this prompt; raises EOFError where there is no answer."""


class RootRequest(Protocol):
    """What a program on a host is asked."""

    def as_json(self) -> dict[str, object]:
        """Return it as JSON types."""


class _Refusal(NamedTuple):
    """What sudo prints when it does not run a command, and what that is to a person; `{}` is the login."""

    pattern: str
    error: type[GoferryError]
    what: str
    advice: tuple[str, ...]


_WITHOUT_PASSWORD = "or let it go without one, as root there, by visudo:  {} ALL=(ALL) NOPASSWD: ALL"  # noqa: S105
_ANOTHER = "log in as another user:  --user NAME"
_NEEDED = _Refusal(
    r"a (?:password|terminal) is required|interactive authentication is required|no tty present",
    SudoPasswordNeeded,
    "sudo asks {} for a password, and nobody is here to type it",
    ("run it on a terminal, which asks for the password", _WITHOUT_PASSWORD),
)
_REFUSALS = (
    _Refusal(
        "must have a tty",
        SudoRefused,
        "sudo wants a terminal of {}, and programs have none",
        ("let it go without one, as root there, by visudo:  Defaults:{} !requiretty", _ANOTHER),
    ),
    _Refusal(
        r"is not in the sudoers|not in sudoers|may not run sudo|is not allowed to|I'm afraid I can't do that",
        SudoRefused,
        "{} may not become root by sudo",
        ("let it, as root there:  usermod -a -G sudo {}  (on RHEL: wheel)", _ANOTHER),
    ),
    _Refusal(
        r"incorrect (?:password|authentication) attempt|try again|no password was provided|Authentication fail",
        SudoRefused,
        "sudo does not take that password of {}",
        ("type it again: it is the password of {} on that host", _WITHOUT_PASSWORD),
    ),
    _NEEDED,
    _Refusal(
        r"sudo\W*: (?:No such file|Permission denied|command not found)|sudo: (?:not found|inaccessible)",
        HostUnsuitable,
        "{} is not root, and there is no sudo",
        ("log in as root:  --user root", "or install sudo there, and let {} use it"),
    ),
)


class RootShell(Protocol):
    """Runs programs as root on one host."""

    def ask(self, request: RootRequest, modules: Sequence[str]) -> dict[str, object]:
        """Run modules there, the last of which answers the request; return the answer.

        Raises:
            HostUnsuitable, ProvisionFailed, AgentLost, and what `ssh.failure` names.
        """


@dataclass(frozen=True)
class _Shell:
    """How to be root on a host.

    Attributes:
        become: what is put before a command. password: what sudo is given first; empty where it asks for none.
    """

    address: Address
    access: ssh.Access
    environ: Mapping[str, str]
    algorithms: Sequence[str]
    become: tuple[str, ...] = ()
    password: str = field(default="", repr=False)

    def ask(self, request: RootRequest, modules: Sequence[str]) -> dict[str, object]:
        scripts = {name: script(name) for name in modules}
        mark = secrets.token_hex(16)
        words = [mark, *(word for name, source in scripts.items() for word in (name, str(len(source))))]
        data = f"{mark}\n".encode() + b"".join(scripts.values()) + json.dumps(request.as_json()).encode()
        done = self.run(["-c", LOADER, *words], data, TIMEOUT)
        if done.code:
            self.fail(done)
        return answer(self.address, done.stdout)

    def run(self, words: Sequence[str], data: bytes, timeout: float) -> Completed:
        """Run Python as root; sudo reads the password, and the program what follows."""
        # exec, so that no shell of the login stands between sshd and the program.
        command = "exec " + shlex.join([*self.become, PYTHON, "-I", *words])
        given = self.password.encode("utf-8", "surrogateescape") + b"\n" if self.password else b""
        done = run(
            ssh.argv(self.address, self.access, self.algorithms, [command]),
            environ=ssh.spoken(self.environ),
            stdin=given + data,
            timeout=timeout,
        )
        if login := _LOGIN.search(done.text):
            raise DeployKeyRefused(
                f"{self.address.text} takes no login of {self.address.user}, but of {login[1]}",
                state="Nothing was changed.",
                advice=[f"log in as that user, who becomes root by sudo:  --user {login[1]}"],
            )
        return done

    def fail(self, done: Completed) -> NoReturn:
        """Raise what a run that failed means."""
        address, failed = self.address, ssh.failure(self.address, self.access, done.code, done.errors)
        if isinstance(failed, HostKeyUnknown):
            raise host_key.unknown(failed, address, self.access, self.environ)
        if isinstance(failed, DeployKeyRefused) and failed.what.startswith(address.text):
            raise DeployKeyRefused(failed.what, state=failed.state, advice=_other_logins(address))
        if self.become and (refused := _refused(address, done)):
            raise refused
        if done.code in (126, 127) or f"{PYTHON}: command not found" in done.errors:
            # `ssh.failure` takes these codes for a missing agent; here it is Python that the shell did not find.
            raise HostUnsuitable(
                f"{address.text} has no {PYTHON}",
                state="Nothing was changed.",
                advice=["install it there:  apt-get install python3-minimal", "or:  dnf install python3"],
            )
        last = printable(done.errors.strip().splitlines()[-1], 300) if done.errors.strip() else "it said nothing"
        if old := re.fullmatch(r"Python (\d+\.\d+)", last):
            raise HostUnsuitable(
                f"{address.text} can't be provisioned: its {PYTHON} is Python {old[1]}",
                state="Nothing was changed.",
                advice=["Python 3.9 or later is needed there"],
            )
        raise failed or ProvisionFailed(f"{address.text}: the script ended with {done.code}: {last}")


_LOGIN = re.compile(r'Please log ?in as the user "?([a-z_][a-z0-9_-]{0,31})"? rather than the user', re.IGNORECASE)
"""What cloud-init has a cloud image answer to root's key."""


def open_root_shell(
    address: Address, access: ssh.Access, environ: Mapping[str, str], ask_password: AskPassword | None = None
) -> RootShell:
    """Find out how the login becomes root; sudo's password, where it wants one, is asked for here and kept.

    A login of root's is connected to by the first request alone.

    Raises:
        HostKeyUnknown: of a host that was never met, with its fingerprint.
        SudoPasswordNeeded: The host's sudo asks for a password, and there is no terminal to type it on.
        SudoRefused: The host's sudo does not let the login become root.
        HostUnsuitable, and what `ssh.failure` names.
    """
    try:
        algorithms = ssh.pinned_algorithms(address, access, environ)
    except HostKeyUnknown as error:
        # Here a host is met for the first time: the error shows the key that is to be compared.
        raise host_key.unknown(error, address, access, environ) from None
    except KnownHostsUnreadable as error:
        advice = ["name a file that is there:  --known-hosts FILE", "or none: your own known_hosts counts then"]
        raise KnownHostsUnreadable(error.what, state=error.state, advice=advice) from None
    if address.user == "root":
        return _Shell(address, access, environ, algorithms)
    shell = _Shell(address, access, environ, algorithms, (*_SUDO, "-n", "--"))
    # Python itself, and not another program: what sudo lets somebody do may depend on the command.
    done = shell.run(["-c", ""], b"", _PROBE_TIMEOUT)
    if done.code == 0:
        return shell
    if done.code == 255 or not re.search(_NEEDED.pattern, done.errors) or ask_password is None:
        shell.fail(done)
    try:
        password = ask_password(f"sudo's password of {address.user} on {address.text}: ")
    except EOFError:
        password = ""
    if not password:
        raise _named(_NEEDED, address)
    # -k: it always reads the password, whatever it remembers of the login.
    shell = _Shell(address, access, environ, algorithms, (*_SUDO, "-S", "-p", "", "-k", "--"), password)
    # Tried with nothing behind it, since sudo would take what follows a wrong password for the next attempt.
    done = shell.run(["-c", ""], b"", _PROBE_TIMEOUT)
    if done.code:
        shell.fail(done)
    return shell


def _refused(address: Address, done: Completed) -> GoferryError | None:
    """Return what sudo's message means; None where it ran the command."""
    found = next((each for each in _REFUSALS if done.code != 255 and re.search(each.pattern, done.errors)), None)
    return _named(found, address) if found else None


def _named(refusal: _Refusal, address: Address) -> GoferryError:
    return refusal.error(
        f"{address.text}: {refusal.what.format(address.user)}",
        state="Nothing was changed.",
        advice=[line.format(address.user) for line in refusal.advice],
    )


def _other_logins(address: Address) -> list[str]:
    """Return what to try when a login is refused."""
    known = f"see who gets in:  ssh {f'-p {address.port} ' if address.port else ''}-l {address.user} {address.host}"
    if address.user == "root":
        return ["root is refused on most cloud images; log in as a user who may use sudo:  --user NAME", known]
    return ["with the login's own key:  --identity FILE", known]


def script(name: str) -> bytes:
    """Return a module's source."""
    return Path(__file__).parents[2].joinpath(*name.split(".")[1:]).with_suffix(".py").read_bytes()


def answer(address: Address, output: bytes) -> dict[str, object]:
    """Return the program's one object: the last line, whatever a login's shell printed before it.

    Raises:
        AgentLost: when there is none.
    """
    try:
        found = json.loads(output.decode("utf-8", "replace").strip().splitlines()[-1])
        # An escape can stand for half a character, which no file takes: such a half becomes a question mark.
        found = json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, IndexError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise unlike(address)
    return found


def unlike(address: Address) -> AgentLost:
    """Return the error of an answer that is none."""
    return AgentLost(
        f"{address.text} answered something else than the script's object",
        state="What was done there is not known; run it again.",
    )
