"""What a target shows of itself: what is live, how well it is, and what it wrote last."""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from goferry.host import admission, history, processes, slots, state
from goferry.host.gather import Outcome, gather
from goferry.host.guard import Guard
from goferry.host.layout import Root, ServiceFolder
from goferry.host.switch import Links
from goferry.kernel import frames
from goferry.kernel.errors import Failed, GoferryError
from goferry.kernel.machine import Transaction
from goferry.kernel.outcomes import AmbiguousProject, BlobChanged, NothingToRollBackTo
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
ROOM = frames.MAX_HEADER // 2
"""Bytes of logs in one answer."""


class View:
    """The eyes of one session; nothing here changes anything."""

    def __init__(self, root: Root, guard: Guard, switcher: Links) -> None:
        self.root, self.guard, self.switcher = root, guard, switcher

    def changed(self, transaction: Transaction) -> Record:
        """Return the services of a transaction as they are live now, each with the version before and its gap."""
        changes = list(transaction.changes)
        seen = self._all([self.root.service(transaction.project, change.service) for change in changes])
        return {
            change.service: {
                **seen[number],
                "previous": change.old_version,
                "gap_ms": self.switcher.gaps.get(change.service, 0),
                "mode": change.mode,
            }
            for number, change in enumerate(changes)
        }

    def live(self) -> Record:
        """Return every live service by its name; by `project/service` where a name is not unique."""
        folders = [folder for folder in self.root.services() if slots.live(folder) >= 0]
        return dict(zip(_unique(folders), self._all(folders)))

    def stopped(self) -> Record:
        """Return what was taken down with `goferry down`, by the same names: its last version, and what it holds."""
        found = {}
        for folder in self.root.services():
            with contextlib.suppress(Failed):
                record = state.read(folder)
                if record["stopped"] and record["live"] and slots.live(folder) < 0:
                    found[folder] = record
        return {
            name: {
                "project": folder.project,
                "service": folder.name,
                "version": str(record["live"]["version"]),
                "held": [entry.version for entry in record["history"]],
            }
            for name, (folder, record) in zip(_unique(list(found)), found.items())
        }

    def _all(self, folders: Sequence[ServiceFolder]) -> list[Record]:
        """Return what is live of several services, all asked side by side within SECONDS whatever they do."""
        found = gather([functools.partial(self.one, folder) for folder in folders], time.monotonic() + SECONDS)
        return [outcome.value or self._untold(folders[number], outcome) for number, outcome in enumerate(found)]

    def _untold(self, folder: ServiceFolder, outcome: Outcome[Record]) -> Record:
        """Return what is known of a service that was not looked at in time, or could not be."""
        if outcome.error is not None and not isinstance(outcome.error, GoferryError):
            raise outcome.error
        why = outcome.error.what if isinstance(outcome.error, GoferryError) else f"no answer within {SECONDS:g} s"
        number = slots.live(folder)
        held: history.History = ()
        with contextlib.suppress(Failed):
            held = state.read(folder)["history"]
        return self._record(folder, slots.read(folder, number) or {}, number, {}, why, held)

    def project(self, wanted: str) -> str:
        """Return the project that is meant: the one that is bound, named, or deployed or stopped alone.

        Raises:
            ProjectMismatch, NothingToRollBackTo, AmbiguousProject: as their names say.
        """
        if self.root.bound:
            if wanted not in ("", self.root.bound):
                raise ProjectMismatch(f"the deploy key is for {self.root.bound} alone", state="Nothing was changed.")
            return self.root.bound
        running = sorted({folder.project for folder in self.root.services() if slots.live(folder) >= 0})
        running = running or sorted({each["project"] for each in self.stopped().values()})
        if wanted or len(running) == 1:
            return wanted or running[0]
        if not running:
            raise NothingToRollBackTo(f"nothing is deployed at {self.root.path}", state="Nothing was changed.")
        raise AmbiguousProject(
            f"several projects are deployed: {', '.join(running)}",
            advice=[f"name one:  --project {running[0]}"],
        )

    def told(self, error: GoferryError, project: str) -> GoferryError:
        """Return the error with what serves now of the project that was to change, if one was: `serving`."""
        if project:
            with contextlib.suppress(GoferryError, OSError):
                error.facts = {**error.facts, "serving": self._serving(project)}
        return error

    def _serving(self, project: str) -> Record:
        folders = [each for each in self.root.services() if each.project == project and slots.live(each) >= 0]
        return {each["service"]: {key: each[key] for key in ("version", "state")} for each in self._all(folders)}

    def one(self, folder: ServiceFolder) -> Record:
        """Return what is live of one service."""
        number = slots.live(folder)
        slot = slots.read(folder, number) or {}
        process = self.guard.driver.running(folder, number) if number >= 0 else {}
        why = self._illness(folder, slot, process)
        unreached = "" if why else self.switcher.publicly(folder, slot, ASKED).what
        held = state.read(folder)["history"]
        return {**self._record(folder, slot, number, process, why, held), "unreached": unreached}

    def _record(
        self,
        folder: ServiceFolder,
        slot: Record,
        number: int,
        process: Mapping[str, int],
        why: str,
        held: history.History,
    ) -> Record:
        sequence = int(slot.get("sequence", 0))
        previous = history.before(held, sequence)
        return {
            "project": folder.project,
            "service": folder.name,
            "version": slot.get("version", ""),
            "digest": slot.get("sha256", ""),
            "sequence": slot.get("sequence", 0),
            "url": self.switcher.address(folder, slot) if slot else "",
            "port": slot.get("port", 0),
            "slot": number,
            "mode": slot.get("mode", ""),
            "pid": process.get("pid", 0) if processes.same(dict(process)) else 0,
            "state": "unhealthy" if why else "healthy",
            "why": why,
            "unreached": "",
            "previous": previous.version if previous else "",
            "held": [entry.version for entry in held if entry.sequence != sequence],
            "log": self.guard.driver.log(folder, number),
        }

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

    def _illness(self, folder: ServiceFolder, slot: Record, process: dict[str, int]) -> str:
        if not slot or not processes.same(process):
            return "no process"
        try:
            return self.guard.ask(folder, slot, pid=process["pid"])
        except Failed as error:
            return error.what

    def logs(self, request: Mapping[str, Any]) -> Record:
        """Return the last lines of the live versions' logs: at most LINES, and what one answer can hold of them."""
        wanted, lines = request.get("services") or [], max(1, min(LINES, int(request.get("lines", 50))))
        folders = [folder for folder in self.root.services() if slots.live(folder) >= 0]
        folders = [folder for folder in folders if not wanted or folder.name in wanted]
        room = ROOM // max(1, len(folders))
        told = [_newest(self.guard.driver.tail(each, slots.live(each), lines), room) for each in folders]
        return {"logs": dict(zip(_unique(folders), told))}


def _unique(folders: Sequence[ServiceFolder]) -> list[str]:
    """Return each service's name, as `project/service` where several projects have one of that name."""
    names = [folder.name for folder in folders]
    return [f.name if names.count(f.name) == 1 else f"{f.project}/{f.name}" for f in folders]


def _newest(lines: list[str], room: int) -> list[str]:
    """Return the last of the lines that fit into `room` bytes of JSON."""
    kept: list[str] = []
    for line in reversed(lines):
        text = line[:LINE]
        room -= len(json.dumps(text)) + 1
        if room < 0:
            break
        kept.insert(0, text)
    return kept
