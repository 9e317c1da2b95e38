"""The embedded target: a folder of whoever deploys, with a supervisord of its own, whose clients reach the services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from goferry.host.direct import Direct
from goferry.host.guard import Guard
from goferry.host.kinds import KINDS, ServiceKind
from goferry.host.layout import ServiceFolder
from goferry.host.supervised import Supervised, free_port
from goferry.host.target import Frame, HostTarget
from goferry.kernel.errors import Refused
from goferry.kernel.files import link_atomically, make_folder
from goferry.kernel.hostfile import KEEP, HostFile, Place, Policy
from goferry.kernel.machine import Change

if TYPE_CHECKING:
    from goferry.host.driver import Driver
    from goferry.host.switch import Switch
    from goferry.host.tables import Tables


class Embedded(HostTarget):
    """A target without a host file. Whoever may deploy owns all of it, so nothing is refused."""

    live = "live"
    client = "--target local --root DIR"

    def __init__(self, path: Path, bound: str = "", kinds: Mapping[str, ServiceKind] = KINDS) -> None:
        super().__init__(path, kinds, bound)

    @classmethod
    def opened(cls, path: Path, host: HostFile | None, tables: Tables) -> HostTarget | None:
        """Return it when there is no host file."""
        return cls(path, kinds=tables.kinds) if host is None else None

    def for_client(self, first: Callable[[], Frame | None]) -> HostTarget:  # noqa: ARG002
        """A client sees all of it, and says so with no frame."""
        return self

    def for_project(self, name: str) -> HostTarget:  # noqa: ARG002
        """Its projects have one lock."""
        return self

    def parts(self) -> Sequence[HostTarget]:
        """All of it, once something was deployed."""
        return [self] * any(self.projects())

    def guard(self, environ: Mapping[str, str], gone: Callable[[], bool]) -> Guard:
        """Return what controls its processes."""
        return Guard(self, Supervised(self, environ), gone)

    def switch(self, guard: Guard) -> Switch:
        """Return what directs its traffic."""
        return Direct(self, guard)

    def policy(self) -> Policy | None:
        """It takes every signed release."""
        return None

    def release_folder(self, path: str) -> Path:
        """Return the folder: its client is on this machine."""
        return Path(path)

    def refuse(self, what: Refused) -> None:
        """Refuse nothing."""

    def committed(self, trust: Path | None) -> None:
        """Note the trust file: a start at boot is judged by it, and no host file says where it is."""
        if trust is not None:
            # Absolute: it was given relative to where the client stood, and is read from `.goferry`.
            link_atomically(self.own / "trust", str(trust.absolute()))

    def trust_of(self, project: str) -> str:  # noqa: ARG002
        """Return the trust file of the last commit."""
        return str(self.own / "trust")

    def place(self, project: str, service: str) -> Place:
        """Nothing is provisioned here."""
        return HostFile().place(project, service)

    def pick_port(self) -> int:
        """Return a port that is free now; the service keeps it."""
        return free_port()

    def placed(self, project: str, changes: Sequence[Change], declared: Mapping[str, int]) -> list[Change]:  # noqa: ARG002
        """Return the changes: what is planned needs no leave."""
        return list(changes)

    def listen_again(self, driver: Driver, folder: ServiceFolder, change: Change) -> int:  # noqa: ARG002
        """Return the public port: it is nobody else's any more."""
        return change.port

    def pointer(self, folder: ServiceFolder, number: int, mode: str) -> str:  # noqa: ARG002
        """Return the slot's file, which nobody follows but the agent."""
        return f"slots/{number}.json"

    def own_files(self, folder: ServiceFolder, env_file: str) -> tuple[str, Path]:
        """Return the file that env-file names, and the folder beside the slots."""
        if env_file:
            return f"its env-file, {self.path / env_file}", folder.data
        return f"a file that env-file names there, relative to {self.path}", folder.data

    def environment_file(self, folder: ServiceFolder, env_file: str) -> Path | None:  # noqa: ARG002
        """Return the file that env-file names; one that is not there is for the start to refuse."""
        path = self.path / env_file
        return path if env_file and path.is_file() else None

    def clear_former(self, folder: ServiceFolder) -> None:
        """Everything of a service is in its folder."""

    def about(self) -> dict[str, object]:
        """Return that it is not provisioned."""
        return {"provisioned": False, "project": self.bound, "policy": None, "projects": {}}

    def keep(self, project: str) -> int:  # noqa: ARG002
        """As many as hosts keep by default."""
        return KEEP

    def _own_folders(self) -> Sequence[Path]:
        return self.own / "run", self.own / "bin"

    def prepare_service(self, folder: ServiceFolder) -> None:
        """Make them: all are the agent's user's, who runs the services too."""
        for path in (folder.path.parent, folder.path, folder.store):
            make_folder(path, 0o700)
        for path in (folder.slots, folder.releases, folder.log, folder.data):
            make_folder(path, 0o700)
        if (folder.path.parent / ".journal").is_dir():
            make_folder(folder.path.parent / ".journal", 0o700)
