"""What a target is made of: the embedded one, or the host that `host.json` describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Callable, Union

from goferry.host.guard import Guard
from goferry.host.layout import Root
from goferry.host.nginx import Nginx
from goferry.host.supervised import Supervised
from goferry.host.switch import Switch
from goferry.host.systemd import Systemd
from goferry.kernel import hostfile
from goferry.kernel.hostfile import HostFile, HostFileInvalid

Parts = tuple[Guard, Union[Switch, Nginx]]


def assemble(root: Root, environ: Mapping[str, str], gone: Callable[[], bool]) -> Parts:
    """Return the guard and the switch of a target."""
    if root.host is None:
        guard = Guard(root, Supervised(root, environ), gone)
        return guard, Switch(root, guard)
    guard = Guard(root, Systemd(), gone)
    return guard, Nginx(root, guard)


def host_file(path: Path | None) -> HostFile | None:
    """Read the host file; None when no path is given: that is the embedded target.

    Raises:
        HostFileInvalid: when it can't be read or is not one.
    """
    if path is None:
        return None
    try:
        return hostfile.parse(path.read_bytes())
    except OSError as error:
        raise HostFileInvalid(
            f"{path}: {error.strerror}", advice=["write it again:  goferry provision HOST"]
        ) from error
