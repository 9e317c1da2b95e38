"""Deploying: the client of the host agent. It asks; the host verifies, decides and remembers.

A target is a folder of this machine (`Local`) or hosts over ssh (`Fleet`); `contract.Target` says what each one can,
and each function here takes any. A fleet's deploy goes through `fleet`, `performer` (which does what the pure machine
in `rollout` asks for), `session` and `client`, which writes the frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from goferry.artifacts import given
from goferry.config.settings import Settings
from goferry.deploy.contract import Target
from goferry.deploy.environment_policy import judge_accepts, judge_uncommitted
from goferry.deploy.fleet import Fleet
from goferry.deploy.local import Local
from goferry.observe.events import Stream

__all__ = [
    "Fleet",
    "Local",
    "Target",
    "before_deploy",
    "deploy",
    "down",
    "judge_accepts",
    "logs",
    "purge",
    "rollback",
    "status",
]


def deploy(
    dist: Path,
    target: Target,
    *,
    services: Sequence[str] = (),
    settings: Settings,
    stream: Stream,
    dry_run: bool = False,
    accepts: str = "",
    uncommitted: str = "",
) -> dict[str, Any]:
    """Bring the sealed release in `dist` into service; return the record that `--json` prints.

    `{"project", "version", "changes", "previous", "unchanged", "switch_ms", "gap_ms": {service: ms}, "seconds",
    "services": {name: {"version", "previous", "url", "digest", "pid", "gap_ms", …}}, "outcome", "hosts": {name: {…}}}`,
    where a folder's one host is `local`; of several hosts each has `{"version", "previous", "switch_ms", "gap_ms",
    "outcome", "uploaded", "services"}` with `uploaded` in bytes. Of a dry run `{"changes", "acts"}` instead.

    `accepts` and `uncommitted` are the environment's rules, judged before anything is connected to: `releases` refuses
    snapshots, and `refused` releases with files that their commit lacks. However it fails, the error says what serves.

    Raises:
        FolderUnreadable, SnapshotRefused, UncommittedRefused: as their names say.
        GoferryError: what the host says, or how it could not be reached.
    """
    with before_deploy(target, settings) if not dry_run else nullcontext():
        given.refuse_absent(dist)
        judge_accepts(dist, accepts)
        judge_uncommitted(dist, uncommitted)
    return target.deploy(dist, services=services, settings=settings, stream=stream, dry_run=dry_run).as_json()


def before_deploy(target: Target, settings: Settings) -> AbstractContextManager[None]:
    """Have what ends the block say what serves: of a folder it is asked, and hosts were not connected to yet."""
    return target.before_deploy(settings)


def rollback(
    target: Target,
    *,
    to: str = "",
    services: Sequence[str] = (),
    project: str = "",
    settings: Settings,
    stream: Stream,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Bring the version `to`, else the version before, into service again; returns the same record as `deploy`."""
    return target.rollback(
        to=to, services=services, project=project, settings=settings, stream=stream, dry_run=dry_run
    ).as_json()


def status(target: Target, *, settings: Settings) -> dict[str, Any]:
    """Return `{"live": {service: {…}}, "recovered": [text], "busy": bool, "floors"}`; of a fleet `hosts` too.

    Raises:
        TargetMissing: nothing was ever deployed there. GoferryError: as the host says.
    """
    return target.status(settings).as_json()


def logs(target: Target, *, services: Sequence[str] = (), lines: int = 50, settings: Settings) -> dict[str, Any]:
    """Return `{"logs": {service: [line]}}` of what is live; of a fleet `hosts` too."""
    return target.logs(services, lines, settings).as_json()


def down(target: Local, *, settings: Settings, stream: Stream, dry_run: bool = False) -> dict[str, Any]:
    """End every service of the target and its supervisor; return `{"stopped": [service]}`."""
    return target.down(settings=settings, stream=stream, dry_run=dry_run).as_json()


def purge(
    target: Local, project: str, service: str = "", *, settings: Settings, stream: Stream, dry_run: bool = True
) -> dict[str, Any]:
    """Remove what the target keeps of a project or of one service, data and logs too, after ending what runs of it.

    Returns `{"removed": [{"path", "files", "bytes"}], "stopped": [service], "dry_run"}`.

    Raises:
        TargetMissing: nothing was ever deployed there. GoferryError: `nothing-kept`, `deploy-busy`, as the agent says.
    """
    return target.purge(project, service, settings=settings, stream=stream, dry_run=dry_run).as_json()
