"""What a target shows of itself: what is live, how well it is, and what it wrote last."""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from goferry.host import (
    admission,
    deploy_record,
    details,
    history,
    log_parts,
    processes,
    slot_environment,
    slots,
    state,
)
from goferry.host.gather import Outcome, gather
from goferry.host.guard import Guard
from goferry.host.layout import ServiceFolder
from goferry.host.log_parts import LogPart, PageQuery
from goferry.host.processes import Process
from goferry.host.shim import Slot
from goferry.host.slots import Begin
from goferry.host.target import HostTarget
from goferry.host.traffic import TrafficActs
from goferry.kernel import frames
from goferry.kernel.errors import Failed, GoferryError
from goferry.kernel.machine import Transaction
from goferry.kernel.outcomes import AmbiguousProject, BlobChanged, NothingToRollBackTo
from goferry.kernel.protocol import Request
from goferry.kernel.refusals import ProjectMismatch

Record = dict[str, Any]
LINES, LINE = 1000, 4000
"""Lines of a log that are shown at most, and characters of each."""
SECONDS = 2.4
"""Seconds in which all live services are asked; `status` answers within five, whatever they do."""
LOWERED = 5
"""Lowerings of a floor that are shown, the last ones."""
ASKED = 1.5
"""Seconds of these that the public address has, after the service itself answered well."""
DETAILS = "details"
"""The note by which a client asks for more with the status, and what the answer calls it; older agents say nothing."""
ROOM = frames.MAX_HEADER // 2
"""Bytes of logs in one answer."""


class Shown(NamedTuple):
    """A live service as `status` and `commit` show it.

    Attributes:
        digest: its binary's SHA-256. url: where it is reached from this machine. port: the public one.
        mode: its kind. pid: 0 when no process runs. state: `healthy` or `unhealthy`, and `why`.
        unreached: why nobody reaches it at its public address, though it is healthy.
        previous: what a rollback goes to. held: the other versions that it can go back to. log: where to read it.
        newer_values: whether its environment file has other values than it was started with, which wait for a restart.
    """

    project: str
    service: str
    version: str
    digest: str
    sequence: int
    url: str
    port: int
    slot: int
    mode: str
    pid: int
    state: str
    why: str
    unreached: str
    previous: str
    held: list[str]
    log: str
    newer_values: bool = False


class View:
    """What one session shows; nothing here changes anything."""

    def __init__(self, root: HostTarget, guard: Guard, traffic: TrafficActs) -> None:
        self.root, self.guard, self.traffic = root, guard, traffic
        self._followed_from = 0
        self._followed: set[tuple[str, int, Begin]] = set()

    def changed(self, transaction: Transaction) -> Record:
        """Return the services of a transaction as they are live now, each with the version before and its gap."""
        changes = list(transaction.changes)
        seen = self._all([self.root.service(transaction.project, change.service) for change in changes])
        return {
            change.service: {
                **seen[number]._asdict(),
                "previous": change.old_version,
                "gap_ms": self.traffic.gaps.get(change.service, 0),
                "mode": change.mode,
            }
            for number, change in enumerate(changes)
        }

    def live(self) -> dict[str, Shown]:
        """Return every live service by its name; by `project/service` where a name is not unique."""
        folders = [folder for folder in self.root.services() if slots.live(folder) >= 0]
        return dict(zip(_unique(folders), self._all(folders)))

    def stopped(self) -> Record:
        """Return what was taken down with `goferry down`, by the same names: its last version, and what it holds."""
        found = self._stopped()
        return {
            name: {
                "project": folder.project,
                "service": folder.name,
                "version": kept.live.version if kept.live else "",
                "held": [entry.version for entry in kept.history],
            }
            for name, (folder, kept) in zip(_unique([*found]), found.items())
        }

    def _stopped(self) -> dict[ServiceFolder, state.State]:
        found = {}
        for folder in self.root.services():
            with contextlib.suppress(Failed):
                kept = state.read(folder)
                if kept.stopped and kept.live and slots.live(folder) < 0:
                    found[folder] = kept
        return found

    def _all(self, folders: Sequence[ServiceFolder]) -> list[Shown]:
        """Return what is live of several services, all asked side by side within SECONDS whatever they do."""
        found = gather([functools.partial(self.one, folder) for folder in folders], time.monotonic() + SECONDS)
        return [outcome.value or self._unanswered(folders[number], outcome) for number, outcome in enumerate(found)]

    def _unanswered(self, folder: ServiceFolder, outcome: Outcome[Shown]) -> Shown:
        """Return what is known of a service that was not looked at in time, or could not be."""
        if outcome.error is not None and not isinstance(outcome.error, GoferryError):
            raise outcome.error
        why = outcome.error.what if isinstance(outcome.error, GoferryError) else f"no answer within {SECONDS:g} s"
        number = slots.live(folder)
        held: history.History = ()
        with contextlib.suppress(Failed):
            held = state.read(folder).history
        return self._shown(folder, slots.read(folder, number), number, Process(), why, held)

    def project(self, wanted: str) -> str:
        """Return the project that is meant: the one that is bound, named, or deployed or stopped alone.

        Raises:
            ProjectMismatch: the release is genuine, but of another project than the requested one.
            NothingToRollBackTo: the host does not have the version to roll back to.
            AmbiguousProject: several projects are deployed there, and the command did not name one.
        """
        if self.root.bound:
            if wanted not in ("", self.root.bound):
                raise ProjectMismatch(f"the deploy key is for {self.root.bound} alone", state="Nothing was changed.")
            return self.root.bound
        running = sorted({folder.project for folder in self.root.services() if slots.live(folder) >= 0})
        running = running or sorted({folder.project for folder in self._stopped()})
        if wanted or len(running) == 1:
            return wanted or running[0]
        if not running:
            raise NothingToRollBackTo(f"nothing is deployed at {self.root.path}", state="Nothing was changed.")
        raise AmbiguousProject(
            f"several projects are deployed: {', '.join(running)}",
            advice=[f"name one:  --project {running[0]}"],
        )

    def with_serving(self, error: GoferryError, project: str) -> GoferryError:
        """Return the error with what serves now of the project that was to change, if one was: `serving`."""
        if project:
            with contextlib.suppress(GoferryError, OSError):
                error.facts = {**error.facts, "serving": self._serving(project)}
        return error

    def _serving(self, project: str) -> Record:
        folders = [each for each in self.root.services() if each.project == project and slots.live(each) >= 0]
        return {each.service: {"version": each.version, "state": each.state} for each in self._all(folders)}

    def one(self, folder: ServiceFolder) -> Shown:
        """Return what is live of one service."""
        number = slots.live(folder)
        slot = slots.read(folder, number)
        process = self.guard.driver.running(folder, number) if number >= 0 else Process()
        why = self._unhealthy_why(folder, slot, process)
        unreached = "" if why or slot is None else self.traffic.check_public(folder, slot, ASKED).what
        shown = self._shown(folder, slot, number, process, why, state.read(folder).history)
        return shown._replace(unreached=unreached)

    def _shown(
        self,
        folder: ServiceFolder,
        slot: Slot | None,
        number: int,
        process: Process,
        why: str,
        held: history.History,
    ) -> Shown:
        known = slot or Slot()
        previous = history.before(held, known.sequence)
        return Shown(
            project=folder.project,
            service=folder.name,
            version=known.version,
            digest=known.sha256,
            sequence=known.sequence,
            url=self.traffic.address(folder, slot) if slot else "",
            port=known.port,
            slot=number,
            mode=known.mode,
            pid=process.pid if processes.same(process) else 0,
            state="unhealthy" if why else "healthy",
            why=str(why),
            unreached="",
            newer_values=slot is not None and slot_environment.newer(folder, slot),
            previous=previous.version if previous else "",
            held=[entry.version for entry in held if entry.sequence != known.sequence],
            log=self.guard.driver.log(folder, number),
        )

    def floors(self) -> Record:
        """Return, by project, its floor's sequence and the last times that somebody lowered it; an error's text."""
        return {project: self._floor(project) for project in self.root.projects()}

    def _floor(self, project: str) -> Record:
        lowered = state.lowerings(self.root, project)[-LOWERED:]
        try:
            found = admission.floor(self.root, project)
        except (Failed, BlobChanged) as error:
            return {"sequence": 0, "lowered": lowered, "error": error.what}
        return {"sequence": found.sequence if found else 0, "lowered": lowered, "error": ""}

    def _unhealthy_why(self, folder: ServiceFolder, slot: Slot | None, process: Process) -> str:
        if slot is None or not processes.same(process):
            return "no process"
        try:
            return self.guard.ask(folder, slot, pid=process.pid)
        except Failed as error:
            return error.what

    def logs(self, request: Request) -> Record:
        """Return the last lines of the live versions' logs: at most LINES, and what one answer can hold of them."""
        wanted, lines = request.services, max(1, min(LINES, request.lines))
        folders = [folder for folder in self.root.services() if slots.live(folder) >= 0]
        folders = [folder for folder in folders if not wanted or folder.name in wanted]
        room = ROOM // max(1, len(folders))
        logs = [_newest(self.guard.driver.tail(each, slots.live(each), lines), room) for each in folders]
        return {"logs": dict(zip(_unique(folders), logs))}

    def read_logs(self, request: Request) -> Record:
        """Return a page of what the live versions wrote, or of what one version wrote whenever it ran.

        `{"parts": [{"service", "version"}], "lines": [[number of the part, microseconds, text]], "after", "more"}`.
        """
        everything = list(self.root.services())
        names = dict(zip(everything, _unique(everything)))
        folders = [each for each in everything if not request.services or each.name in request.services]
        parts = [part for each in folders for part in self._parts(each, names[each], request)]
        if request.version and not parts:
            raise log_parts.not_kept(request.version)
        query = PageQuery(max(0, request.since_ms) * 1000, max(0, request.lines), request.after)
        page = self.guard.driver.page(parts, query)
        shown = [{"service": part.name, "version": part.version} for part in parts]
        return {"parts": shown, "lines": page.lines, "after": list(page.after), "more": page.more}

    def details(self, request: Request) -> Record:
        """Return what the target holds of each service, where the notes of the request ask for it."""
        if request.notes.get(DETAILS) is not True:
            return {}
        folders = list(self.root.services())
        return {DETAILS: details.of_target(self.root, self.guard.driver, list(zip(folders, _unique(folders))))}

    def history(self, request: Request) -> Record:
        """Return a page of what was deployed and rolled back here, the newest first."""
        return deploy_record.page(self.root, request.project, request.since_ms, request.skip, request.limit)

    def _parts(self, folder: ServiceFolder, name: str, request: Request) -> list[LogPart]:
        if request.version:
            return log_parts.of_version(folder, name, request.version)
        live = slots.live(folder)
        wanted = (0, 1) if request.candidates else (live,)
        now = [log_parts.of_slot(folder, name, each) for each in wanted if each >= 0 and slots.read(folder, each)]
        return [*self._ended_since(folder, name, now), *now] if request.candidates else now

    def _ended_since(self, folder: ServiceFolder, name: str, now: Sequence[LogPart]) -> list[LogPart]:
        """Return what ended since the session's page before, and what began and ended since its first one."""
        self._followed_from = self._followed_from or time.time_ns() // 1000
        ended = [
            part
            for part in log_parts.ended_last(folder, name)
            # Files of a local target have no times, and end with the version that is read.
            if part.begin.since is not None
            and (part.begin.since >= self._followed_from or (str(folder.path), part.slot, part.begin) in self._followed)
        ]
        self._followed.update((str(folder.path), part.slot, part.begin) for part in now)
        return ended


def _unique(folders: Sequence[ServiceFolder]) -> list[str]:
    """Return each service's name, as `project/service` where several projects have one of that name."""
    names = [folder.name for folder in folders]
    return [f.name if names.count(f.name) == 1 else f"{f.project}/{f.name}" for f in folders]


def _newest(lines: list[str], room: int) -> list[str]:
    """Return the last of the lines that fit into `room` bytes of JSON."""
    kept: list[str] = []
    for line in reversed(lines):
        text = line[:LINE]
        # As JSON, which makes six bytes of a control character.
        room -= len(json.dumps(text)) + 1
        if room < 0:
            break
        kept.insert(0, text)
    return kept
