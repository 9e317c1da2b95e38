"""Runs on the host that is provisioned, as root, by its Python alone: tells facts, or makes files be as they should.

It is sent over ssh with a JSON request behind it and prints one JSON object. `facts` changes nothing. `apply` writes
what differs, each file whole or not at all, then runs the commands whose files changed; a check that fails brings back
the files of its group as they were.
"""

from __future__ import annotations

import base64
import contextlib
import glob
import grp
import json
import os
import pwd
import re
import socket
import subprocess
import sys
import tempfile
from typing import Any, Dict, List, Optional, Tuple

Record = Dict[str, Any]
NOTE = "/etc/goferry/.changing"
"""Files that were changed by a run that did not end; their commands are still to be run."""


def run(argv: List[str], timeout: float = 120) -> Tuple[int, str]:
    """Run a program; return its code and its output's end."""
    environ = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    environ["DEBIAN_FRONTEND"] = "noninteractive"
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace")[-2000:]


def read(path: str) -> Optional[bytes]:
    """Return a file's bytes, or None when there is none."""
    try:
        with open(path, "rb") as file:
            return file.read(4 << 20)
    except OSError:
        return None


def text(path: str) -> str:
    """Return a file's text, or an empty string."""
    return (read(path) or b"").decode("utf-8", "replace")


def facts() -> Record:
    """Return what the plan depends on."""
    version = re.search(r"systemd (\d+)", run(["systemctl", "--version"])[1])
    return {
        "user": os.geteuid(),
        "system": os.uname().sysname,
        "machine": os.uname().machine,
        "hostname": socket.gethostname(),
        "python": list(sys.version_info[:3]),
        "systemd": int(version.group(1)) if version and os.path.isdir("/run/systemd/system") else 0,
        "apt": os.path.exists("/usr/bin/apt-get"),
        **nginx(),
        "private_users": private_users(),
        "ipv6": os.path.exists("/proc/net/if_inet6"),
        "ports": listening(),
        "host_file": text("/etc/goferry/host.json"),
        "trust": text("/etc/goferry/goferry.trust"),
        "trusts": sorted(os.path.basename(path)[:-6] for path in glob.glob("/etc/goferry/trust/*.trust")),
        "authorized_keys": text("/var/lib/goferry-login/.ssh/authorized_keys"),
        "host_keys": [
            line for path in sorted(glob.glob("/etc/ssh/ssh_host_*_key.pub")) for line in [text(path).strip()]
        ],
    }


def nginx() -> Record:
    """Return nginx's version and the group that its workers run as."""
    found = re.search(r"nginx/([0-9.]+)", run(["nginx", "-v"])[1])
    if not found:
        return {"nginx": "", "nginx_group": "www-data"}
    user = re.search(
        r"(?m)^\s*user\s+([a-z_][a-z0-9_-]*)(?:\s+([a-z_][a-z0-9_-]*))?\s*;", text("/etc/nginx/nginx.conf")
    )
    group = (user.group(2) or user.group(1)) if user else "nogroup"
    if user and not user.group(2):
        with contextlib.suppress(KeyError):
            group = grp.getgrgid(pwd.getpwnam(user.group(1)).pw_gid).gr_name
    return {"nginx": found.group(1), "nginx_group": group}


def private_users() -> bool:
    """Whether a unit can have a user namespace of its own here; the probe is hardened as the units are."""
    able = os.path.exists("/proc/self/ns/user") and os.path.exists("/proc/self/uid_map")
    if not able or not os.path.isdir("/run/systemd/system") or os.geteuid() != 0:
        return False
    given = ["PrivateUsers=yes", "DynamicUser=yes", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "Type=exec"]
    given += ["ProtectProc=invisible", "PrivateMounts=yes"]
    properties = [word for each in given for word in ("-p", each)]
    return run(["systemd-run", "--quiet", "--wait", "--collect", *properties, "true"], 30)[0] == 0


TRY_PORT = """
import errno, socket
MPTCP = 262  # as which Go makes its listeners
kinds = [(socket.AF_INET, 0), (socket.AF_INET6, 0), (socket.AF_INET, MPTCP)]
for family, protocol in kinds:
    try:
        one = socket.socket(family, socket.SOCK_STREAM, protocol)
    except OSError:
        continue  # the host has no such protocol
    try:
        one.bind(("", 23999))
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES):
            continue
    raise SystemExit(1)
"""


def denied() -> bool:
    """Whether a unit can't listen on a port of another service's: tried with one, hardened as the services' are."""
    given = ["ExecStartPre=+/usr/local/libexec/goferry-host ports", "DynamicUser=yes", "NoNewPrivileges=yes"]
    properties = [word for each in [*given, "CapabilityBoundingSet="] for word in ("-p", each)]
    words = ["systemd-run", "--quiet", "--wait", "--collect", *properties, "/usr/bin/python3", "-I", "-c", TRY_PORT]
    return run(words, 30)[0] == 0


def listening() -> List[int]:
    """Return the TCP ports that somebody listens on."""
    found = set()
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in text(path).splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                found.add(int(words[1].rpartition(":")[2], 16))
    return sorted(found)


def same(entry: Record) -> bool:
    """Whether a file or folder is as it should be already."""
    try:
        found = os.lstat(entry["path"])
    except OSError:
        return False
    wanted = (pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid)
    if (found.st_uid, found.st_gid) != wanted or found.st_mode & 0o7777 != entry["mode"]:
        return False
    if "content" not in entry:
        return os.path.isdir(entry["path"])
    return entry["keep"] or read(entry["path"]) == base64.b64decode(entry["content"])


def put(entry: Record) -> None:
    """Make a file or a folder; a file that is kept gets its mode only."""
    path, owner, group = entry["path"], pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid
    if "content" not in entry:
        os.makedirs(path, exist_ok=True)
        os.chown(path, owner, group)
        os.chmod(path, entry["mode"])
        return
    if entry["keep"] and os.path.lexists(path):
        os.chown(path, owner, group)
        os.chmod(path, entry["mode"])
        return
    write(path, base64.b64decode(entry["content"]), entry["mode"], owner, group)


def write(path: str, data: bytes, mode: int, owner: int, group: int) -> None:
    """Write beside, sync, rename."""
    descriptor, name = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".goferry.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchown(file.fileno(), owner, group)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.rename(name, path)
    except BaseException:
        os.unlink(name)
        raise


class Failure(Exception):
    """Provisioning stopped; its text is for people."""


def apply(request: Record) -> Record:
    """Do the plan; return `{"changed": [path], "ran": [text], "unchanged": bool}`.

    What changed is noted before it does, so that a run that is cut short is made whole by the next one.
    """
    changed: List[str] = []
    ran: List[str] = []
    for words in request["install"]:
        must(words, ran, 600)
    owed = json.loads(text(NOTE) or "[]")
    differing = [entry for entry in request["entries"] if not same(entry)]
    before: Dict[str, Optional[Tuple[bytes, os.stat_result]]] = {}
    if differing:
        note(owed + [entry["path"] for entry in differing])
    for entry in differing:
        data = read(entry["path"]) if "content" in entry else None
        before[entry["path"]] = (data, os.stat(entry["path"])) if data is not None else None
        put(entry)
        changed.append(entry["path"])
    for command in request["commands"]:
        obey(command, changed + owed, ran, before)
    if os.path.exists(NOTE):
        os.unlink(NOTE)
    return {"changed": changed, "ran": ran, "unchanged": not changed and not ran, "denied": denied()}


def note(paths: List[str]) -> None:
    """Remember which files' commands are owed."""
    os.makedirs(os.path.dirname(NOTE), exist_ok=True)
    write(NOTE, json.dumps(sorted(set(paths))).encode(), 0o600, 0, 0)


def obey(command: Record, changed: List[str], ran: List[str], before: Dict[str, Any]) -> None:
    """Run one command when it has a reason: files under its prefixes changed, its question is answered no, or the
    user that it names is locked.
    """  # noqa: D205
    touched = any(path.startswith(prefix) for path in changed for prefix in command.get("changed", []))
    asked = bool(command.get("unless")) and run(command["unless"])[0] != 0
    if not (touched or asked or locked(command.get("locked", ""))):
        return
    try:
        must(command["run"], ran, 180)
    except Failure:
        bring_back([path for path in before if any(path.startswith(each) for each in command.get("undo", []))], before)
        raise


def locked(user: str) -> bool:
    """Whether a user's password field locks the account, so that sshd without PAM would refuse its keys."""
    found = [line.split(":")[1] for line in text("/etc/shadow").splitlines() if user and line.startswith(user + ":")]
    return any(field.startswith("!") for field in found)


def must(words: List[str], ran: List[str], timeout: float) -> None:
    """Run a command that has to succeed."""
    code, output = run(words, timeout)
    if code:
        raise Failure("%s ended with %d: %s" % (" ".join(words), code, output.strip()[-1500:]))
    ran.append(" ".join(words))


def bring_back(paths: List[str], before: Dict[str, Any]) -> None:
    """Make files be what they were before this run."""
    for path in paths:
        if before[path] is None:
            if os.path.isfile(path):
                os.unlink(path)
        else:
            data, found = before[path]
            write(path, data, found.st_mode & 0o7777, found.st_uid, found.st_gid)


def main() -> None:
    """Answer the one request."""
    request = json.loads(sys.stdin.buffer.read().decode())
    try:
        answer = facts() if request["do"] == "facts" else diff(request) if request["do"] == "diff" else apply(request)
    except Failure as error:
        answer = {"error": str(error)}
    except (OSError, KeyError) as error:
        answer = {"error": "%s: %s" % (type(error).__name__, error)}
    sys.stdout.write(json.dumps(answer) + "\n")


def diff(request: Record) -> Record:
    """Return what apply would write."""
    return {"changed": [entry["path"] for entry in request["entries"] if not same(entry)]}


if __name__ == "__main__":
    main()
