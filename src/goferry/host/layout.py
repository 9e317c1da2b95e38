"""Where things lie on a target (host.target).

    <root>/.goferry/            lock · shim.py · supervisord.conf, .log, .json · bin/python · run/ (sockets, mode 0700)
                                trust → the trust file of the last deploy
    <root>/<project>/.journal/<transaction>.jsonl
    <root>/<project>/.floor.json, .floor.jsonl (each lowering), .deploys.jsonl (what came of each transaction)
    <root>/<project>/<service>/ state.json · live → slots/N.json · slots/ · releases/<sequence>/ · store/<sha256>
                                log/ · data/ (the service's working folder, the same for every version)

A provisioned host (kernel.hostfile) has in `.goferry` the lock alone, in each project's folder its `.lock` and
`.incoming/`, and instead of `live` the link `live.sock` → the slot's socket, which the proxy follows too. systemd has
the logs and makes the working folder.

Names of projects and services never begin with a dot, so they can't meet the agent's own.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from goferry.kernel.errors import Misuse
from goferry.kernel.hostfile import Place

if TYPE_CHECKING:
    from goferry.host.target import HostTarget

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class BadName(Misuse):
    """The name of a project or service can't be the name of a folder on the target.

    Usual causes: a space or a slash. Letters, digits, dots, dashes and underscores are allowed, at most 63 of them.
    """

    name = "bad-name"


def check_name(text: str) -> str:
    """Return `text` when it may name a project or a service."""
    if not NAME.fullmatch(text):
        raise BadName(f"{text[:80]!r} can't name a project or service", advice=["use letters, digits, . _ and -"])
    return text


class ServiceFolder:
    """What lies under `<root>/<project>/<service>/`."""

    def __init__(self, root: HostTarget, project: str, name: str) -> None:
        self.root, self.project, self.name = root, check_name(project), check_name(name)
        self.path = root.project(project) / name
        self.slots, self.store, self.releases = self.path / "slots", self.path / "store", self.path / "releases"
        self.log, self.data = self.path / "log", self.path / "data"
        self.live = self.path / root.live
        self.state = self.path / "state.json"

    @property
    def place(self) -> Place:
        """What the service was provisioned with.

        Raises:
            NotProvisioned: when it was not.
        """
        return self.root.place(self.project, self.name)

    def pointer(self, number: int, mode: str = "") -> str:
        """What the `live` link names when the slot is live; `mode` is its version's, if not the place's."""
        return self.root.pointer(self, number, mode)

    def prepare(self) -> None:
        """Make the folders, or make them what they should be."""
        self.root.prepare_service(self)

    def slot(self, number: int) -> Path:
        """The file that says what the slot runs."""
        return self.slots / f"{number}.json"

    def environment(self, number: int) -> Path:
        """The copy of the service's environment file with which the slot starts (host.slot_environment)."""
        return self.slots / f"{number}.env"

    def run(self, number: int) -> Path:
        """The file in which the slot's process notes its pid and start time."""
        return self.slots / f"{number}.run"

    def since(self, number: int) -> Path:
        """The file that says where the log of the slot's version begins."""
        return self.slots / f"{number}.since"

    @property
    def starts(self) -> Path:
        """The list of starts: which version's log begins where in which slot."""
        return self.slots / "starts.jsonl"

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
