"""Where a command goes: as its options say, else the environment in goferry.yml, else the default; resolved once."""

from __future__ import annotations

import importlib

from msgspec import Struct

from goferry.config import load, model
from goferry.config.released import project_name
from goferry.deploy._local_target import Local
from goferry.deploy.contract import Target
from goferry.deploy.options import Options
from goferry.kernel.errors import Misuse, printable

TARGETS = model.TARGETS
"""Every target's name, as `--target` and `environments` write it; `_NAME_target` says in TARGET what it is."""


class EnvironmentUnknown(Misuse):
    """There is no such environment.

    Usual causes: a typing error. development, staging and production always exist; goferry.yml may declare others.
    """

    name = "environment-unknown"


class Destination(Struct, frozen=True):
    """Where it goes.

    Attributes:
        target: the folder or the hosts.
        accepts: what the environment takes, `releases` or `snapshots`; empty without one.
        uncommitted: whether it takes files that the commit lacks, `allowed` or `refused`; empty without one.
        project: whose environment it is, as its releases name it; empty without one.
    """

    target: Target
    accepts: str = ""
    uncommitted: str = ""
    project: str = ""


def resolve(options: Options, *, verifies: bool = False) -> Destination:
    """Return where a command goes; with `verifies`, a target without a trust file of its own must be given one.

    Raises:
        EnvironmentUnknown: there is no such environment.
        HostNameInvalid: a host is not written as NAME, NAME:PORT or USER@NAME:PORT.
        Misuse: wrong usage or configuration.
    """
    loaded = _loaded(options) if options.environment else None
    rules = _rules(loaded, options.environment) if loaded else model.Environment()
    project = project_name(loaded) if loaded else ""
    # A host on the command line means ssh, also in an environment whose target is another one.
    name = options.target or ("ssh" if options.hosts else "") or rules.target or "local"
    if name not in TARGETS:
        known = ["use:  --target local --root DIR", "or:  --target ssh --host HOST"]
        raise Misuse(f"--target {printable(name, 40)} is not known", advice=known)
    target = of_name(name).of(options, rules, verifies=verifies)
    return Destination(target, rules.accepts, rules.uncommitted, project)


def of_name(name: str) -> type[Target]:
    """Return the class of one of the names in TARGETS."""
    found: type[Target] = importlib.import_module(f"goferry.deploy._{name}_target").TARGET
    return found


def local_target(options: Options) -> Local:
    """Return the local target of a command that works on no other.

    Raises:
        Misuse: for another target, or without a folder.
    """
    alone = "use:  --target local --root DIR"
    if options.target not in ("", "local"):
        raise Misuse("this command works on the local target alone", advice=[alone])
    if options.root is None:
        raise Misuse("the local target's folder is not named", advice=["name it:  --root DIR"])
    return Local(options.root, wait=options.wait)


def environment(options: Options) -> model.Environment:
    """Return an environment of goferry.yml or a built-in one.

    Raises:
        EnvironmentUnknown: there is no such environment.
        ConfigInvalid: goferry.yml is not valid; the message names the file, line and column of every problem.
    """
    return _rules(_loaded(options), options.environment)


def _loaded(options: Options) -> load.Loaded:
    return load.load(options.directory, project=options.project)


def _rules(loaded: load.Loaded, environment: str) -> model.Environment:
    found = loaded.project.environments
    if environment not in found:
        raise EnvironmentUnknown(
            f"there is no environment {printable(environment, 80)!r}",
            advice=["environments are: " + ", ".join(sorted(found))],
        )
    return found[environment]
