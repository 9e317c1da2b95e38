"""What one run of provisioning changes on the host, each act with its way back; part of `on_host`, and sent with it.

New files are written beside their places and synced, then renamed into place. What was there stays as a link until all
is done, so the way back needs no room on the disk. A run that is cut short has noted what it was about to change.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import json
import os
import pwd
import re
import secrets
import stat
import subprocess
from collections.abc import Sequence
from functools import partial
from typing import Callable

from goferry.deploy.provision._order_on_host import Command, HostEntry, SlotCopy, Words
from goferry.kernel.envfile import unread

NOTE = "/etc/goferry/.changing"
"""Files that were changed by a run that did not end; their commands are still to be run."""
LAST = "/host.json"
"""The file that is changed when all others are."""
NOT_FOUND = 5
"""systemctl's code for a unit that is not there (any more)."""


def run(argv: Words, timeout: float = 120, most: int = 2000) -> tuple[int, str]:
    """Run a program; return its code and its output's end, `most` characters of it."""
    environ = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    # A package that asks something would wait forever: nobody sees its question.
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
    return done.returncode, done.stdout.decode("utf-8", "replace")[-most:]


def read(path: str) -> bytes | None:
    """Return a file's bytes, or None when there is none."""
    try:
        with open(path, "rb") as file:
            return file.read(4 << 20)
    except OSError:
        return None


def text(path: str) -> str:
    """Return a file's text, or an empty string."""
    return (read(path) or b"").decode("utf-8", "replace")


def to_copy(wanted: SlotCopy) -> bytes | None:
    """Return what a slot's copy is to have, None where none is due.

    Raises:
        ChangeFailure: systemd reads nothing of the file, or an older one less than stands there.
    """
    older = f"EnvironmentFile=-{wanted.source}\n" in text(wanted.unit)
    if not os.path.exists(wanted.slot) or (os.path.exists(wanted.copy) and not older):
        return None
    data = read(wanted.source) or b""
    if why := unread(data):
        mend = "mend it; a file that the service does without can be emptied"
        raise ChangeFailure(f"{wanted.source}: {why}. From now on services start with copies of such files: {mend}")
    return data


def same(entry: HostEntry) -> bool:
    """Whether a file or folder is as it should be already; a folder, or a file that is yours, may be a link to one."""
    if entry.gone:
        return not os.path.lexists(entry.path)
    try:
        found = os.stat(entry.path) if entry.yours else os.lstat(entry.path)
    except OSError:
        return False
    if entry.keep and entry.content is None:
        return stat.S_ISDIR(found.st_mode)
    if (found.st_uid, found.st_gid) != owner(entry) or found.st_mode & 0o7777 != entry.mode:
        return False
    if entry.content is None:
        return stat.S_ISDIR(found.st_mode)
    return stat.S_ISREG(found.st_mode) and (entry.yours or read(entry.path) == entry.content)


def owner(entry: HostEntry) -> tuple[int, int]:
    """Return the user's and group's numbers."""
    return pwd.getpwnam(entry.owner).pw_uid, grp.getgrnam(entry.group).gr_gid


class ChangeFailure(Exception):
    """Provisioning stopped; its text is for people, and so is `state`: what the host is like now."""

    def __init__(self, what: str, state: str = "") -> None:
        super().__init__(what)
        self.state = state


class Changes:
    """What one run does, each act with the way back.

    New files are first written beside their places and synced, so that a full disk is found before anything changed.
    The files that they replace stay as links until all is done: the way back needs no room.

    Attributes:
        changed, ran: paths and commands, for people.
        made: folders that were not there before. owned: (folder, uid, gid, mode) of those that had others. undo: of
            commands that change what is not Goferry's own.
    """

    def __init__(self) -> None:
        self.changed: list[str] = []
        self.ran: list[str] = []
        self.made: list[str] = []
        self.owned: list[tuple[str, int, int, int]] = []
        self.undo: list[Words] = []
        self._staged: dict[str, str] = {}
        self._going: list[str] = []
        self._links: list[str] = []
        self._back: list[tuple[str, Callable[[], None]]] = []
        self._again: list[Words] = []
        self._stays: list[str] = []
        self._left: list[str] = []

    def stage(self, entry: HostEntry) -> None:
        """Make a folder, or write a file beside its place."""
        path = entry.path
        if entry.gone:
            self._going.append(path)
            return
        if entry.content is None:
            self._folder(path)
        if entry.content is None or (entry.keep and os.path.isfile(path)):
            self._own(path, owner(entry), entry.mode)
            self.changed.append(path)
        else:
            self._staged[path] = new = beside(path)
            # The way back first, here and below: an act that fails half-way leaves something, too.
            self._back.append((new, partial(gone, new)))
            write(new, entry.content, entry.mode, owner(entry))

    def _folder(self, path: str) -> None:
        missing = []
        while not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path)
        for each in reversed(missing):
            self.made.append(each)
            self._back.append((each, partial(empty, each)))
            os.mkdir(each, 0o755)

    def _own(self, path: str, wanted: tuple[int, int], mode: int) -> None:
        found = os.stat(path)

        def back() -> None:
            os.chown(path, found.st_uid, found.st_gid)
            os.chmod(path, found.st_mode & 0o7777)

        if stat.S_ISDIR(found.st_mode) and path not in self.made:
            self.owned.append((path, found.st_uid, found.st_gid, found.st_mode & 0o7777))
        self._back.append((path, back))
        os.chown(path, *wanted)
        os.chmod(path, mode)

    def copy(self, wanted: SlotCopy) -> None:
        """Take a slot's copy where it lacks one, before its unit is one that starts with that alone."""
        data = to_copy(wanted)
        if data is None:
            return
        new = wanted.copy + ".new"
        self._back += [(wanted.copy, partial(gone, wanted.copy)), (new, partial(gone, new))]
        gone(new)  # of a run that was cut short
        write(new, data, 0o600, (os.geteuid(), os.getegid()))
        os.rename(new, wanted.copy)
        sync(os.path.dirname(new))

    def swap(self, pending: list[str]) -> None:
        """Note what is going to change, rename what is staged into place, and remove what is to be gone."""
        if self._staged or self._going or self.changed:
            # The note stays when not all could be brought back: the next run then runs the commands.
            self._back.append((NOTE, lambda: None if self._left else note(pending)))
            note([*pending, *self.changed, *self._staged, *self._going])
        # What says which projects there are comes last: a run that is cut short before finds the same to do.
        for path in sorted([*self._staged, *self._going], key=lambda path: (path.endswith(LAST), path)):
            self._back.append((path, self._keep(path)))
            if path in self._staged:
                os.rename(self._staged[path], path)
                del self._staged[path]
            else:
                gone(path)
            self.changed.append(path)
        for folder in sorted({os.path.dirname(path) for path in self.changed}):
            sync(folder)

    def _keep(self, path: str) -> Callable[[], None]:
        """Keep what is at a path; return what brings it back."""
        if not os.path.lexists(path):
            return partial(gone, path)
        old = beside(path)
        self._links.append(old)
        # What is at the path may be a link itself, which has to come back as one.
        os.link(path, old, follow_symlinks=False)
        return partial(os.rename, old, path)

    def put(self, path: str, data: bytes) -> None:
        """Write a file of the run's own, in place of what is there."""
        new = beside(path)
        self._back.append((new, partial(gone, new)))
        write(new, data, 0o600, (os.geteuid(), os.getegid()))
        self._back.append((path, self._keep(path)))
        os.rename(new, path)
        sync(os.path.dirname(path))

    def run_command(self, command: Command, pending: list[str], timeout: float = 180) -> None:
        """Run a command that has a reason."""
        if not due(command, self.changed + pending):
            return
        if command.undo:
            self._back.append((" ".join(command.undo), partial(check_call, command.undo)))
        self._again += [command.again] if command.again else []
        # Before it runs, for the question is answered yes afterwards.
        self._stays += [command.stays] if command.stays and asked(command) else []
        check_call(command.run, timeout)
        self.ran.append(command.text)
        self.undo += [command.undo] if command.restores else []

    def done(self) -> None:
        """Forget the way back."""
        for path in self._links:
            with contextlib.suppress(OSError):
                os.unlink(path)

    def bring_back(self) -> str:
        """Undo everything, the last act first; return what the host is like then, for people."""
        for what, back in reversed(self._back):
            try:
                back()
            except (OSError, ChangeFailure) as error:
                self._left.append(f"{what} ({error})")
        for words in self._again:
            code, output = run(words, 180)
            # A unit whose file was new is gone again, and then nothing of it has to be restarted.
            if code not in (0, NOT_FOUND):
                self._left.append(f"{' '.join(words)} ({output.strip()[-300:]})")
        self.done()
        if self._left:
            return f"Not everything that this run had changed could be brought back: {', '.join(self._left)}."
        stays = ", but for " + " and ".join(self._stays) if self._stays else ""
        return f"What this run had changed was brought back{stays}." if self._back else "Nothing was changed."


def beside(path: str) -> str:
    """Return a name in the same folder that nobody has, which `sweep` knows again."""
    return os.path.join(os.path.dirname(path), ".goferry." + secrets.token_hex(8))


def sweep(entries: Sequence[HostEntry]) -> None:
    """Remove what a run that was cut short left beside the files."""
    for folder in sorted({os.path.dirname(entry.path) for entry in entries}):
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            # Ours, and the names by tempfile that earlier versions used.
            if re.fullmatch(r"\.goferry\.([0-9a-f]{16}|[a-z0-9_]{8})", name):
                gone(os.path.join(folder, name))


def gone(path: str) -> None:
    """Remove a file that may not be there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def empty(folder: str) -> None:
    """Remove a folder when nothing lies in it."""
    try:
        os.rmdir(folder)
    except OSError as error:
        # Somebody has put something there meanwhile: the folder is theirs now.
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
            raise


def write(path: str, data: bytes, mode: int, whose: tuple[int, int]) -> None:
    """Write a new file and sync it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        os.fchown(file.fileno(), *whose)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: str) -> None:
    """Make what was renamed in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def pending_of_note(entries: Sequence[HostEntry]) -> list[str]:
    """Return the files whose commands are pending of a run that was cut short."""
    try:
        return [str(path) for path in json.loads(text(NOTE) or "[]")]
    except ValueError:
        # A note that can't be read may have named anything, so everything counts as changed.
        return [entry.path for entry in entries]


def note(paths: list[str]) -> None:
    """Record which files' commands are still due."""
    if not paths:
        gone(NOTE)
        return
    new = beside(NOTE)
    try:
        write(new, json.dumps(sorted(set(paths))).encode(), 0o600, (os.geteuid(), os.getegid()))
        os.rename(new, NOTE)
    except OSError:
        gone(new)
        raise
    sync(os.path.dirname(NOTE))


def due(command: Command, changed: list[str]) -> bool:
    """Whether a command has a reason: files under its prefixes changed, its question is answered no, or the user that
    it names is locked.
    """  # noqa: D205
    touched = any(path.startswith(prefix) for path in changed for prefix in command.changed)
    return touched or asked(command) or locked(command.locked)


def asked(command: Command) -> bool:
    """Whether a command's question is answered no."""
    return bool(command.unless) and run(command.unless)[0] != 0


def locked(user: str) -> bool:
    """Whether a user's password field locks the account, so that sshd without PAM would refuse its keys."""
    found = [line.split(":")[1] for line in text("/etc/shadow").splitlines() if user and line.startswith(user + ":")]
    return any(field.startswith("!") for field in found)


def check_call(words: Words, timeout: float = 180) -> None:
    """Run a command that has to succeed."""
    code, output = run(words, timeout)
    if code:
        raise ChangeFailure(f"{' '.join(words)} ended with {code}: {output.strip()[-1500:]}")
