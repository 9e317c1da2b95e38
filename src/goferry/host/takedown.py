"""Taking down: `down` ends services and keeps all that is theirs; `purge` removes that too, and nothing else does.

No deploy, rollback or failure removes what `kept` lists. `goferry down` and `goferry purge` ask the embedded target's
agent; on a provisioned host root alone may purge, with `goferry-host purge`. Units, the proxy's configuration and the
host file are provisioning's and stay, so the service can be deployed again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Callable, NamedTuple

from goferry.host import slots, state
from goferry.host.layout import NAME, ServiceFolder, check_name
from goferry.host.tables import open_target
from goferry.host.target import HostTarget
from goferry.kernel import leftfile
from goferry.kernel.errors import GoferryError, Misuse, Refused, printable
from goferry.kernel.files import sync_folder
from goferry.kernel.outcomes import as_frame
from goferry.kernel.protocol import Request

if TYPE_CHECKING:
    from goferry.host.agent import AgentSession

OWN = (".deploys.jsonl", ".journal", ".floor.json", ".floor.jsonl", ".incoming")
"""What the agent keeps of a project beside its services, in the sequence in which it is removed; the lock stays, as
others may wait for it. The record of deploys goes before the journals: their numbers begin anew with the next deploy,
and what has a lower number than the record's last would not be recorded."""
WAIT = 60.0
"""Seconds that another change of the target may take."""


class NothingKept(Misuse):
    """The target keeps nothing of such a project or service.

    Usual causes: a typing error in a name, another `--root`, or an earlier purge.
    """

    name = "nothing-kept"


def _nothing(root: Path, project: str, service: str) -> NothingKept:
    named = "/".join(filter(None, (project, service)))
    return NothingKept(f"{root} keeps nothing of {named}", state="Nothing was removed.")


class KeptPath(NamedTuple):
    """One thing that would be removed: a file, link or folder, with the files in it and their bytes."""

    path: Path
    files: int
    bytes: int


def down(session: AgentSession, request: Request) -> dict[str, object]:
    """End every service and supervisord; what is stored, kept and noted stays.

    A provisioned host refuses: who may deploy a project there may not end the services of all.
    """
    root = session.root
    root.refuse(Refused("services of a provisioned host are ended by its root alone", state="Nothing was changed."))
    running = [folder.name for folder in root.services() if slots.live(folder) >= 0]
    if not request.dry_run and root.own.is_dir():
        with session.alone(request.wait_ms / 1000):
            session.recovery(restore=False)  # what can't be brought back is about to end anyway
            _end_all(session, list(root.services()))
            session.guard.tidy()
    return {"stopped": running}


def _end_all(session: AgentSession, folders: list[ServiceFolder]) -> None:
    """End every service; one that can't be ended is reported last, and keeps no other from it."""
    failed: list[GoferryError] = []
    for folder in folders:
        try:
            _end(session, folder)
        except GoferryError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def _end(session: AgentSession, folder: ServiceFolder) -> None:
    now = state.read(folder)
    # Noted, and its link gone, before anything ends: no recovery starts again what is ended on purpose.
    if now.live is not None:
        state.write(folder, now._replace(stopped=True))
    with contextlib.suppress(FileNotFoundError):
        folder.live.unlink()
    for number in (0, 1):
        session.guard.end(folder, number)
        slots.clear(folder, number)


def purge_asked(session: AgentSession, request: Request) -> dict[str, object]:
    """Purge what a client names; a provisioned host refuses, as it does `down`."""
    kept_by_root = Refused(
        "what a provisioned host keeps is removed by its root alone",
        state="Nothing was removed.",
        advice=["on the host:  /usr/local/libexec/goferry-host purge PROJECT --dry-run"],
    )
    session.root.refuse(kept_by_root)
    # Only a client that says no to a dry run removes anything; one that says nothing (None) does not.
    dry_run, wait = request.dry_run is not False, request.wait_ms / 1000
    return purge(session, request.project, request.service, dry_run=dry_run, wait=wait).record()


def kept(root: HostTarget, project: str, service: str = "") -> list[KeptPath]:
    """Return what lies on the disk of a project, or of one service of it."""
    folder = root.project(project)
    names = [name for name in _services(root, project) if service in ("", name)]
    places = [folder / name for name in names]
    if not service:
        places += [folder / name for name in OWN]
    for name in names:
        places += root.outside(root.service(project, name))
    return [measured(path) for path in places if os.path.lexists(str(path))]


def _services(root: HostTarget, project: str) -> list[str]:
    """Return the services that have a folder, and those that the host was provisioned for."""
    folder = root.project(project)
    here = folder.iterdir() if folder.is_dir() else ()
    found = {path.name for path in here if NAME.fullmatch(path.name) and (path / "slots").is_dir()}
    return sorted({*found, *root.names(project)})


def measured(path: Path) -> KeptPath:
    """Return a path with the files in it and their bytes."""
    if path.is_symlink() or not path.is_dir():
        return KeptPath(path, 1, path.lstat().st_size)
    count, size = 0, 0
    for place, _, names in os.walk(str(path)):
        for name in names:
            with contextlib.suppress(OSError):
                count, size = count + 1, size + os.lstat(os.path.join(place, name)).st_size
    return KeptPath(path, count, size)


class PurgedProject(NamedTuple):
    """What was removed, or would be, and the services that ran."""

    removed: list[KeptPath]
    stopped: list[str]

    def record(self) -> dict[str, object]:
        """Return `{"removed": [{"path", "files", "bytes"}], "stopped": [name]}`."""
        return {"removed": [{**k._asdict(), "path": str(k.path)} for k in self.removed], "stopped": self.stopped}


def purge(session: AgentSession, project: str, service: str, *, dry_run: bool, wait: float = WAIT) -> PurgedProject:
    """Remove it, after ending what runs of it.

    Raises:
        NothingKept: when there is nothing. DeployBusy: while something else changes the target.
    """
    root = session.root
    found = kept(root, project, service)
    if not found:
        raise _nothing(root.path, project, service)
    folders = [each for each in root.services() if each.project == project and service in ("", each.name)]
    running = [folder.name for folder in folders if slots.live(folder) >= 0]
    if not dry_run:
        with session.alone(wait):
            session.recovery(restore=False)
            for folder in folders:
                _end(session, folder)
            # Measured again, as it may have changed while the lock was waited for.
            found = kept(root, project, service)
            for each in found:
                session.on_progress(f"remove {each.path}")
                remove(each.path)
            _leave(root.project(project))
            session.guard.tidy()
    return PurgedProject(found, running)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder."""
    if path.is_symlink() or not path.is_dir():
        path.unlink()
    else:
        shutil.rmtree(str(path))
    sync_folder(path.parent)


def _leave(folder: Path) -> None:
    """Remove a project's folder that is empty now."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def lines(purged: PurgedProject, verb: str) -> list[str]:
    """Return what a person reads: what runs of it, then each path with its files and bytes."""
    ended = [f"{verb.replace('removed', 'ended')}: {name} serves" for name in purged.stopped]
    return ended + [f"{verb} {each.path}: {each.files} files, {each.bytes} bytes" for each in purged.removed]


class PurgeChoice(NamedTuple):
    """What root on a host wants purged; without `yes` it is only told, `json` in the form of an answer."""

    project: str
    service: str = ""
    yes: bool = False
    dry_run: bool = False
    json: bool = False
    wait: float = WAIT

    @property
    def removes(self) -> bool:
        """Whether anything is removed."""
        return self.yes and not self.dry_run


def command(
    root: Path,
    host: Path,
    choice: PurgeChoice,
    environ: Mapping[str, str],
    *,
    left: Path = Path(leftfile.LEFT_FILE),
    write: Callable[[str], object] = sys.stdout.write,
) -> int:
    """Purge on a host, for its root. Return the exit code."""
    try:
        purged = _purged_by_root(root, host, left, choice, environ)
        if choice.json:
            write(json.dumps(purged.record()) + "\n")
            return 0
        for line in lines(purged, "removed" if choice.removes else "would remove"):
            write(printable(line, 10_000) + "\n")
        if not (choice.yes or choice.dry_run):
            raise Misuse("nothing was removed: this can't be undone, so it wants --yes")
    except GoferryError as error:
        if choice.json:
            write(json.dumps({"failure": as_frame(error)}) + "\n")
            return 0
        sys.stderr.write(f"goferry: {error.name}: {printable(error.what)}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"goferry: {printable(str(error))}\n")
        return 1
    return 0


def _purged_by_root(
    root: Path, host: Path, left: Path, choice: PurgeChoice, environ: Mapping[str, str]
) -> PurgedProject:
    """Purge what the host is ready for, by the agent, and what it is no longer ready for."""
    from goferry.host import left as left_services
    from goferry.host.agent import AgentSession  # which asks for `down` here

    for name in filter(None, (choice.project, choice.service)):
        check_name(name)
    target = open_target(root, host).for_project(choice.project) if host.is_file() else None
    ready = target.names(choice.project) if target else ()
    places = left_services.services(left, choice.project, choice.service, ready)
    removed, stopped = list[KeptPath](), list[str]()
    session = AgentSession(target, None, environ) if target and (ready or not places) else None
    if session:
        with contextlib.suppress(*([NothingKept] if places else [])):
            dry_run, wait = not choice.removes, choice.wait
            removed, stopped = purge(session, choice.project, choice.service, dry_run=dry_run, wait=wait)
    known = {each.path for each in removed}
    found = left_services.kept(root, choice.project, [*places.values()], whole=not (ready or choice.service))
    found = [each for each in found if each.path not in known]
    if choice.removes and found:
        with session.alone(choice.wait) if session else contextlib.nullcontext():
            left_services.remove(found)
    if not removed and not found:
        raise _nothing(root, choice.project, choice.service)
    return PurgedProject([*removed, *found], stopped)
