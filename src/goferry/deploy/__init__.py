"""Deploying: the client of the host agent. It asks; the host verifies, decides and remembers.

A `Target` is a folder of this machine, a `Fleet` is hosts over ssh; each function takes either.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from goferry.artifacts import given
from goferry.config.settings import Settings
from goferry.deploy import local, remote, serving
from goferry.deploy.fleet import Fleet
from goferry.deploy.local import Target, down, purge
from goferry.deploy.policy import judge_accepts, judge_uncommitted
from goferry.observe.events import Stream

__all__ = ["Fleet", "Target", "before_deploy", "deploy", "down", "judge_accepts", "logs", "purge", "rollback", "status"]


def deploy(
    dist: Path,
    target: Target | Fleet,
    *,
    services: Sequence[str] = (),
    settings: Settings,
    stream: Stream,
    dry_run: bool = False,
    accepts: str = "",
    uncommitted: str = "",
) -> dict[str, Any]:
    """Bring the sealed release in `dist` into service; see `local.deploy` and `remote.deploy` for the record.

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
    if isinstance(target, Fleet):
        return remote.deploy(dist, target, services=services, settings=settings, stream=stream, dry_run=dry_run)
    return local.deploy(dist, target, services=services, settings=settings, stream=stream, dry_run=dry_run)


def before_deploy(target: Target | Fleet, settings: Settings) -> AbstractContextManager[None]:
    """Have what ends the block say what serves: of a folder it is asked, and hosts were not connected to yet."""
    return local.serving_told(target, settings) if isinstance(target, Target) else serving.untouched()


def rollback(
    target: Target | Fleet,
    *,
    to: str = "",
    services: Sequence[str] = (),
    project: str = "",
    settings: Settings,
    stream: Stream,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Bring the version `to`, else the version before, into service again; returns the same record as `deploy`."""
    asked: dict[str, Any] = {"to": to, "services": services, "project": project, "dry_run": dry_run}
    if isinstance(target, Fleet):
        return remote.rollback(target, settings=settings, stream=stream, **asked)
    return local.rollback(target, settings=settings, stream=stream, **asked)


def status(target: Target | Fleet, *, settings: Settings) -> dict[str, Any]:
    """Return `{"live": {service: {…}}, "recovered": [text], "busy": bool, "floors"}`; of a fleet `hosts` too."""
    if isinstance(target, Fleet):
        return remote.status(target, settings=settings)
    return local.status(target, settings=settings)


def logs(
    target: Target | Fleet, *, services: Sequence[str] = (), lines: int = 50, settings: Settings
) -> dict[str, Any]:
    """Return `{"logs": {service: [line]}}` of what is live; of a fleet `hosts` too."""
    if isinstance(target, Fleet):
        return remote.logs(target, services=services, lines=lines, settings=settings)
    return local.logs(target, services=services, lines=lines, settings=settings)
