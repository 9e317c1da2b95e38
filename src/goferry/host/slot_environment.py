"""The values that a slot starts with: a copy of the service's environment file, taken when the slot is prepared.

So a crash and a reboot bring a version back with what it was proven with, whatever was written to the file since then:
new values wait for a restart, a deploy or a rollback, which prove a version with them. Provisioning takes the copies of
what served before there were any, before the units change that read them.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from goferry.host.layout import ServiceFolder
from goferry.host.shim import Slot
from goferry.kernel import envfile
from goferry.kernel.errors import GoferryError
from goferry.kernel.files import write_atomically
from goferry.kernel.outcomes import EnvironmentUnreadable


def prepare(folder: ServiceFolder, slot: Slot) -> None:
    """Take the copy for a slot that is about to be started; one that an earlier version left goes in any case.

    Raises:
        EnvironmentUnreadable: there may be values that the agent can't see, and no version is started without them.
    """
    source, copy = folder.root.environment_file(folder, slot.env_file), folder.environment(slot.slot)
    if source is None:
        with contextlib.suppress(FileNotFoundError):
            copy.unlink()
    else:
        write_atomically(copy, _read(source), 0o600)


def adopt(folder: ServiceFolder, slot: Slot) -> None:
    """Take the copy for a slot that lacks one; where that can't be done it is tried again later."""
    if not folder.environment(slot.slot).exists():
        with contextlib.suppress(OSError, GoferryError):
            prepare(folder, slot)


def newer(folder: ServiceFolder, slot: Slot) -> bool:
    """Whether the file has other values than the slot starts with; no where either can't be read."""
    source, copy = folder.root.environment_file(folder, slot.env_file), folder.environment(slot.slot)
    if source is None or not copy.exists():
        return False
    with contextlib.suppress(OSError, GoferryError):
        return envfile.values(copy.read_bytes()) != envfile.values(_read(source))
    return False


def _read(source: Path) -> bytes:
    """Return what the service's file holds; nothing where there is none."""
    try:
        data = source.read_bytes()
    except OSError as error:
        # The agent's unit hides people's homes: what lies there, behind a link, seems to be missing.
        if isinstance(error, FileNotFoundError) and not any(
            os.path.islink(str(path)) for path in (source, source.parent)
        ):
            return b""
        raise _unreadable(source, str(error.strerror)) from error
    if why := envfile.unread(data):
        raise _unreadable(source, why)
    return data


def _unreadable(source: Path, why: str) -> EnvironmentUnreadable:
    return EnvironmentUnreadable(
        f"{source} can't be read: {why}",
        state="Nothing was started with it.",
        advice=["put a file there instead of a link, and write it anew:  goferry env set SERVICE"],
    )
