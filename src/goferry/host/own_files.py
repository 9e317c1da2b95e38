"""What a candidate that crashed may lack: its variables and its files, which no release brings (docs/deploy.md)."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import Callable, List, Tuple

from goferry.host import slots
from goferry.host.layout import Root, ServiceFolder
from goferry.kernel.errors import GoferryError
from goferry.kernel.machine import Transaction
from goferry.kernel.outcomes import CandidateCrashed

DATA = "/var/lib/goferry-data"
"""Where a provisioned host's systemd keeps the services' working folders."""


def adviser(root: Root) -> Callable[[GoferryError, Transaction], None]:
    """Return `advise` for a target, as the engine takes it."""
    return functools.partial(advise, root)


def advise(root: Root, error: GoferryError, transaction: Transaction) -> None:
    """Put before the advice of a crash where that candidate's own files lie; other errors stay as they are."""
    if not isinstance(error, CandidateCrashed):
        return
    for change in transaction.changes:
        if error.what.startswith("%s %s " % (change.service, change.version)):
            with contextlib.suppress(GoferryError, OSError):  # what is known of the crash is told in any case
                folder = root.service(transaction.project, change.service)
                slot = slots.read(folder, change.slot) or {}
                error.advice = (*lines(folder, str(slot.get("env_file") or "")), *error.advice)


def lines(folder: ServiceFolder, env_file: str) -> List[str]:
    """Return what to type where a service lacks variables or files; `env_file` is what its release names."""
    variables, data = places(folder, env_file)
    return [
        "variables that it needs:  env at the service in goferry.yml, or %s" % variables,
        "files that it opens by a relative path belong in its working folder:  %s" % data,
        'its other files ("Its own files"):  docs/deploy.md#its-own-files',
    ]


def places(folder: ServiceFolder, env_file: str) -> Tuple[str, Path]:
    """Return where a service's variables are set on its target, and its working folder."""
    if folder.root.host is not None:
        return "as root on the host %s" % folder.place.env_file, Path(DATA, folder.place.stem)
    if env_file:
        return "env-file: %s" % (folder.root.path / env_file), folder.data
    return "env-file there, relative to %s" % folder.root.path, folder.data
