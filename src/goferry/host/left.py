"""What a host keeps of services that it is no longer ready for, as `left.json` names them (kernel.leftfile).

Nothing of them runs, since provisioning ended it when it took them off. What lies in their places is removed as that of
any other service: by a purge, and by nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from goferry.host import takedown
from goferry.host.provisioned import DATA
from goferry.host.takedown import KeptPath
from goferry.kernel import leftfile
from goferry.kernel.hostfile import Place


def services(path: Path, project: str, service: str, ready: Collection[str]) -> Mapping[str, Place]:
    """Return those of a project, or the one that is named, less those that the host is ready for again.

    Raises:
        LeftFileInvalid: when the file is not valid.
    """
    found = leftfile.parse(path.read_bytes()).places(project) if path.is_file() else {}
    return {name: place for name, place in found.items() if name not in ready and service in ("", name)}


def kept(root: Path, project: str, places: Sequence[Place], *, whole: bool) -> list[KeptPath]:
    """Return what lies of them; `whole`: of the project's folder too, as the host is for none of its services."""
    paths = [root / project] if whole else [root / project / place.service for place in places]
    for place in places:
        paths += [Path(place.env_file), *(Path(folder, place.stem) for folder in DATA)]
    return [takedown.measured(path) for path in paths if os.path.lexists(str(path))]


def remove(found: Sequence[KeptPath]) -> None:
    """Remove it."""
    for each in found:
        takedown.remove(each.path)
