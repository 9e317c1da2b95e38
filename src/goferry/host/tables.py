"""What an agent can be made of, by name: the tables that grow when a target, a guard, a switch or a kind is added.

They are constants, passed on as arguments: nothing registers itself, so what an agent can do is what is read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from goferry.host.embedded import Embedded
from goferry.host.kinds import KINDS, ServiceKind
from goferry.host.provisioned import GUARDS, SWITCHES, Guards, Provisioned, Switches
from goferry.host.target import HostTarget
from goferry.kernel import hostfile
from goferry.kernel.hostfile import HostFile, HostFileInvalid

TARGETS: Sequence[type[HostTarget]] = (Embedded, Provisioned)
"""The first that takes a host file, or none, is the target."""


class Tables(NamedTuple):
    """All of them. A guard and a switch are named by host.json, a kind of service by a release."""

    targets: Sequence[type[HostTarget]] = TARGETS
    guards: Guards = GUARDS
    switches: Switches = SWITCHES
    kinds: Mapping[str, ServiceKind] = KINDS

    @property
    def known(self) -> hostfile.Known:
        """What a host file may name."""
        shapes = {name: kind.shape for name, kind in self.kinds.items()}
        return hostfile.Known(tuple(self.guards), tuple(self.switches), shapes)


TABLES = Tables()


def host_file(path: Path | None, tables: Tables = TABLES) -> HostFile | None:
    """Read the host file; None when no path is given.

    Raises:
        HostFileInvalid: when it can't be read or is not one.
    """
    if path is None:
        return None
    try:
        return hostfile.parse(path.read_bytes(), tables.known)
    except OSError as error:
        raise HostFileInvalid(
            f"{path}: {error.strerror}", advice=["write it again:  goferry provision HOST"]
        ) from error


def open_target(path: Path, host: Path | None, tables: Tables = TABLES) -> HostTarget:
    """Return the target at `path`; `host` names the host file of a provisioned host.

    Raises:
        HostFileInvalid: when it can't be read or is not one.
    """
    found = host_file(host, tables)
    opened = (kind.opened(path, found, tables) for kind in tables.targets)
    return next(target for target in opened if target is not None)
