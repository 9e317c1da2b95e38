"""The first meeting with a host: its key's fingerprint is shown, compared by a person, and only then remembered."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from goferry.artifacts import ownfolder
from goferry.artifacts.ownfolder import OWN
from goferry.deploy import _ssh as ssh
from goferry.deploy._hosts import Address
from goferry.deploy.errors import HostKeyChanged, HostKeyUnknown
from goferry.kernel.errors import printable
from goferry.system.process import run

_NEVER = ["-o", "PreferredAuthentications=none", "-o", "PubkeyAuthentication=no"]


def scan_key(address: Address, access: ssh.Access, environ: Mapping[str, str]) -> str:
    """Return the line for known_hosts of the key that the host shows now; nothing is authenticated or sent.

    Raises:
        HostUnreachable: when nobody answers.
    """
    with tempfile.TemporaryDirectory(prefix="goferry-") as folder:
        file = Path(folder) / "known_hosts"
        words = ssh.argv(address, dataclasses.replace(access, known_hosts=file, identity=None))
        # ssh writes the key into the throw-away file; ssh-keyscan would know nothing of jump hosts.
        words = ["StrictHostKeyChecking=accept-new" if each == "StrictHostKeyChecking=yes" else each for each in words]
        # In front, since ssh takes the first value. Debian hashes names by default.
        done = run(
            [*words[:2], *_NEVER, "-o", "HashKnownHosts=no", *words[2:]], environ=ssh.spoken(environ), timeout=60
        )
        lines = file.read_text("utf-8", "replace").splitlines() if file.is_file() else []
    # ssh always ends with 255 here, as nobody logs in: the file alone shows whether the host was reached.
    if lines and len(lines[0].split()) >= 3:
        return " ".join(lines[0].split()[:3])
    raise ssh.failure(address, access, 255, done.errors) or HostKeyUnknown(f"{address.text} shows no key")


def fingerprint(line: str) -> str:
    """Return a known_hosts line's fingerprint as `ssh-keygen -l` shows it."""
    digest = hashlib.sha256(base64.b64decode(line.split()[2])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def confirm(address: Address, access: ssh.Access, environ: Mapping[str, str], expected: str, file: Path) -> str:
    """Remember the host's key when it has the fingerprint that a person has compared; return the added line.

    Raises:
        HostKeyChanged: when the host shows another one; nothing is written.
    """
    line = scan_key(address, access, environ)
    if fingerprint(line) != expected.strip():
        raise HostKeyChanged(
            f"{address.text} shows {fingerprint(line)}, not {printable(expected, 80)}",
            state="Nothing was written or sent.",
            advice=["on the host's own console:  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"],
        )
    known = file.read_text("utf-8") if file.is_file() else ""
    if line not in known.splitlines():
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.parent.name == OWN:
            ownfolder.make(file.parent)
        with file.open("a") as out:
            out.write(("\n" if known and not known.endswith("\n") else "") + line + "\n")
    return line


def unknown(error: HostKeyUnknown, address: Address, access: ssh.Access, environ: Mapping[str, str]) -> HostKeyUnknown:
    """Return the error with what the host shows now and how to confirm it."""
    line = scan_key(address, access, environ)
    kind = re.sub(r"^(?:ssh-|ecdsa-sha2-)|-.*", "", line.split()[1]) or "ed25519"
    user = "" if address.user == "root" or "@" in address.text else f" --user {address.user}"
    name = {"nistp256": "ecdsa", "nistp384": "ecdsa", "nistp521": "ecdsa"}.get(kind, kind)
    return HostKeyUnknown(
        f"{error.what}; it shows {line.split()[1]} {fingerprint(line)}",
        state="Nothing was sent.",
        advice=[
            f"on the host's own console:  ssh-keygen -lf /etc/ssh/ssh_host_{name}_key.pub",
            f"only when the two agree:  goferry provision {address.text}{user} --host-key {fingerprint(line)}",
        ],
        host=address.text,
        fingerprint=fingerprint(line),
    )
