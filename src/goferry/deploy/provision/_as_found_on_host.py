"""What a host was like before Goferry, as far as provisioning changed what is not its own; part of `on_host`.

Canonical enough JSON of schema 1, root's alone: `{"schema", "folders": [path], "owned": [[path, uid, gid, mode]],
"undo": [[word]], "packages": {manager: [name]}}`. A host that an older Goferry provisioned has none, and then nobody
knows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from goferry.deploy.provision._order_on_host import Words
from goferry.deploy.provision.changes_on_host import Changes, gone, text
from goferry.kernel.fields import Fields, typed

FILE = "/etc/goferry/as-found.json"
SCHEMA = 1

Owned = tuple[str, int, int, int]


class AsFound(NamedTuple):
    """The record.

    Attributes:
        folders: that were made. owned: (folder, uid, gid, mode) of those that were there with others.
        undo: commands that put back what runs and is enabled. packages: by the name of what installed them.
    """

    folders: tuple[str, ...] = ()
    owned: tuple[Owned, ...] = ()
    undo: tuple[Words, ...] = ()
    packages: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    def added(self, folders: Iterable[str], owned: Iterable[Owned], undo: Iterable[Words]) -> AsFound:
        """Return it with what another run changed; of a folder the first owner counts."""
        known = {each[0] for each in self.owned} | set(self.folders)
        return self._replace(
            folders=tuple(dict.fromkeys([*self.folders, *folders])),
            owned=(*self.owned, *(each for each in owned if each[0] not in known)),
            undo=tuple(dict.fromkeys([*self.undo, *undo])),
        )

    def installed(self, manager: str, packages: Iterable[str]) -> AsFound:
        """Return it with packages that were installed."""
        names = tuple(dict.fromkeys([*self.packages.get(manager, ()), *packages]))
        return self._replace(packages={**self.packages, manager: names})

    def to_bytes(self) -> bytes:
        """Return the file's bytes."""
        whole = {"schema": SCHEMA, **self._asdict(), "packages": dict(self.packages)}
        return (json.dumps(whole, sort_keys=True, indent=1) + "\n").encode()


def read_as_found() -> AsFound:
    """Read the record; one that can't be read says nothing, so that a host is never left half provisioned for it."""
    try:
        given = Fields(json.loads(text(FILE) or "{}"), FILE)
        return AsFound(
            tuple(given.texts("folders", [])),
            tuple(_owned(each) for each in given.items("owned", [])),
            tuple(tuple(_texts(each)) for each in given.items("undo", [])),
            {name: tuple(_texts(each)) for name, each in given.mapping("packages", {}).items()},
        )
    except (ValueError, TypeError):
        return AsFound()


def _texts(value: object) -> Sequence[str]:
    return [typed(each, str, FILE) for each in typed(value, list, FILE)]


def _owned(value: object) -> Owned:
    path, uid, gid, mode = typed(value, list, FILE)
    return typed(path, str, FILE), typed(uid, int, FILE), typed(gid, int, FILE), typed(mode, int, FILE)


def record_changes(changes: Changes) -> None:
    """Add what a run changed; the file is taken back with the run's other changes."""
    before = read_as_found()
    after = before.added(changes.made, changes.owned, changes.undo)
    if after != before:
        changes.put(FILE, after.to_bytes())


def record_packages(manager: str, before: Iterable[str], after: Iterable[str]) -> None:
    """Add the packages that an installation brought."""
    new = sorted(set(after) - set(before))
    if new:
        os.makedirs(os.path.dirname(FILE), 0o755, exist_ok=True)
        Changes().put(FILE, read_as_found().installed(manager, new).to_bytes())


def forget() -> None:
    """Remove the record."""
    gone(FILE)
