"""How a deploy can end other than well; raised on the host, carried by name in the frames, raised again at the client.

Before the switch the live version is untouched (exit 1, or 3 where policy said no); after it the version before
serves again (exit 4).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from typing import Any

from goferry.kernel.errors import Failed, GoferryError, Interrupted, Misuse, Refused, RolledBack, Unreachable

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
REMOTE = range(1, 7)
"""The exit codes with which something that happened on a host can end a command here."""


class CandidateCrashed(Failed):
    """The new version's process ended before it was healthy.

    It usually lacks a variable or a file of its own, panics at start, or can't open something it needs. The first and
    the last lines of its log are shown, and where its variables and files belong on that target; a release brings none
    ([its own files](deploy.md#its-own-files)).
    """

    name = "candidate-crashed"


class CandidateUnhealthy(Failed):
    """The new version runs and did not become healthy in time.

    Usual causes: its health path is another one, or redirects, or asks for credentials; it listens on another port than
    the one that it is told; it speaks TLS; it waits for something at start, or needs a longer `ready-within`. The
    message says what it answers, and the advice follows from that.
    """

    name = "candidate-unhealthy"


class HealthIdentity(Failed):
    """What answered the health check is not the new version.

    It usually was built without the version variable, or another process answers in its place.
    """

    name = "health-identity"


class WrongPlatform(Refused):
    """The release has no binary that this host can run.

    It usually was built for other targets, or is linked dynamically against a loader that the host lacks.
    """

    name = "wrong-platform"


class BlobChanged(Refused):
    """A file differs from what the signed list says.

    It usually was changed between verification and copying, or somebody wrote into the host's store.
    """

    name = "blob-changed"


class NothingToRollBackTo(Failed):
    """The host does not hold the version that was to come back.

    Usual causes: the service was deployed only once, it serves the oldest version that is held already, or the version
    after `--to` was never committed there or is no longer kept. The message lists what is held.
    """

    name = "nothing-to-roll-back-to"


class NothingToDeploy(Misuse):
    """The release declares no such service.

    It usually lacks `services:` in goferry.yml, or the name after --service is misspelt.
    """

    name = "nothing-to-deploy"


class AmbiguousProject(Misuse):
    """Several projects are deployed there and none was named.

    It usually is answered by --project.
    """

    name = "ambiguous-project"


class DeployBusy(Unreachable):
    """Another deploy holds the target's lock.

    It usually ends within seconds; the lock dies with its process and is never left behind.
    """

    name = "deploy-busy"


class DiskFull(Failed):
    """The target's disk has no room for the release.

    It usually needs old logs or data removed; old releases were pruned already.
    """

    name = "disk-full"


class PortTaken(Failed):
    """Another program listens on the service's public port, or took each private one before the service could.

    Usual causes: an older copy that was started by hand, a `port` that is in use or, on a host, one of 23000 to 23999,
    which are drawn for services; or a program that waits for ports of 127.0.0.1 to become free.
    """

    name = "port-taken"


class PublicAddressUnreachable(Failed):
    """The service is not reached at its public address: the port on which the proxy serves it.

    Usual causes: nginx is stopped, or did not take its configuration; its file for the service is gone; nginx.conf does
    not include it; another server or program has the port; a folder on the way to the socket is closed to nginx. The
    message says which it is, and the line to type.
    """

    name = "public-address-unreachable"


class HostFailed(Failed):
    """The host met an error of its own while it worked on a deploy.

    It usually is a disk or permission problem on the target; the message is the operating system's.
    """

    name = "host-failed"


class GuardFailed(Failed):
    """The process supervisor did not do what was asked.

    It usually could not start: its package is missing, or the target's folder is not writable. On a very busy machine
    it may not answer in time; then the same command again goes on.
    """

    name = "guard-failed"


class UnsafeRoot(Refused):
    """The target's folder belongs to somebody else or others may write to it.

    It usually is a shared folder; a deploy there could be changed by another user.
    """

    name = "unsafe-root"


class NotProvisioned(Refused):
    """The host was not provisioned for this project or service, or for the way in which it listens.

    It usually is a service that was added or changed since `goferry provision` ran there.
    """

    name = "not-provisioned"


class DeployKeyUnbound(Refused):
    """The deploy key's line on the host names no project, and the host has several.

    Usual causes: the key was let in before the host had a second project. Give it again for its project, with
    `goferry provision HOST --deploy-key FILE.pub`.
    """

    name = "deploy-key-unbound"


class SnapshotRefused(Refused):
    """Only releases are accepted there, or published, and this is a snapshot.

    A release is what the run of a pushed tag builds, or a person in a clean checkout of the tag. Usual causes: it was
    built on a branch (also at a tagged commit) or for a pull request, in a checkout without tags, or after something
    had changed a file.
    """

    name = "snapshot-refused"


class MalformedFrame(Misuse):
    """The host agent was sent something else than a frame of its version.

    It usually is a client of another version, or somebody who speaks to the agent by hand.
    """

    name = "malformed-frame"


class UploadRefused(Refused):
    """An uploaded file was not taken: its name, its size, or the number of files is out of bounds.

    It usually is not a sealed release that was sent; real ones stay far below the limits.
    """

    name = "upload-refused"


class UploadDamaged(Unreachable):
    """An uploaded file arrived with other bytes than its client announced.

    It usually changed on the client's disk meanwhile, or a resumed upload began from another file.
    """

    name = "upload-damaged"


class UnsupportedHost(Misuse):
    """The local target needs Linux.

    It usually is a laptop with another system: deploy to a Linux host or container instead.
    """

    name = "unsupported-host"


class RollbackFailed(RolledBack):
    """A deploy was undone, and nobody is served by the version before either; the message says why.

    Usual causes: nginx is stopped or serves somebody else on the port, the version before was ill already, or what both
    versions need is down. It is the live version again and is started again when it ends; nothing keeps you from
    deploying another version.
    """

    name = "rollback-failed"


class AgentLost(Unreachable):
    """The host agent ended or answered something else than a frame.

    It usually was killed; the next command on the target recovers by itself.
    """

    name = "agent-lost"


class SessionIdle(Unreachable):
    """The host ended a session in which nothing was deployed for some minutes.

    Usual causes: a client that stays connected and only asks how things are, or one that was stopped meanwhile. Nothing
    was open, so nothing was undone; run the command again.
    """

    name = "session-idle"


class ClientSilent(Failed):
    """The client went away before it committed, so the host went back by itself.

    It usually was cancelled; deploy again.
    """

    name = "client-silent"


def of_defect(error: Exception) -> GoferryError:
    """Return what an error of any kind is called: its own name, a full disk, or else `host-failed`."""
    if isinstance(error, GoferryError):
        return error
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return DiskFull(f"no room is left: {error}", advice=["make room on the target's disk"])
    return HostFailed(f"{type(error).__name__}: {error}")


def as_frame(error: GoferryError) -> dict[str, Any]:
    """Return an error as a frame carries it."""
    return {
        "name": error.name,
        "exit_code": error.exit_code,
        "what": error.what,
        "state": error.state,
        "advice": list(error.advice),
        "facts": error.facts,
    }


def from_frame(record: Mapping[str, Any]) -> GoferryError:
    """Return the error that a frame carries, as its own class where this side knows it.

    The other side is not believed: an error of a known name has that class's exit code, any other one of 1 to 6, and
    nothing that it says is a person's interrupt here.
    """
    name, code = str(record.get("name", "failed")), record.get("exit_code")
    kinds = [kind for kind in _kinds(GoferryError) if kind.exit_code in REMOTE]
    named = [kind for kind in kinds if kind.__dict__.get("name") == name]
    if not named:
        code = code if type(code) is int and code in REMOTE else Failed.exit_code
        named = [kind for kind in kinds if kind.exit_code == code]
        name = name if name != Interrupted.name else Failed.name
    error = GoferryError.__new__(named[0])
    GoferryError.__init__(
        error, str(record.get("what", "")), state=str(record.get("state", "")), advice=list(record.get("advice") or [])
    )
    error.facts = {str(key): value for key, value in dict(record.get("facts") or {}).items()}
    error.name = name
    return error


def _kinds(base: type[GoferryError]) -> Iterator[type[GoferryError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)
