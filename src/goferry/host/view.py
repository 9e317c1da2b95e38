"""What a target shows of itself: what is live, how well it is, and what it wrote last."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Tuple

from goferry.host import processes, slots, state
from goferry.host.guard import Guard
from goferry.host.layout import Root, ServiceFolder
from goferry.host.switch import Links, url
from goferry.kernel import frames
from goferry.kernel.errors import Failed
from goferry.kernel.machine import Transaction

Record = Dict[str, Any]
LINES, LINE = 1000, 4000
"""Lines of a log that are shown at most, and characters of each."""
ROOM = frames.MAX_HEADER // 2
"""Bytes of logs in one answer."""


class View:
    """The eyes of one session; nothing here changes anything."""

    def __init__(self, root: Root, guard: Guard, switcher: Links) -> None:
        self.root, self.guard, self.switcher = root, guard, switcher

    def changed(self, transaction: Transaction) -> Record:
        """Return the services of a transaction as they are live now, each with the version before and its gap."""
        shown = {}
        for change in transaction.changes:
            folder = self.root.service(transaction.project, change.service)
            shown[change.service] = {
                **self.one(folder),
                "previous": change.old_version,
                "gap_ms": self.switcher.gaps.get(change.service, 0),
                "mode": change.mode,
            }
        return shown

    def live(self) -> Record:
        """Return every live service by its name; by `project/service` where a name is not unique."""
        folders = [folder for folder in self.root.services() if slots.live(folder) >= 0]
        names = [folder.name for folder in folders]
        unique = {f: f.name if names.count(f.name) == 1 else "%s/%s" % (f.project, f.name) for f in folders}
        return {unique[folder]: self.one(folder) for folder in folders}

    def one(self, folder: ServiceFolder) -> Record:
        """Return what is live of one service."""
        number = slots.live(folder)
        slot = slots.read(folder, number) or {}
        process = self.guard.driver.running(folder, number) if number >= 0 else {}
        well, why = self._wellness(folder, slot, process)
        previous = state.read(folder)["previous"]
        return {
            "project": folder.project,
            "service": folder.name,
            "version": slot.get("version", ""),
            "digest": slot.get("sha256", ""),
            "sequence": slot.get("sequence", 0),
            "url": url(int(slot.get("port", 0))),
            "port": slot.get("port", 0),
            "slot": number,
            "mode": slot.get("mode", ""),
            "pid": process.get("pid", 0) if processes.same(process) else 0,
            "state": "healthy" if well else "unhealthy",
            "why": why,
            "previous": previous["version"] if previous else "",
            "log": self.guard.driver.log(folder, number),
        }

    def _wellness(self, folder: ServiceFolder, slot: Record, process: Dict[str, int]) -> Tuple[bool, str]:
        if not slot or not processes.same(process):
            return False, "no process"
        try:
            why = self.guard.ask(folder, slot)
        except Failed as error:
            why = error.what
        return not why, why

    def logs(self, request: Mapping[str, Any]) -> Record:
        """Return the last lines of the live versions' logs: at most LINES, and what one answer can hold of them."""
        wanted, lines = request.get("services") or [], max(1, min(LINES, int(request.get("lines", 50))))
        folders = [folder for folder in self.root.services() if slots.live(folder) >= 0]
        folders = [folder for folder in folders if not wanted or folder.name in wanted]
        room = ROOM // max(1, len(folders))
        return {
            "logs": {
                each.name: _newest(self.guard.driver.tail(each, slots.live(each), lines), room) for each in folders
            }
        }


def _newest(lines: List[str], room: int) -> List[str]:
    """Return the last of the lines that fit into `room` bytes of JSON."""
    kept: List[str] = []
    for line in reversed(lines):
        text = line[:LINE]
        room -= len(json.dumps(text)) + 1
        if room < 0:
            break
        kept.insert(0, text)
    return kept
