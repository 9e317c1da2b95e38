"""Where a command goes: what was said, else the environment in goferry.yml, else the default; resolved once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from goferry.config import load, model
from goferry.config.released import project_name
from goferry.deploy.fleet import Fleet
from goferry.deploy.local import Target
from goferry.kernel.errors import Misuse, printable

KNOWN_HOSTS = Path(".goferry", "known_hosts")
"""Where a repository keeps its hosts' keys, from its root."""


class EnvironmentUnknown(Misuse):
    """There is no such environment.

    It usually is a typing error; development, staging and production always exist, goferry.yml may declare others.
    """

    name = "environment-unknown"


@dataclass(frozen=True)
class Said:
    """What a flag or an input said; empty where it said nothing.

    Attributes:
        target: `local` or `ssh`. hosts: as people write them.
        root, trust: the local target's folder and trust file.
        identity, known_hosts: files for ssh. wait: seconds. on_silence: `rollback` or `commit`.
        environment: its name. directory: the repository's folder. project: which of several.
        called: what messages call files that a person knows by another name; see ssh.Access.
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


@dataclass(frozen=True)
class Place:
    """Where it goes.

    Attributes:
        target: the folder or the hosts.
        accepts: what the environment takes, `releases` or `snapshots`; empty without one.
        uncommitted: whether it takes files that the commit lacks, `allowed` or `refused`; empty without one.
        project: whose environment it is, as its releases name it; empty without one.
    """

    target: Target | Fleet
    accepts: str = ""
    uncommitted: str = ""
    project: str = ""


def resolve(said: Said, *, verifies: bool = False) -> Place:
    """Return where a command goes; `verifies` demands a trust file of a local target.

    Raises:
        EnvironmentUnknown, HostNameInvalid, Misuse: as their names say.
    """
    loaded = _loaded(said) if said.environment else None
    rules = _rules(loaded, said.environment) if loaded else model.Environment()
    project = project_name(loaded) if loaded else ""
    hosts = tuple(said.hosts) or tuple(rules.hosts)
    target = said.target or ("ssh" if said.hosts else "") or rules.target or "local"
    silence = said.on_silence or rules.on_silence or "rollback"
    if target == "local":
        return Place(_local(said, silence, rules.hosts, verifies=verifies), rules.accepts, rules.uncommitted, project)
    if target != "ssh":
        known = ["use:  --target local --root DIR", "or:  --target ssh --host HOST"]
        raise Misuse(f"--target {printable(target, 40)} is not known", advice=known)
    if not hosts:
        raise without_hosts(said) if said.environment else Misuse("no host is named", advice=["name it:  --host HOST"])
    if said.root is not None:
        raise Misuse("--root is the local target's folder; a host has its own", advice=["leave out --root"])
    known_hosts = said.known_hosts or default_known_hosts(said.directory)
    fleet = Fleet(hosts, said.identity, known_hosts, said.wait, silence, said.environment, called=said.called)
    return Place(fleet, rules.accepts, rules.uncommitted, project)


def local_target(said: Said) -> Target:
    """Return the local target of a command that works on no other.

    Raises:
        Misuse: for another target, or without a folder.
    """
    alone = "use:  --target local --root DIR"
    if said.target not in ("", "local"):
        raise Misuse("this command works on the local target alone", advice=[alone])
    if said.root is None:
        raise Misuse("the local target's folder is not named", advice=["name it:  --root DIR"])
    return Target(said.root, wait=said.wait)


def without_hosts(said: Said, hosts: Sequence[str] = (), how: str = "--host HOST") -> Misuse:
    """Return the error of an environment that leads nowhere.

    `hosts` are those that it lists under another target; `how` a command takes hosts instead.
    """
    name = printable(said.environment, 80)
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


def _local(said: Said, silence: str, hosts: Sequence[str], *, verifies: bool) -> Target:
    strange = [
        flag
        for flag, value in (("--host", said.hosts), ("--identity", said.identity), ("--known-hosts", said.known_hosts))
        if value
    ]
    if strange:
        raise Misuse(f"{strange[0]} is for hosts, not for the local target", advice=["add:  --target ssh"])
    if said.root is None and said.environment and not said.target:
        raise without_hosts(said, hosts)
    if said.root is None:
        raise Misuse(
            "the local target's folder is not named", advice=["name it:  --root DIR", "or hosts:  --host HOST"]
        )
    if verifies and said.trust is None:
        raise Misuse("no trust file is named", advice=["whose signatures count:  --trust goferry.trust"])
    return Target(said.root, said.trust, said.wait, silence)


def environment(said: Said) -> model.Environment:
    """Return an environment of goferry.yml or a built-in one.

    Raises:
        EnvironmentUnknown, ConfigInvalid: as their names say.
    """
    return _rules(_loaded(said), said.environment)


def _loaded(said: Said) -> load.Loaded:
    return load.load(said.directory, project=said.project)


def _rules(loaded: load.Loaded, environment: str) -> model.Environment:
    found = loaded.project.environments
    if environment not in found:
        raise EnvironmentUnknown(
            f"there is no environment {printable(environment, 80)!r}",
            advice=["environments are: " + ", ".join(sorted(found))],
        )
    return found[environment]


def default_known_hosts(directory: Path) -> Path | None:
    """Return the repository's own file of host keys when it has one; else the user's is taken."""
    start = directory.absolute()
    root = load.repository(start) or start
    return next((folder / KNOWN_HOSTS for folder in (start, root) if (folder / KNOWN_HOSTS).is_file()), None)
