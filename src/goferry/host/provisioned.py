"""A provisioned host: systemd runs the services, a proxy passes on what the public asks, and host.json says for whom.

Whoever has a project's deploy key reaches the agent through a socket and sees that project alone. Which guard and which
switch the host has is in its host file, by the names of the tables here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from goferry.host import incoming, own_files, policy, unit
from goferry.host.checks import notes
from goferry.host.driver import Driver
from goferry.host.guard import Guard
from goferry.host.kinds import KINDS, ServiceKind
from goferry.host.layout import ServiceFolder
from goferry.host.nginx import Nginx
from goferry.host.session_places import SessionPlace
from goferry.host.switch import Switch
from goferry.host.systemd import Systemd
from goferry.host.target import Frame, HostTarget
from goferry.kernel import protocol
from goferry.kernel.errors import GoferryError, Refused
from goferry.kernel.files import make_folder
from goferry.kernel.hostfile import KEEP, HostFile, Place, Policy
from goferry.kernel.machine import Change
from goferry.kernel.outcomes import DeployKeyUnbound, NotProvisioned

if TYPE_CHECKING:
    from goferry.host.tables import Tables

DOOR, FORMER = "/etc/systemd/system/goferry.door-{}@.service", "systemd-socket-proxyd"
"""The unit before a service's slots, and what an older Goferry put into that of a plain one."""
DATA = ("/var/lib/private/goferry-data", own_files.DATA)
"""Where systemd keeps the units' state folders, and the links to them."""
SLOTS, RUN = "goferry-slots", ("/run/private", "/run")
"""The folder of slots that older units had in /run, and where systemd keeps it for a unit with a user of its own."""

Guards = Mapping[str, Callable[[HostTarget, Mapping[str, str]], Driver]]
Switches = Mapping[str, Callable[[HostTarget, Guard], Switch]]
GUARDS: Guards = {"systemd": lambda _target, _environ: Systemd()}
SWITCHES: Switches = {"nginx": Nginx}


class Provisioned(HostTarget):
    """A target with a host file."""

    live = "live.sock"
    client = "--target ssh --host HOST"
    journal_folders = (Path("/var/log/journal"), Path("/run/log/journal"))

    def __init__(
        self,
        path: Path,
        host: HostFile,
        bound: str = "",
        *,
        kinds: Mapping[str, ServiceKind] = KINDS,
        guards: Guards = GUARDS,
        switches: Switches = SWITCHES,
    ) -> None:
        """`guards` and `switches` are what the names in the host file mean."""
        super().__init__(path, kinds, bound)
        self.host, self._guards, self._switches = host, guards, switches

    @classmethod
    def opened(cls, path: Path, host: HostFile | None, tables: Tables) -> HostTarget | None:
        """Return it when there is a host file."""
        if host is None:
            return None
        return cls(path, host, kinds=tables.kinds, guards=tables.guards, switches=tables.switches)

    def for_client(self, first: Callable[[], Frame | None]) -> HostTarget:
        """Return the project of the client's key, which the first frame says; the only one where there is one."""
        frame = first()
        project, key = protocol.bound(frame[0] if frame else {})
        # The first deploy keys name no project: where there is one alone, none other can be meant.
        if not project and len(self.host.projects) == 1:
            (project,) = self.host.projects
        if not project:
            raise DeployKeyUnbound(
                "the line of this deploy key names no project",
                state="Nothing was changed.",
                advice=["give it again for its project:  goferry provision HOST --deploy-key FILE.pub"],
            )
        if project not in self.host.projects:
            raise NotProvisioned(f"{project}: this host was not provisioned for it", state="Nothing was changed.")
        found = self.for_project(project)
        found.key = key
        return found

    def for_project(self, name: str) -> HostTarget:
        """Return what the project has of it."""
        guards, switches = self._guards, self._switches
        return type(self)(self.path, self.host, name, kinds=self.kinds, guards=guards, switches=switches)

    def parts(self) -> Sequence[HostTarget]:
        """Return its projects: each has a lock of its own, and one that is ill keeps no other waiting."""
        incoming.prune(self, 0)  # where uploads of all projects lay before each had its own folder
        return [self.for_project(name) for name in self.projects()]

    @contextlib.contextmanager
    def session(self) -> Iterator[SessionPlace | None]:
        """Take a place, as systemd takes only so many connections; a disk without room for it does not end this."""
        place = None
        with contextlib.suppress(OSError, GoferryError):
            self.prepare()
            place = SessionPlace(self)
        try:
            yield place
        finally:
            if place is not None:
                place.leave()

    def guard(self, environ: Mapping[str, str], gone: Callable[[], bool]) -> Guard:
        """Return what controls its processes, as the host file names it."""
        return Guard(self, self._guards[self.host.guard](self, environ), gone)

    def switch(self, guard: Guard) -> Switch:
        """Return what directs its traffic."""
        return self._switches[self.host.switch](self, guard)

    def policy(self) -> Policy | None:
        """Return what the host file says of the project; an older one says nothing."""
        return self.host.policy(self.bound)

    def release_folder(self, path: str) -> Path:  # noqa: ARG002
        """Refuse: a folder of this host is nothing that a client should know."""
        raise Refused("this host takes a release by upload alone", state="Nothing was changed.")

    def refuse(self, what: Refused) -> None:
        """Refuse: who may deploy a project here may not end the services of all."""
        raise what

    def committed(self, trust: Path | None) -> None:
        """Note nothing: the trust file is provisioning's."""

    def trust_of(self, project: str) -> str:
        """Return the project's own trust file, or everybody's."""
        return unit.trust_of(project)

    def place(self, project: str, service: str) -> Place:
        """Return what the host file says, and whether its units are still an older Goferry's."""
        place = self.host.place(project, service)
        with contextlib.suppress(OSError):
            return replace(place, former=FORMER in Path(DOOR.format(place.stem)).read_text())
        return place

    def pick_port(self) -> int:
        """Return nothing: provisioning picked them."""
        return 0

    def placed(self, project: str, changes: Sequence[Change], declared: Mapping[str, int]) -> list[Change]:
        """Return the changes with the ports on which the proxy listens."""
        places = {c.service: self.host.place(project, c.service, c.mode, declared.get(c.service, 0)) for c in changes}
        return [replace(change, port=places[change.service].port) for change in changes]

    def listen_again(self, driver: Driver, folder: ServiceFolder, change: Change) -> int:
        """Return what a candidate would get, as the proxy stands before all of them."""
        return driver.listen(folder, change)

    def pointer(self, folder: ServiceFolder, number: int, mode: str) -> str:
        """Return the slot's socket, to which the proxy follows the link."""
        place = folder.place
        return place.serving(mode or place.mode).socket_path(number)

    def own_files(self, folder: ServiceFolder, env_file: str) -> tuple[str, Path]:  # noqa: ARG002
        """Return root's file of variables, and the folder that systemd made."""
        return f"{folder.place.env_file} (goferry env set {folder.name})", Path(own_files.DATA, folder.place.stem)

    def environment_file(self, folder: ServiceFolder, env_file: str) -> Path | None:  # noqa: ARG002
        """Return root's file; units of an older Goferry read that one at every start, so a copy would mean nothing."""
        path = folder.place.env_file
        with contextlib.suppress(OSError):
            if f"EnvironmentFile=-{path}\n" in _template(folder).read_text():
                return None
        return Path(path)

    def outside(self, folder: ServiceFolder) -> Iterator[Path]:
        """Yield its secrets and its data."""
        if self.seen(folder):
            yield Path(folder.place.env_file)
            for parent in DATA:
                yield Path(parent, folder.place.stem)

    def clear_former(self, folder: ServiceFolder) -> None:
        """Remove what an older unit gave it in /run, which it could fill, once its unit is a new one."""
        with contextlib.suppress(OSError):
            if SLOTS not in _template(folder).read_text():
                for parent in RUN:
                    shutil.rmtree(os.path.join(parent, SLOTS, folder.place.stem), ignore_errors=True)

    def names(self, project: str) -> Sequence[str]:
        """Return those that the host file has."""
        return [*self.host.projects.get(project, {})]

    def seen(self, folder: ServiceFolder) -> bool:
        """Whether the host file names it; what somebody else put there is left alone."""
        return folder.name in self.host.projects.get(folder.project, {})

    def about(self) -> dict[str, object]:
        """Return what the host file says of the project, or of all."""
        projects = {
            name: {service: {"port": place.port, "listen": place.listen} for service, place in places.items()}
            for name, places in self.host.projects.items()
            if self.bound in ("", name)
        }
        about = {"provisioned": True, "project": self.bound, "policy": policy.as_record(self.policy())}
        return {**about, "projects": projects}

    def notes(self) -> dict[str, object]:
        """Return the policy, and what is not well with how the services are provisioned."""
        return {"policy": policy.as_record(self.policy()), "notes": notes(self.host, self.bound)}

    def keep(self, project: str) -> int:
        """As many as the policy says."""
        found = self.host.policy(project)
        return KEEP if found is None else found.keep

    def prepare_service(self, folder: ServiceFolder) -> None:
        """Make them: the proxy passes through to the live link, and a slot to its binary.

        Releases and slots hold what services are given as environment, journals what they wrote: their folders are the
        agent's alone. systemd has the logs and makes the working folder.
        """
        for path in (folder.path.parent, folder.path, folder.store):
            make_folder(path, 0o711)
        for path in (folder.slots, folder.releases):
            make_folder(path, 0o700)
        if (folder.path.parent / ".journal").is_dir():
            make_folder(folder.path.parent / ".journal", 0o700)


def _template(folder: ServiceFolder) -> Path:
    """Return where the unit of a service's slots lies."""
    return Path("/etc/systemd/system", folder.place.unit(0).replace("@0.", "@."))
