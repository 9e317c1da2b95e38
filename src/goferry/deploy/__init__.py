"""Deploying: the client of the host agent. It asks; the host verifies, decides and remembers.

A target is a folder of this machine (`Local`) or hosts over ssh (`Fleet`); `contract.Target` says what each one can,
and each function here takes any.

Contract (what other rooms import; a module with `_` is private):

    contract     what a target is
    destination  which target a command goes to
    options      what a person said of it
    deployment   the result of a deploy or a rollback
    answers      a host's answers, read once into frozen types
    held         what a target holds: versions, sizes, free space
    live         what serves on a target
    log_lines    what services wrote, line by line, of all hosts in one order
    past_deploys  what was deployed and rolled back, as hosts record it
    serving      what serves when a deploy does not end well
    reading      judging what a host says
    provision    making a bare host ready
    errors       how reaching a host can fail
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from goferry.artifacts import given
from goferry.config.settings import Settings
from goferry.deploy._environment_policy import judge_accepts, judge_uncommitted
from goferry.deploy._local_target import Local
from goferry.deploy._ssh_target import Fleet
from goferry.deploy.answers import Purged, Stopped
from goferry.deploy.contract import ShownLogs, ShownStatus, Target
from goferry.deploy.deployment import Deployment, Foreseen, done
from goferry.observe.events import Stream

__all__ = [
    "Deployment",
    "Fleet",
    "Foreseen",
    "Local",
    "Target",
    "before_deploy",
    "deploy",
    "done",
    "down",
    "judge_accepts",
    "logs",
    "purge",
    "restart",
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
) -> Deployment | Foreseen:
    """Bring the sealed release in `dist` into service; return the result, or in a dry run what it would be.

    As JSON: `{"project", "version", "changes", "previous", "unchanged", "switch_ms", "gap_ms": {service: ms},
    "seconds", "services": {name: {"version", "previous", "url", "digest", "pid", "gap_ms", …}}, "outcome",
    "hosts": {name: {…}}}`, where a folder's one host is `local`; of several hosts each has `{"version", "previous",
    "switch_ms", "gap_ms", "outcome", "uploaded", "services"}` with `uploaded` in bytes. Of a dry run `{"changes",
    "acts"}` instead.

    `accepts` and `uncommitted` are the environment's rules, judged before anything is connected to: `releases` refuses
    snapshots, and `refused` releases with files that their commit lacks. However it fails, the error says what serves.

    Raises:
        FolderUnreadable: the release's folder, or a file in it, cannot be opened.
        SnapshotRefused: only releases can be deployed or published there, and this is a snapshot.
        UncommittedRefused: the environment does not accept releases with uncommitted files, and this one has
            some, or does not say.
        GoferryError: what the host says, or how it could not be reached.
    """
    with before_deploy(target, settings) if not dry_run else nullcontext():
        given.refuse_absent(dist)
        judge_accepts(dist, accepts)
        judge_uncommitted(dist, uncommitted)
    return target.deploy(dist, services=services, settings=settings, stream=stream, dry_run=dry_run)


def before_deploy(target: Target, settings: Settings) -> AbstractContextManager[None]:
    """Make an error that leaves the block say what serves: a folder is asked, and hosts were not connected to yet."""
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
) -> Deployment | Foreseen:
    """Bring the version `to`, or else the previous version, back into service; returns the same as `deploy`."""
    return target.rollback(to=to, services=services, project=project, settings=settings, stream=stream, dry_run=dry_run)


def restart(
    target: Target,
    *,
    services: Sequence[str] = (),
    project: str = "",
    settings: Settings,
    stream: Stream,
    dry_run: bool = False,
) -> Deployment | Foreseen:
    """Start what serves again on the other slot, with its environment as it is now; returns the same as `deploy`."""
    return target.restart(services=services, project=project, settings=settings, stream=stream, dry_run=dry_run)


def status(target: Target, *, settings: Settings, details: bool = False) -> ShownStatus:
    """Return what serves; as JSON `{"live": {service: {…}}, "recovered": [text], "busy": bool, "floors"}`.

    With `details`, what the target holds too (`held.Held`).

    A service's `newer_values` says that its environment was changed since it was started, which waits for a restart.

    Raises:
        TargetMissing: nothing was ever deployed there. GoferryError: as the host says.
    """
    return target.status(settings, details=details)


def logs(target: Target, *, services: Sequence[str] = (), lines: int = 50, settings: Settings) -> ShownLogs:
    """Return the last lines of what is live; as JSON `{"logs": {service: [line]}}`."""
    return target.logs(services, lines, settings)


def down(target: Local, *, settings: Settings, stream: Stream, dry_run: bool = False) -> Stopped:
    """Stop every service of the target, and its supervisor; as JSON `{"stopped": [service], "dry_run"}`."""
    return target.down(settings=settings, stream=stream, dry_run=dry_run)


def purge(
    target: Local, project: str, service: str = "", *, settings: Settings, stream: Stream, dry_run: bool = True
) -> Purged:
    """Remove all that the target keeps of a project or of one service, data and logs too, after stopping it.

    As JSON `{"removed": [{"path", "files", "bytes"}], "stopped": [service], "dry_run"}`.

    Raises:
        TargetMissing: nothing was ever deployed there. GoferryError: `nothing-kept`, `deploy-busy`, as the agent says.
    """
    return target.purge(project, service, settings=settings, stream=stream, dry_run=dry_run)
