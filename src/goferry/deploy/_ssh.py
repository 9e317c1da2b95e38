"""Runs OpenSSH to reach a host, with every option that matters for security set on its command line.

The user's own ssh configuration decides how a host is reached (jump hosts, ports, addresses, certificates, agents) and
nothing else: the options set here come first, and ssh uses the first value that it finds.
"""

from __future__ import annotations

import re
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from goferry.deploy import _known_hosts as known_hosts
from goferry.deploy._hosts import Address
from goferry.deploy.errors import (
    AgentMissing,
    DeployKeyRefused,
    DeployKeyUnusable,
    HostKeyChanged,
    HostKeyUnknown,
    HostUnreachable,
    KnownHostsUnreadable,
)
from goferry.kernel.errors import Advice, GoferryError, Misuse, printable
from goferry.system import keytext
from goferry.system.process import ToolMissing, run

AGENT = "/usr/local/libexec/goferry-host"


@dataclass(frozen=True)
class Access:
    """How to log in to a host.

    Attributes:
        identity: the private key's file; None means the user's own keys and agent.
        known_hosts: the hosts' keys; None means the user's own file.
        connect_timeout: seconds until a host counts as unreachable.
        called: names for these files in messages, by path, where people know them by another name.
    """

    identity: Path | None = None
    known_hosts: Path | None = None
    connect_timeout: int = 15
    called: Mapping[Path, str] = field(default_factory=dict)

    def name(self, path: Path) -> str:
        """Return a file's name for messages: the secret's or input's name, else its path."""
        return self.called.get(path) or printable(str(path), 200)


def argv(address: Address, access: Access, algorithms: Sequence[str] = (), command: Sequence[str] = ()) -> list[str]:
    """Return ssh's command line; pure."""
    options = {
        # Nobody is there to type: ssh has to fail where it would ask for a passphrase or about a key.
        "BatchMode": "yes",
        # Not accept-new, which believes whoever answers first.
        "StrictHostKeyChecking": "yes",
        # Forwardings of the user's configuration would open ports for each deploy, or end it over one.
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "PermitLocalCommand": "no",
        "RequestTTY": "no",
        "Tunnel": "no",
        # A connection that is shared was opened by other rules than these: its host key was judged elsewhere.
        "ControlMaster": "no",
        "ControlPath": "none",
        # With one in the configuration ssh refuses to be given a command here.
        "RemoteCommand": "none",
        # Keys are vouched for by people: not by the host itself, by DNS, or by a configured program.
        "UpdateHostKeys": "no",
        "VerifyHostKeyDNS": "no",
        "KnownHostsCommand": "none",
        "EscapeChar": "none",
        # Any quieter level hides the messages by which `failure` tells one end from another.
        "LogLevel": "ERROR",
        "ConnectTimeout": str(access.connect_timeout),
        # A dead line ends ssh after 30 seconds: within the 60 that a host gives a silent client.
        "ServerAliveInterval": "10",
        "ServerAliveCountMax": "3",
        **_pinned(access, algorithms),
    }
    words = ["ssh", "-T"]
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    if access.identity is not None:
        # Else ssh-agent's keys are offered too, and sshd hangs up at MaxAuthTries (6 by default).
        words += ["-o", "IdentitiesOnly=yes", "-o", f"IdentityFile={_quoted(access.identity)}"]
    if address.port:
        words += ["-p", str(address.port)]
    return [*words, "-l", address.user, "--", address.host, *command]


def _pinned(access: Access, algorithms: Sequence[str]) -> dict[str, str]:
    pinned = {"HostKeyAlgorithms": ",".join(algorithms)} if algorithms else {}
    if access.known_hosts is None:
        return pinned
    # This machine's /etc/ssh/ssh_known_hosts must not vouch for a key that the file does not pin.
    return {"UserKnownHostsFile": _quoted(access.known_hosts), "GlobalKnownHostsFile": "none", **pinned}


def _quoted(path: Path) -> str:
    """Return a path as ssh_config(5) takes it: quoted for spaces, `%` doubled, since tokens are expanded."""
    text = str(path.absolute())
    # A literal `${` can't be written there at all, and quotes and backslashes depend on the version of ssh.
    if '"' in text or "\\" in text or "${" in text or any(ord(letter) < 32 for letter in text):
        raise Misuse(f"ssh can't be given the path {printable(text, 200)}", advice=["choose a plainer folder"])
    return '"' + text.replace("%", "%%") + '"'


def pinned_algorithms(address: Address, access: Access, environ: Mapping[str, str]) -> list[str]:
    """Return the key types to ask the host for; [] where the user's own known_hosts decides.

    Raises:
        HostKeyUnknown: when the file has no key for the host; nothing was connected to.
        KnownHostsUnreadable: when there is no such file.
    """
    if access.known_hosts is None:
        return []
    try:
        text = access.known_hosts.read_text("utf-8", "replace")
    except OSError as error:
        raise KnownHostsUnreadable(
            f"{access.name(access.known_hosts)}: {error.strerror}",
            state="Nothing was connected to.",
            advice=["write the hosts' keys there; `goferry provision HOST` prints the line"],
        ) from error
    names = _known_as(address, access, environ)
    found = known_hosts.algorithms(text, names)
    if not found:
        raise _unknown(address, names[0], access.name(access.known_hosts))
    return found


class _Resolved(NamedTuple):
    """What is gone by of a host's configuration, as `ssh -G` prints it (ssh_config(5))."""

    hostname: str
    port: str = "22"
    hostkeyalias: str = "none"


def _known_as(address: Address, access: Access, environ: Mapping[str, str]) -> list[str]:
    """Return the names under which ssh looks for the host's key, as its configuration resolves them."""
    words = argv(address, access)
    # -G prints the configuration that these very words lead to, and connects to nothing.
    done = run([words[0], "-G", *words[1:]], environ=spoken(environ), timeout=30)
    settled = dict(line.partition(" ")[::2] for line in done.text.splitlines())
    if done.code or "hostname" not in settled:
        raise Misuse(f"ssh refuses its configuration for {address.text}: {_last(done.errors)}")
    found = _Resolved(**{name: settled[name] for name in _Resolved._fields if name in settled})
    # An alias takes the place of the name and of the port.
    if found.hostkeyalias != "none":
        return [found.hostkeyalias]
    # As ssh does: where the name with the port has no key, the bare one counts.
    return [found.hostname] if found.port == "22" else [f"[{found.hostname}]:{found.port}", found.hostname]


_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "TMPDIR", "KRB5CCNAME")


def spoken(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for ssh: no secrets, and messages untranslated, so that they can be told apart."""
    kept = {key: value for key, value in environ.items() if key in _KEPT or key.lower().endswith("_proxy")}
    return {**kept, "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"}


def check(access: Access, environ: Mapping[str, str]) -> None:
    """Refuse what can't work before any host is connected to.

    Raises:
        ToolMissing: without ssh. DeployKeyUnusable: as it says.
    """
    if not shutil.which("ssh", path=environ.get("PATH")):
        raise ToolMissing("ssh is not on this machine", advice=["install OpenSSH's client"])
    path = access.identity
    if path is None:
        return
    name = access.name(path)
    try:
        mode, data = path.stat().st_mode, path.read_bytes()[: keytext.MAX_BYTES]
    except OSError as error:
        raise DeployKeyUnusable(
            f"{name}: {error.strerror}", advice=["name the private key that deploys:  --identity FILE", MAKE_KEY]
        ) from error
    # ssh passes over such a file with a warning, and then ends in "Permission denied".
    if mode & 0o077:
        raise DeployKeyUnusable(f"others may read {name}", advice=[f"chmod 600 {name}"])
    wrong = _form(data) if stat.S_ISREG(mode) else "is not a file"
    if not wrong and shutil.which("ssh-keygen", path=environ.get("PATH")):
        wrong = _unloadable(path, environ)
    if wrong:
        raise DeployKeyUnusable(f"{name} {wrong}", state="Nothing was connected to.", advice=[HAND_ON, MAKE_KEY])


HAND_ON = Advice(
    "give the file as ssh-keygen made it:  --identity FILE",
    step="store the file as it is, from its first line to its last:  gh secret set GOFERRY_DEPLOY_KEY < FILE",
)
MAKE_KEY = "make one:  ssh-keygen -t ed25519 -N '' -f ~/.ssh/goferry_deploy"
_PUBLIC = re.compile(
    rb"(ssh-|ecdsa-|sk-)[a-z0-9@.-]{1,64} AAAA|---- BEGIN SSH2 PUBLIC KEY|-----BEGIN [A-Z ]*PUBLIC KEY-----"
)


def _form(data: bytes) -> str:
    """Return what is wrong with a private key's text, to complete a sentence about it."""
    if keytext.plain(data) is not data:
        return "is UTF-16, or begins with a byte order mark; ssh reads plain text"
    if keytext.unwrapped(data) is not data:
        return "is base64 of a key; ssh reads the key itself"
    wrong = keytext.flaw(data)
    if wrong:
        return wrong
    if _PUBLIC.search(data):
        return "is a public key; the half without .pub opens hosts"
    if data.startswith(b"PuTTY-User-Key-File"):
        return "is a key of PuTTY; make OpenSSH's form of it:  puttygen FILE -O private-openssh -o NEW"
    if not keytext.label(data).endswith("PRIVATE KEY"):
        return "is not a private key of ssh"
    if b"\r" in data:
        return "has the line ends of Windows; ssh reads no such key"
    if keytext.indented(data):
        return "is set in: its lines begin with spaces, as in the YAML file that it was copied from"
    return "" if data.endswith(b"\n") else "lacks the end of its last line; ssh reads no such key"


def _unloadable(path: Path, environ: Mapping[str, str]) -> str:
    """Return why ssh can't load a key, as the rest of a sentence; empty when it can, or when an agent holds the key."""
    spoke = spoken(environ)
    # With an empty passphrase it never asks for one; a key that has one then fails by that word.
    tested = run(["ssh-keygen", "-y", "-P", "", "-f", path], environ=spoke, timeout=30)
    if tested.code == 0:
        return ""
    if "passphrase" not in tested.errors:
        return f"can't be loaded by ssh: {_last(tested.errors).replace(str(path), 'it')}"
    fingerprint = run(["ssh-keygen", "-l", "-f", path], environ=spoke, timeout=30).text.split()[1:2]
    agent = run(["ssh-add", "-l"], environ=spoke, timeout=30).text if "SSH_AUTH_SOCK" in spoke else ""
    # ssh takes the agent's copy of the key that IdentityFile names, also with IdentitiesOnly.
    if fingerprint and fingerprint[0] in agent.split():
        return ""
    return "is protected by a passphrase, and nobody is there to type it"


def _last(errors: str, lines: int = 1) -> str:
    messages = [line.strip() for line in errors.splitlines() if line.strip()]
    return printable(" · ".join(messages[-lines:]), 400)


_UNUSED = re.compile(
    "(?m)^.*(?:UNPROTECTED PRIVATE KEY|Load key |sign_and_send_pubkey: (?:signing failed|no mutual signature)|"
    "error in libcrypto|agent refused operation).*$"
)
"""What ssh prints about a key that it can't sign with: a security key that is not plugged in, a broken file."""
_UNREACHABLE = re.compile(
    r"Could not resolve|Connection refused|timed out|No route to host|unreachable|Connection (?:reset|closed)"
    r"|kex_exchange_identification|Broken pipe|not responding|Connection to .* closed|port 65535",
    re.IGNORECASE,
)


def failure(address: Address, access: Access, code: int | None, errors: str) -> GoferryError | None:
    """Return what ssh's exit code and messages mean, or None if they say nothing.

    ssh's own failures exit with 255; any other code is the remote command's.
    """
    # The remote shell's codes for a program that it can't run, or can't find.
    if code in (126, 127):
        return AgentMissing(
            f"{address.text} has no {AGENT}",
            state="Nothing was changed.",
            advice=[f"provision it:  goferry provision {address.text.rpartition('@')[2]}"],
        )
    if code != 255:
        return None
    # First, since a jump host's ssh writes to the same standard error, in the same words.
    before = _on_the_way(address, errors)
    if before is not None:
        return before
    where = access.name(access.known_hosts) if access.known_hosts else "your known_hosts"
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in errors or "REVOKED HOST KEY" in errors:
        return _changed(address, where, errors)
    # Only the pinned types were asked for: a host that was reinstalled without them ends here.
    if "no matching host key type" in errors:
        offered = printable(errors.rpartition("Their offer:")[2].strip(), 200)
        return HostKeyChanged(
            f"{address.text} has none of the pinned key types; it offers {offered}",
            state="Nothing was sent.",
            advice=[f"compare with the host, then mend its line in {printable(where, 200)}"],
        )
    if "Host key verification failed" in errors or "host key is known for" in errors:
        return _unknown(address, address.host, where)
    if unused := _UNUSED.search(errors):  # comes first: without the key ssh goes on, and ends in "Permission denied"
        return DeployKeyUnusable(
            f"ssh can't use the key: {_last(unused.group())}", state="Nothing was sent.", advice=[HAND_ON, MAKE_KEY]
        )
    if "Permission denied" in errors or "Too many authentication failures" in errors:
        return DeployKeyRefused(
            f"{address.text} refuses the key for user {address.user}: {_last(errors)}",
            state="Nothing was sent.",
            advice=["let it in:  goferry provision HOST --deploy-key FILE.pub"],
        )
    found = _UNREACHABLE.search(errors)
    return HostUnreachable(
        f"{address.text}: {_last(errors, 2) or 'the connection ended'}",
        state="" if found else "ssh ended with code 255.",
        advice=["look at it:  ssh " + (f"-p {address.port} " if address.port else "") + address.host],
    )


def _on_the_way(address: Address, errors: str) -> GoferryError | None:
    """Return the error of a jump host's ssh, which ended ours; None if there is none."""
    # What ssh says when the command that carries it (ProxyJump) ends before the host has spoken.
    if not re.search("kex_exchange_identification|UNKNOWN port 65535", errors):
        return None
    state, look = "Nothing was sent.", f"see the way:  ssh -G {address.host} | grep -i proxy"
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in errors:
        named = re.search(r"Host key for (\S{1,300}) has changed", errors)
        return HostKeyChanged(
            f"{printable(named.group(1), 300) if named else 'a host'}, on the way to {address.text}, shows another key "
            "than your own known_hosts has",
            state=state,
            advice=[look, "compare with that host, then mend its line in ~/.ssh/known_hosts"],
        )
    if "Host key verification failed" in errors:
        return HostKeyUnknown(
            f"your own known_hosts has no key for a host on the way to {address.text}",
            state=state,
            advice=[look, "compare its key with the host, then add its line to ~/.ssh/known_hosts"],
        )
    denied = re.search("(?m)^.*(?:Permission denied|Too many authentication failures).*$", errors)
    if denied:
        return DeployKeyRefused(
            f"a host on the way to {address.text} refuses the key: {printable(denied.group(), 400)}",
            state=state,
            advice=[look, "name its key and user in ~/.ssh/config: IdentityFile, User"],
        )
    return None


def _changed(address: Address, where: str, errors: str) -> HostKeyChanged:
    shown = re.search(r"SHA256:[A-Za-z0-9+/]{43}", errors)
    return HostKeyChanged(
        f"{address.text} shows another key than the known one" + (f": {shown.group()}" if shown else ""),
        state="Nothing was sent.",
        advice=[
            "on the host's own console:  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
            f"only when the two agree, replace its line in {printable(where, 200)}",
        ],
    )


def _unknown(address: Address, name: str, where: str) -> HostKeyUnknown:
    return HostKeyUnknown(
        f"{printable(where, 200)} has no key for {printable(name, 200)}",
        state="Nothing was sent.",
        advice=[
            "on the host's own console:  cat /etc/ssh/ssh_host_ed25519_key.pub",
            f"then add a line:  {printable(name, 200)} ssh-ed25519 AAAA…",
        ],
        host=address.text,
    )
