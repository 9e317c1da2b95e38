"""What is noted of the last start of a plain service's slot: root's file in /run, for unit, host.forward and agent.

It is a file of variables (systemd.exec(5), EnvironmentFile=) with one variable, and lines behind # for the others.
"""

from __future__ import annotations

import os
from typing import NamedTuple

VARIABLE = "GOFERRY_PORT"


class Note(NamedTuple):
    """A start: its port, the path of its unit's control group, and the ports of the starts just before it."""

    port: int = 0
    group: str = ""
    before: tuple[int, ...] = ()

    def text(self) -> str:
        """Return the file's text."""
        before = " ".join(str(port) for port in self.before)
        return f"{VARIABLE}={self.port}\n# group {self.group}\n# before {before}\n"


def read(path: str) -> Note:
    """Return the note of a slot; an empty one when there is none."""
    try:
        with open(path) as file:
            first, group, before = file.read(65536).splitlines()[:3]
        tried = tuple(int(word) for word in before.split()[2:])
        return Note(int(first.partition("=")[2]), group[len("# group ") :], tried)
    except (OSError, ValueError):
        return Note()


def write(path: str, note: Note) -> None:
    """Replace a note; it need not outlive the power, as nothing that it speaks of does."""
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    with open(path + ".new", "w") as file:
        file.write(note.text())
        # Whatever root's umask is: host.forward reads it as a user of its own.
        os.fchmod(file.fileno(), 0o644)
    os.replace(path + ".new", path)
