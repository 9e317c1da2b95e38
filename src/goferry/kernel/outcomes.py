"""How a deploy can end other than well; raised on the host, carried by name in the frames, raised again at the client.

Before the switch the live version is untouched (exit 1, or 3 where policy said no); after it the version before
serves again (exit 4).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping

from goferry.kernel.errors import Failed, GoferryError, Interrupted, Misuse, Refused, RolledBack, Unreachable
from goferry.kernel.fields import Fields

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
REMOTE = range(1, 7)
"""The exit codes with which something that happened on a host can end a command here."""


class CandidateCrashed(Failed):
    """The new version's process exited before it was healthy.

    Usual causes: a variable or file of its own is missing, it panics at start, or it can't open something that it
    needs. The first and last lines of its log are shown, and where its variables and files belong on that target; a
    release brings none of them ([its own files](deploy.md#its-own-files)).
    """

    name = "candidate-crashed"


class CandidateUnhealthy(Failed):
    """The new version runs but did not become healthy in time.

    Usual causes: its health path is a different one, redirects or asks for credentials; it listens on another port than
    the one that it was given; it speaks TLS; it waits for something at start, or needs a longer `ready-within`. The
    message says what it answers, and the advice follows from that.
    """

    name = "candidate-unhealthy"


class HealthIdentity(Failed):
    """The health check was answered by something other than the new version.

    Usual causes: the program was built without the version variable, or another process answers in its place.
    """

    name = "health-identity"


class WrongPlatform(Refused):
    """The release has no binary that runs on this host.

    Usual causes: it was built for other targets, or is dynamically linked to a loader that the host lacks.
    """

    name = "wrong-platform"


class BlobChanged(Refused):
    """A file differs from what the signed list says.

    Usual causes: the file changed between verification and copying, or something wrote to the host's store.
    """

    name = "blob-changed"


class NothingToRollBackTo(Failed):
    """The host does not have the version to roll back to.

    Usual causes: the service was deployed only once, it already serves the oldest version on the host, or the version
    after `--to` was never committed there or is no longer kept. The message lists the versions that the host has.
    """

    name = "nothing-to-roll-back-to"


class NothingToDeploy(Misuse):
    """The release does not declare such a service.

    Usual causes: `services:` is missing from goferry.yml, or the name after `--service` is misspelt.
    """

    name = "nothing-to-deploy"


class NothingToRestart(Misuse):
    """The service does not serve there, so there is nothing to restart.

    Usual causes: a misspelt name, a service that was never deployed there, or one that was stopped.
    """

    name = "nothing-to-restart"


class EnvironmentUnreadable(Failed):
    """The host agent can't read a service's environment file, and starts no version without it.

    Usual causes: the file is a link to one in somebody's home, which the agent does not see, or to none at all; or it
    has a value that is not UTF-8, or a NUL byte, and systemd reads nothing of such a file.
    """

    name = "environment-unreadable"


class AmbiguousProject(Misuse):
    """Several projects are deployed there, and the command did not name one.

    Name the project with `--project`.
    """

    name = "ambiguous-project"


class DeployBusy(Unreachable):
    """Another deploy holds the target's lock.

    It normally ends within seconds. The lock is released when its process ends, so there is nothing to clean up.
    """

    name = "deploy-busy"


class DiskFull(Failed):
    """The target's disk has no room for the release.

    Remove old logs or data; old releases have already been pruned.
    """

    name = "disk-full"


class PortTaken(Failed):
    """Another program listens on the service's public port, or took each private one before the service could.

    Usual causes: an older copy that was started by hand; a `port` that is in use or, on a host, one of 23000 to 23999,
    which are reserved for services; or a program that waits for ports of 127.0.0.1 to become free.
    """

    name = "port-taken"


class PublicAddressUnreachable(Failed):
    """The service can't be reached at its public address: the port on which the proxy serves it, or one of its domains.

    Usual causes: nginx is stopped or rejected its configuration; its file for the service is missing; nginx.conf does
    not include it; another server or program has the port or the domain; nginx may not enter a folder on the way to the
    socket. The message says which it is, and what to type.
    """

    name = "public-address-unreachable"


class HostFailed(Failed):
    """The host hit an error of its own during a deploy.

    Usual causes: a full or failing disk or wrong permissions on the target; the message is the operating system's.
    """

    name = "host-failed"


class GuardFailed(Failed):
    """The process supervisor did not do what it was asked to.

    Usual causes: it could not start because its package is missing or the target's folder is not writable. On a very
    busy machine it may not answer in time; then run the same command again to continue.
    """

    name = "guard-failed"


class UnsafeRoot(Refused):
    """The target's folder belongs to somebody else, or others may write to it.

    Usual causes: a shared folder, where another user could change a deploy.
    """

    name = "unsafe-root"


class NotProvisioned(Refused):
    """The host was not provisioned for this project or service, or for the way in which it listens.

    Usual causes: the service was added or changed after `goferry provision` ran there.
    """

    name = "not-provisioned"


class DeployKeyUnbound(Refused):
    """The deploy key's line on the host does not name a project, and the host has several.

    Usual causes: the key was added before the host had a second project. Add it again for its project, with
    `goferry provision HOST --deploy-key FILE.pub`.
    """

    name = "deploy-key-unbound"


class SnapshotRefused(Refused):
    """Only releases can be deployed or published there, and this is a snapshot.

    A release is built by the run of a pushed tag, or by a person in a clean checkout of the tag. Usual causes: it was
    built on a branch (also at a tagged commit) or for a pull request, in a checkout without tags, or after something
    had changed a file.
    """

    name = "snapshot-refused"


class MalformedFrame(Misuse):
    """The host's agent received something that is not a frame of its version.

    Usual causes: a client of another version, or somebody who talks to the agent by hand.
    """

    name = "malformed-frame"


class UploadRefused(Refused):
    """An uploaded file was rejected: its name, its size or the number of files is out of bounds.

    Usual causes: something other than a sealed release was sent; real ones stay far below the limits.
    """

    name = "upload-refused"


class UploadDamaged(Unreachable):
    """An uploaded file arrived with different bytes than its client announced.

    Usual causes: the file changed on the client's disk in the meantime, or a resumed upload started from another file.
    """

    name = "upload-damaged"


class UnsupportedHost(Misuse):
    """The local target needs Linux.

    Usual causes: a laptop with another system. Deploy to a Linux host or container instead.
    """

    name = "unsupported-host"


class RollbackFailed(RolledBack):
    """A deploy was undone, but the version before does not serve either; the message says why.

    Usual causes: nginx is stopped or has the port for something else, the version before was already failing, or
    something that both versions need is down. It is the live version again and is restarted when it exits; you can
    deploy another version at any time.
    """

    name = "rollback-failed"


class AgentLost(Unreachable):
    """The host's agent stopped, or sent something that is not a frame.

    Usual causes: the agent was killed. The next command on the target recovers by itself.
    """

    name = "agent-lost"


class SessionIdle(Unreachable):
    """The host closed a session in which nothing was deployed for several minutes.

    Usual causes: a client that stays connected and only asks for the status, or one that was stopped. Nothing was in
    progress, so nothing was undone; run the command again.
    """

    name = "session-idle"


class ClientSilent(Failed):
    """The client disconnected before it committed, so the host rolled back by itself.

    Usual causes: the job was cancelled. Deploy again.
    """

    name = "client-silent"


def of_defect(error: Exception) -> GoferryError:
    """Return what an error of any kind is called: its own name, a full disk, or else `host-failed`."""
    if isinstance(error, GoferryError):
        return error
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return DiskFull(f"no room is left: {error}", advice=["make room on the target's disk"])
    return HostFailed(f"{type(error).__name__}: {error}")


def as_frame(error: GoferryError) -> dict[str, object]:
    """Return an error as a frame carries it."""
    return {
        "name": error.name,
        "exit_code": error.exit_code,
        "what": error.what,
        "state": error.state,
        "advice": list(error.advice),
        "facts": error.facts,
    }


def from_frame(record: Mapping[str, object]) -> GoferryError:
    """Return the error that a frame carries, as its own class where this side knows it.

    The other side is not believed: an error of a known name has that class's exit code, any other one of 1 to 6, and
    nothing that it says is a person's interrupt here.
    """
    said = Fields(dict(record), "an error")
    name, code = said.maybe("name", str) or Failed.name, said.maybe("exit_code", int)
    kinds = [kind for kind in _kinds(GoferryError) if kind.exit_code in REMOTE]
    named = [kind for kind in kinds if kind.__dict__.get("name") == name]
    if not named:
        code = code if code in REMOTE else Failed.exit_code
        named = [kind for kind in kinds if kind.exit_code == code]
        name = name if name != Interrupted.name else Failed.name
    what, state = said.maybe("what", str) or "", said.maybe("state", str) or ""
    # Not by the class's own __init__, which may take other arguments.
    error = GoferryError.__new__(named[0])
    GoferryError.__init__(error, what, state=state, advice=said.maybe("advice", list) or [])
    error.facts = said.maybe("facts", dict) or {}
    error.name = name
    return error


def _kinds(base: type[GoferryError]) -> Iterator[type[GoferryError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)
