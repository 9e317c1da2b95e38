"""Where things lie on a target, and that the folder is safe to use.

    <root>/.goferry/            lock · shim.py · supervisord.conf, .log, .json · bin/python · run/ (sockets, mode 0700)
                                trust → the trust file of the last deploy
    <root>/<project>/.journal/<transaction>.jsonl
    <root>/<project>/.floor.json, .floor.jsonl (each lowering)
    <root>/<project>/<service>/ state.json · live → slots/N.json · slots/ · releases/<sequence>/ · store/<sha256>
                                log/ · data/ (the service's working folder, the same for every version)

A provisioned host (kernel.hostfile) has in `.goferry` the lock alone, in each project's folder its `.lock` and
`.incoming/`, and instead of `live` the link `live.sock` → the slot's socket, which the proxy follows too. systemd has
the logs and makes the working folder.

Names of projects and services never begin with a dot, so they can't meet the agent's own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from goferry.kernel.errors import Misuse
from goferry.kernel.files import make_folder
from goferry.kernel.hostfile import KEEP, HostFile, Place
from goferry.kernel.outcomes import UnsafeRoot

DOOR, FORMER = "/etc/systemd/system/goferry.door-{}@.service", "systemd-socket-proxyd"
"""The unit before a service's slots, and what an older Goferry put into that of a plain one."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class BadName(Misuse):
    """A project or service has a name that can't be a folder's on the target.

    It usually holds a space or a slash; letters, digits, dot, dash and underscore are allowed, 63 at most.
    """

    name = "bad-name"


def check_name(text: str) -> str:
    """Return `text` when it may name a project or a service."""
    if not NAME.fullmatch(text):
        raise BadName(f"{text[:80]!r} can't name a project or service", advice=["use letters, digits, . _ and -"])
    return text


class Root:
    """The target's folder, or what one project has of it.

    Attributes:
        path: the folder. own: the agent's own in it. host: what the host was provisioned for; None: embedded.
        bound: the one project that is seen, or empty: all of them. incoming: where its uploads arrive.
    """

    def __init__(self, path: Path, host: HostFile | None = None, bound: str = "") -> None:
        self.path, self.host, self.bound = path.absolute(), host, bound
        self.own = self.path / ".goferry"
        self.incoming = (self.project(bound) / ".incoming") if bound else self.own / "incoming"

    def prepare(self) -> None:
        """Make the folders that every deploy needs.

        Raises:
            UnsafeRoot: when somebody else could change what lies here.
        """
        self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
        for folder in (self.own, *((self.own / "run", self.own / "bin") if self.host is None else ())):
            folder.mkdir(mode=0o700, exist_ok=True)
        if self.bound:
            self.project(self.bound).mkdir(mode=0o755, exist_ok=True)
        self.check()

    @property
    def locks(self) -> tuple[tuple[Path, bool], ...]:
        """What a change holds: (file, whether others may hold it too), in this order.

        On a provisioned host projects change at the same time, each under its own lock. An agent of the time when a
        host had one lock takes that for itself alone, so it and these keep out of each other's way.
        """
        if not self.bound:
            return ((self.own / "lock", False),)
        return ((self.own / "lock", True), (self.project(self.bound) / ".lock", False))

    def check(self) -> None:
        """Refuse a folder that is not ours alone."""
        for folder in (self.path, self.own, self.own / "run"):
            if folder != self.path and not os.path.lexists(str(folder)):
                continue
            found = os.lstat(str(folder)) if folder != self.path else os.stat(str(folder))
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                raise UnsafeRoot(f"{folder} is not a folder of the user who deploys", advice=["choose another --root"])
            if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
                raise UnsafeRoot(f"others may write to {folder}", advice=[f"chmod go-w {folder}"])

    def keep(self, project: str) -> int:
        """How many releases of each of the project's services stay in the store."""
        policy = self.host.policy(project) if self.host is not None else None
        return KEEP if policy is None else policy.keep

    def project(self, name: str) -> Path:
        """The folder of one project."""
        return self.path / check_name(name)

    def projects(self) -> Iterator[str]:
        """Names of the projects that have a folder here, as far as they are seen."""
        if self.path.is_dir():
            names = sorted(p.name for p in self.path.iterdir() if NAME.fullmatch(p.name) and p.is_dir())
            yield from (name for name in names if self.bound in ("", name))

    def service(self, project: str, name: str) -> ServiceFolder:
        """The folder of one service."""
        return ServiceFolder(self, project, name)

    def services(self) -> Iterator[ServiceFolder]:
        """Every service that has slots here; on a provisioned host of those that it was provisioned for."""
        for project in self.projects():
            for path in sorted(self.project(project).iterdir()):
                if NAME.fullmatch(path.name) and (path / "slots").is_dir():
                    folder = ServiceFolder(self, project, path.name)
                    if self.host is None or folder.provisioned:
                        yield folder


class ServiceFolder:
    """What lies under `<root>/<project>/<service>/`."""

    def __init__(self, root: Root, project: str, name: str) -> None:
        self.root, self.project, self.name = root, check_name(project), check_name(name)
        self.path = root.project(project) / name
        self.slots, self.store, self.releases = self.path / "slots", self.path / "store", self.path / "releases"
        self.log, self.data = self.path / "log", self.path / "data"
        self.live = self.path / ("live" if root.host is None else "live.sock")
        self.state = self.path / "state.json"

    @property
    def provisioned(self) -> bool:
        """Whether the host file names the service."""
        return self.root.host is not None and self.name in self.root.host.projects.get(self.project, {})

    @property
    def place(self) -> Place:
        """What the service was provisioned with.

        Raises:
            NotProvisioned: when it was not.
        """
        place = (self.root.host or HostFile()).place(self.project, self.name)
        with contextlib.suppress(OSError):
            return replace(place, former=FORMER in Path(DOOR.format(place.stem)).read_text())
        return place

    def pointer(self, number: int, mode: str = "") -> str:
        """What the `live` link names when the slot is live; `mode` is its version's, if not the place's."""
        if self.root.host is None:
            return f"slots/{number}.json"
        return self.place.serving(mode or self.place.mode).socket_path(number)

    def prepare(self) -> None:
        """Make the folders, or make them what they should be.

        Releases and slots hold what services are given as environment, journals what they wrote: their folders are the
        agent's alone. On a provisioned host the proxy passes through to the live link, and a slot to its binary.
        """
        embedded = self.root.host is None
        for folder in (self.path.parent, self.path, self.store):
            make_folder(folder, 0o700 if embedded else 0o711)
        for folder in (self.slots, self.releases, *((self.log, self.data) if embedded else ())):
            make_folder(folder, 0o700)
        if (self.path.parent / ".journal").is_dir():
            make_folder(self.path.parent / ".journal", 0o700)

    def slot(self, number: int) -> Path:
        """The file that says what the slot runs."""
        return self.slots / f"{number}.json"

    def run(self, number: int) -> Path:
        """The file in which the slot's process notes its pid and start time."""
        return self.slots / f"{number}.run"

    def since(self, number: int) -> Path:
        """The file that says where the log of the slot's version begins."""
        return self.slots / f"{number}.since"

    def log_file(self, number: int) -> Path:
        """Where the slot's output goes."""
        return self.log / f"{number}.log"

    def blob(self, sha256: str) -> Path:
        """A stored file by its digest."""
        return self.store / sha256

    def release(self, sequence: int) -> Path:
        """The folder of one release."""
        return self.releases / str(sequence)

    def control(self, number: int) -> str:
        """The file name of the slot's control socket in `.goferry/run`; short whatever the names are."""
        key = hashlib.sha256(f"{self.project}/{self.name}".encode()).hexdigest()[:16]
        return f"{key}-{number}.sock"
