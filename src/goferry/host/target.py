"""The contract of what an agent works on, and the folders that every target has.

`Embedded` (host.embedded) is a folder with a supervisor of its own; `Provisioned` (host.provisioned) is a host that
`goferry provision` made ready. Nobody else asks which of them it has: what differs is a method here. To add one, write
its class and give it a row in host.tables.
"""

from __future__ import annotations

import contextlib
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from goferry.host import journal
from goferry.host.layout import NAME, ServiceFolder, check_name
from goferry.host.store import Admitted, Store
from goferry.kernel.errors import Refused
from goferry.kernel.hostfile import HostFile, Place, Policy
from goferry.kernel.machine import Change
from goferry.kernel.outcomes import UnsafeRoot
from goferry.kernel.services import PLAIN, Shape

if TYPE_CHECKING:
    from goferry.host.driver import Driver
    from goferry.host.guard import Guard
    from goferry.host.kinds import ServiceKind
    from goferry.host.session_places import SessionPlace
    from goferry.host.switch import Switch
    from goferry.host.tables import Tables

Frame = tuple[dict[str, Any], bytes]


class HostTarget(ABC):
    """What an agent works on: a folder, or what one project has of it.

    Attributes:
        journal_folders: where systemd's journal lies, which all services share; none where they have files.
        path: the folder. own: the agent's own in it.
        bound: the one project that is seen, or empty: all of them. incoming: where its uploads arrive.
        kinds: the kinds of service that it can run, by name.
        live: the name of the link in a service's folder that names the live slot, whatever the switch does beside it.
        client: how a client names the target. key: the fingerprint of the client's key, where that is known.
    """

    live: str
    client: str
    key: str = ""
    journal_folders: Sequence[Path] = ()

    def __init__(self, path: Path, kinds: Mapping[str, ServiceKind], bound: str = "") -> None:
        self.path, self.kinds, self.bound = path.absolute(), kinds, bound
        self.own = self.path / ".goferry"
        self.incoming = (self.project(bound) / ".incoming") if bound else self.own / "incoming"

    def kind(self, mode: str) -> ServiceKind:
        """Return the kind of service of a mode; one that only a newer agent knows counts as plain, which asks least."""
        return self.kinds.get(mode) or self.kinds[PLAIN.name]

    @property
    def shapes(self) -> dict[str, Shape]:
        """What releases and host files know of its kinds of service."""
        return {name: kind.shape for name, kind in self.kinds.items()}

    # Opening it

    @classmethod
    @abstractmethod
    def opened(cls, path: Path, host: HostFile | None, tables: Tables) -> HostTarget | None:
        """Return the target at `path` when the host file, or that there is none, says that it is of this class."""

    @abstractmethod
    def for_client(self, first: Callable[[], Frame | None]) -> HostTarget:
        """Return what a client sees of it; `first` reads the first frame of its connection.

        Raises:
            DeployKeyUnbound, NotProvisioned, RequestMalformed: when that is not to be known, or not there.
        """

    @abstractmethod
    def for_project(self, name: str) -> HostTarget:
        """Return what somebody on the machine itself works on who names a project."""

    @abstractmethod
    def parts(self) -> Sequence[HostTarget]:
        """Return what is recovered at boot, each by itself; nothing where nothing is."""

    @contextlib.contextmanager
    def session(self) -> Iterator[SessionPlace | None]:
        """Take a place among the sessions for the block, where there are only so many."""
        yield None

    # Its parts

    @abstractmethod
    def guard(self, environ: Mapping[str, str], gone: Callable[[], bool]) -> Guard:
        """Return what controls its processes; `gone` says that the client went away."""

    @abstractmethod
    def switch(self, guard: Guard) -> Switch:
        """Return what directs its traffic."""

    def store(self, source: Path | None = None, admitted: Admitted | None = None) -> Store:
        """Return its store; `source` is the folder of the release that was admitted."""
        return Store(self, source, admitted)

    def journals(self, project: str) -> Path:
        """Return the folder of a project's journals."""
        return self.project(project) / ".journal"

    def journal(self, project: str, identifier: str, kind: str) -> journal.Journal:
        """Return the journal of a new transaction, as `journal.begin` does."""
        return journal.begin(self.journals(project), identifier, kind)

    # What it takes

    @abstractmethod
    def policy(self) -> Policy | None:
        """Return what it takes of the project that it is bound to; None: every signed release."""

    @abstractmethod
    def release_folder(self, path: str) -> Path:
        """Return a folder of its own disk from which a client wants a release to be taken.

        Raises:
            Refused: when it takes releases by upload alone.
        """

    @abstractmethod
    def refuse(self, what: Refused) -> None:
        """Raise `what` where its root alone may do it: end services, remove what is kept."""

    @abstractmethod
    def committed(self, trust: Path | None) -> None:
        """Note what a later command needs to know of a commit."""

    @abstractmethod
    def trust_of(self, project: str) -> str:
        """Return the path of the trust file by which a start at boot is judged."""

    # Where a service is

    @abstractmethod
    def place(self, project: str, service: str) -> Place:
        """Return what a service was provisioned with.

        Raises:
            NotProvisioned: when it was not.
        """

    @abstractmethod
    def pick_port(self) -> int:
        """Return a public port for a service that declares none, 0 when that is provisioning's."""

    @abstractmethod
    def placed(self, project: str, changes: Sequence[Change], declared: Mapping[str, int]) -> list[Change]:
        """Return the changes with the public ports that the services have here; `declared` are the release's.

        Raises:
            NotProvisioned: when a service has no place here, or another one.
        """

    @abstractmethod
    def listen_again(self, driver: Driver, folder: ServiceFolder, change: Change) -> int:
        """Return the port that a version gets which served before and is described again."""

    @abstractmethod
    def pointer(self, folder: ServiceFolder, number: int, mode: str) -> str:
        """Return what the `live` link names when a slot is live."""

    @abstractmethod
    def own_files(self, folder: ServiceFolder, env_file: str) -> tuple[str, Path]:
        """Return where a service's variables are set, and its working folder; `env_file` is what its release names."""

    @abstractmethod
    def environment_file(self, folder: ServiceFolder, env_file: str) -> Path | None:
        """Return the file of which a slot keeps a copy to start with; None: there is none, or it is read as it is."""

    def outside(self, folder: ServiceFolder) -> Iterator[Path]:  # noqa: ARG002
        """Yield what a service has elsewhere than in its folder, such as its secrets."""
        yield from ()

    @abstractmethod
    def clear_former(self, folder: ServiceFolder) -> None:
        """Remove what an older Goferry gave a service elsewhere, once nothing needs it any more."""

    def names(self, project: str) -> Sequence[str]:  # noqa: ARG002
        """Return the services that were provisioned, whether they have a folder or not."""
        return ()

    def seen(self, folder: ServiceFolder) -> bool:  # noqa: ARG002
        """Whether what has a service's folders is one."""
        return True

    # What it reports

    @abstractmethod
    def about(self) -> dict[str, object]:
        """Return what `hello` answers of it: `{"provisioned", "project", "policy", "projects"}`."""

    def notes(self) -> dict[str, object]:
        """Return what `status` adds."""
        return {}

    # Its folders

    @abstractmethod
    def prepare_service(self, folder: ServiceFolder) -> None:
        """Make a service's folders, or make them what they should be."""

    def prepare(self) -> None:
        """Make the folders that every deploy needs.

        Raises:
            UnsafeRoot: when somebody else could change what lies here.
        """
        self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
        for folder in (self.own, *self._own_folders()):
            folder.mkdir(mode=0o700, exist_ok=True)
        if self.bound:
            self.project(self.bound).mkdir(mode=0o755, exist_ok=True)
        self.check()

    def _own_folders(self) -> Sequence[Path]:
        """Return what the agent has in its own folder."""
        return ()

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
            # The root may be a link of its owner's; below it a link is somebody else's.
            found = os.lstat(str(folder)) if folder != self.path else os.stat(str(folder))
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                raise UnsafeRoot(f"{folder} is not a folder of the user who deploys", advice=["choose another --root"])
            # With the sticky bit others can add entries, and can't rename or remove ours.
            if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
                raise UnsafeRoot(f"others may write to {folder}", advice=[f"chmod go-w {folder}"])

    @abstractmethod
    def keep(self, project: str) -> int:
        """How many releases of each of the project's services stay in the store."""

    def project(self, name: str) -> Path:
        """The folder of one project."""
        return self.path / check_name(name)

    def projects(self) -> Iterator[str]:
        """Names of the projects that have a folder here, as far as they are seen."""
        yield from (name for name in self._projects() if self.bound in ("", name))

    def _projects(self) -> list[str]:
        if not self.path.is_dir():
            return []
        return sorted(p.name for p in self.path.iterdir() if NAME.fullmatch(p.name) and p.is_dir())

    def uploads(self) -> list[Path]:
        """Return the folders in which uploads of any project arrive: they share the disk."""
        return [self.incoming, *(self.project(name) / ".incoming" for name in self._projects())]

    def service(self, project: str, name: str) -> ServiceFolder:
        """The folder of one service."""
        return ServiceFolder(self, project, name)

    def services(self) -> Iterator[ServiceFolder]:
        """Every service that has slots here and is seen."""
        for project in self.projects():
            for path in sorted(self.project(project).iterdir()):
                if NAME.fullmatch(path.name) and (path / "slots").is_dir():
                    folder = ServiceFolder(self, project, path.name)
                    if self.seen(folder):
                        yield folder
