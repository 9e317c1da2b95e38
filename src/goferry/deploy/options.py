"""The options that say where a command goes, before anything is known about the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from goferry.config import load
from goferry.kernel.errors import Misuse, printable

KNOWN_HOSTS = Path(".goferry", "known_hosts")
"""Where a repository keeps its hosts' keys, from its root."""


@dataclass(frozen=True)
class Options:
    """The values of flags or inputs; empty where none was given.

    Attributes:
        target: its name in `config.model.TARGETS`. hosts: as people write them.
        root, trust: the local target's folder and trust file.
        identity, known_hosts: files for ssh. wait: seconds. on_silence: `rollback` or `commit`.
        environment: its name. directory: the repository's folder. project: which of several.
        called: names of files in messages, where people know them by another name; see ssh.Access.
    """

    target: str = ""
    hosts: Sequence[str] = ()
    root: Path | None = None
    trust: Path | None = None
    identity: Path | None = None
    known_hosts: Path | None = None
    wait: float = 60.0
    on_silence: str = ""
    environment: str = ""
    directory: Path = Path()
    project: str = ""
    called: Mapping[Path, str] = field(default_factory=dict)


def without_hosts(options: Options, hosts: Sequence[str] = (), how: str = "--host HOST") -> Misuse:
    """Return the error of an environment without hosts to go to.

    `hosts` are those that it lists under another target; `how` a command takes hosts instead.
    """
    name = printable(options.environment, 80)
    first = hosts[0] if hosts else "web-1.example.com"
    why = "lists hosts, and its target is not ssh" if hosts else "names no hosts in goferry.yml"
    return Misuse(
        f"the environment {name} {why}",
        state="Nothing was connected to.",
        advice=[
            f"write there:  environments: {{{name}: {{target: ssh, hosts: [{printable(first, 80)}]}}}}",
            f"or name it:  {how}",
        ],
    )


def default_known_hosts(directory: Path) -> Path | None:
    """Return the repository's own file of host keys when it has one; else the user's is taken."""
    start = directory.absolute()
    root = load.repository(start) or start
    return next((folder / KNOWN_HOSTS for folder in (start, root) if (folder / KNOWN_HOSTS).is_file()), None)
