"""Takes away what provisioning made beside files: units that run, folders, the login, packages; part of `on_host`.

Nothing here fails a run: what can't be taken away stays, and is told.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
from collections.abc import Iterable, Sequence

from goferry.deploy.provision._as_found_on_host import forget, read_as_found
from goferry.deploy.provision._order_on_host import Command, Removal, Words
from goferry.deploy.provision.changes_on_host import Changes, asked, empty, gone, run, text

ROOT, AGENT_FOLDER = "/var/lib/goferry", "/var/lib/goferry/.goferry"
DATA = ("/var/lib/goferry-data", "/var/lib/private/goferry-data")
RUN = ("/run/goferry", "/run/goferry-slots", "/run/private/goferry-slots", "/run/goferry-provision.lock")
LOGIN, HOME = "goferry", "/var/lib/goferry-login"
"""By its home a login is known to be provisioning's: a person of that name has another."""
FOLDERS = (
    "/etc/goferry/env", "/etc/goferry/trust", "/etc/goferry", ROOT, HOME + "/.ssh", HOME, *DATA,
)  # fmt: skip
"""Folders that are Goferry's alone, and go where they are empty."""
ENDING, SEARCH, PACKAGES = 600.0, 120.0, 600.0
"""Seconds: for services to drain, for a file of a user's to be found, and for packages to go."""
LOCKS = frozenset((".lock", ".incoming"))
"""What a project's folder has though nothing is kept there."""
ELSEWHERE = frozenset(
    (
        "9p", "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "cifs", "configfs", "debugfs", "devpts", "devtmpfs",
        "efivarfs", "fusectl", "hugetlbfs", "iso9660", "mqueue", "nfs", "nfs4", "nsfs", "proc", "pstore", "securityfs",
        "smb3", "squashfs", "sysfs", "tracefs",
    )
)  # fmt: skip
"""Kinds of file systems that hold no files of this host's users: the kernel's own, and other machines'."""


def running(patterns: Words) -> Words:
    """Return the units that run and match."""
    if not patterns:
        return ()
    words = ("systemctl", "list-units", "--plain", "--no-legend", "--full", "--state=active,activating,reloading")
    listed = run((*words, *patterns), most=1 << 20)[1]
    return tuple(line.split()[0] for line in listed.splitlines() if line.split())


def end(removal: Removal, changes: Changes) -> None:
    """Run the first commands, and end units; the way back starts them again."""
    for command in removal.first:
        changes.run_command(command, [])
    if units := running(removal.ends):
        stop = Command(("systemctl", "stop", *units), unless=("false",), undo=("systemctl", "start", *units))
        changes.run_command(stop, [], ENDING)


def foreseen(removal: Removal) -> list[str]:
    """Return the commands that would be run beside the plan's own."""
    units = running(removal.ends)
    lines = [command.text for command in removal.first if asked(command)]
    lines += [f"systemctl stop {' '.join(units)}"] if units else []
    if removal.leave:
        lines += [" ".join(words) for words in reversed(read_as_found().undo)]
        lines += [" ".join(words) for words in removals(removal)]
    if removal.login and uid(removal.login) is not None:
        lines.append(f"userdel {removal.login}")
    return lines


def removals(removal: Removal) -> list[Words]:
    """Return the commands that remove the packages that provisioning installed, where that is asked for."""
    found = read_as_found().packages
    return [(*words, *found[words[0]]) for words in removal.packages if found.get(words[0])]


def packages() -> list[str]:
    """Return the packages that provisioning installed."""
    return [name for names in read_as_found().packages.values() for name in names]


def kept(paths: Iterable[str]) -> list[str]:
    """Return those that are there."""
    return [path for path in paths if os.path.lexists(path)]


def finish(removal: Removal, ran: list[str]) -> list[str]:
    """Take the rest away, when nothing can fail the run any more; return what stays, for people."""
    found, stays = read_as_found(), list[str]()
    remove_packages = removals(removal)
    for words in reversed(found.undo if removal.leave else ()):
        _run(words, ran, stays)
    for path in removal.clears:
        _clear(path)
    for folder in removal.tidies:
        if os.path.isdir(folder) and not set(os.listdir(folder)) - LOCKS:
            _clear(folder)
    if removal.login:
        stays += _login_removed(removal.login, ran)
    folders = [*removal.folders, *(found.folders if removal.leave else ())]
    if removal.leave:
        with contextlib.suppress(OSError):
            forget()
        for path, owner, group, mode in found.owned:
            with contextlib.suppress(OSError):
                os.chown(path, owner, group)
                os.chmod(path, mode)
    _remove_empty(folders)
    for words in remove_packages:
        _run(words, ran, stays, PACKAGES)
    _remove_empty(folders)  # what a package had laid there is gone now
    return stays


def _remove_empty(folders: Iterable[str]) -> None:
    for path in sorted(folders, key=len, reverse=True):
        with contextlib.suppress(OSError):
            empty(path)


def _run(words: Words, ran: list[str], stays: list[str], timeout: float = 180) -> None:
    code, output = run(words, timeout)
    ran.append(" ".join(words))
    if code:
        stays.append(f"{' '.join(words)} ended with {code}: {output.strip()[-300:]}")


def _clear(path: str) -> None:
    if os.path.islink(path) or not os.path.isdir(path):
        with contextlib.suppress(OSError):
            gone(path)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _login_removed(login: str, ran: list[str]) -> list[str]:
    """Remove a login of which no file is left; return what is told when it stays."""
    number = uid(login)
    if number is None:
        return []
    file = file_of(number)
    if file:
        return [f"the login {login} stays: {file} is his"]
    stays = list[str]()
    _run(("userdel", login), ran, stays)
    return stays


def uid(login: str) -> int | None:
    """Return the number of a login of provisioning's; None where there is none, or where it is somebody else's."""
    try:
        found = pwd.getpwnam(login)
    except KeyError:
        return None
    return found.pw_uid if found.pw_dir == HOME else None


def file_of(number: int, mounts: Sequence[str] | None = None) -> str:
    """Return a file of a user's on this host's disks, or why that is not known; empty when there is none."""
    for mount in local_mounts(text("/proc/mounts")) if mounts is None else mounts:
        code, output = run(("find", mount, "-xdev", "-uid", str(number), "-print", "-quit"), SEARCH)
        first = next((line for line in output.splitlines() if line.startswith(mount)), "")
        if first:
            return first
        if code == 127:
            return f"something below {mount}, perhaps: {output.strip()[-200:]}"
    return ""


def local_mounts(table: str) -> list[str]:
    """Return where this host's own file systems are mounted, of the text of /proc/mounts."""
    rows = (line.split() for line in table.splitlines())
    found = dict.fromkeys(row[1] for row in rows if len(row) > 2 and row[2] not in ELSEWHERE and row[2][:5] != "fuse.")
    # The table writes a space as four characters (fstab(5)).
    return [path.replace("\\040", " ") for path in found]
