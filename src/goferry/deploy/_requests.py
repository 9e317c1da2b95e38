"""What every host of a fleet is asked to do: deploy an uploaded release, roll back to one that it holds, or restart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from goferry.deploy import _upload as upload
from goferry.deploy._session import HostSession, OnProgress, transaction_id
from goferry.deploy.answers import Prepared
from goferry.deploy.errors import HostOutdated
from goferry.kernel.errors import printable
from goferry.kernel.manifest import Manifest


class _Common(Struct, frozen=True):
    """What the requests share.

    Attributes:
        services: the ones to change; empty means all. environment: its name, or empty. wait: seconds for a busy lock.
        id: of the transaction, the same on every host; a host that has already run it replies with the result.
    """

    services: Sequence[str]
    environment: str
    on_silence: str
    wait: float
    dry_run: bool
    # Made once for the fleet, so that a host which is asked twice knows the request again.
    id: str = field(default_factory=transaction_id)

    def _fields(self) -> dict[str, Any]:
        return {
            **({"environment": self.environment} if self.environment else {}),
            "id": self.id,
            "wait_ms": round(self.wait * 1000),
            "on_silence": self.on_silence,
            "services": list(self.services),
            "dry_run": self.dry_run,
        }


class DeployRequest(_Common, frozen=True, kw_only=True):
    """A sealed release in the folder `dist`."""

    dist: Path
    release: Manifest
    stage: str = "deploy"
    uploads: bool = True

    def upload(self, session: HostSession) -> int:
        """Send what the host lacks; return the number of bytes sent."""
        return upload.send_release(session, self.dist, self.release, self.services, self.id)

    def prepare(self, session: HostSession, on_progress: OnProgress) -> Prepared:
        """Have what was sent verified and started."""
        return session.prepare(on_progress, dist="incoming", **self._fields())


class RollbackRequest(_Common, frozen=True, kw_only=True):
    """A version that the hosts hold: `to`, or when that is empty the one before; of `project`, or of the only one."""

    to: str
    project: str
    stage: str = "rollback"
    uploads: bool = False

    def upload(self, _session: HostSession) -> int:
        """Send nothing, for the host holds the version; return 0."""
        return 0

    def prepare(self, session: HostSession, on_progress: OnProgress) -> Prepared:
        """Have the version started.

        Raises:
            HostOutdated: the agent knows no `to`, and would go one step back.
        """
        to: dict[str, Any] = {"to": self.to} if self.to else {}
        answer = session.rollback(on_progress, project=self.project, **self._fields(), **to)
        if self.to and any(change.to != self.to for change in answer.changes):
            # The agent has started a candidate by now, and would hold its lock until it gave this client up.
            session.abort()
            raise HostOutdated(
                f"{session.address.text} would go back one step instead of to {printable(self.to, 80)}",
                state="No traffic was touched.",
                advice=["provision it again with this version:  goferry provision HOST"],
            )
        return answer


class RestartRequest(_Common, frozen=True, kw_only=True):
    """What serves, brought up anew with the environment of now; of `project`, or of the only one."""

    project: str
    stage: str = "restart"
    uploads: bool = False

    def upload(self, _session: HostSession) -> int:
        """Send nothing, for it serves there; return 0."""
        return 0

    def prepare(self, session: HostSession, on_progress: OnProgress) -> Prepared:
        """Have it started.

        Raises:
            HostOutdated: the agent knows no restarts.
        """
        return session.restart(on_progress, project=self.project, **self._fields())
