"""What a target is: a place where a release can be brought into service. `config.model.TARGETS` names them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, Self

from goferry.config.model import Environment
from goferry.config.settings import Settings
from goferry.deploy.deployment import Deployment, Foreseen
from goferry.deploy.held import Held
from goferry.deploy.live import ServiceFloor, Services
from goferry.deploy.log_lines import Source
from goferry.deploy.options import Options
from goferry.observe.events import Stream


class DeployRecord(Protocol):
    """The result of a command on a target."""

    def as_json(self) -> dict[str, object]:
        """Return what `--json` prints; JSON types."""


class ShownLogs(DeployRecord, Protocol):
    """The last lines of what is live."""

    @property
    def logs(self) -> Mapping[str, list[str]]:
        """Service → lines."""


class ShownStatus(DeployRecord, Protocol):
    """What serves on a target; see `live.Status`."""

    @property
    def live(self) -> Services: ...  # noqa: D102
    @property
    def stopped(self) -> Services: ...  # noqa: D102
    @property
    def recovered(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def busy(self) -> bool: ...  # noqa: D102
    @property
    def floors(self) -> Mapping[str, ServiceFloor]: ...  # noqa: D102
    @property
    def notes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def holds(self) -> Mapping[str, Held]: ...  # noqa: D102


class Target(Protocol):
    """A place where a release can be brought into service.

    Whatever is done there is the host agent's work (goferry.host): it verifies, decides and remembers.
    """

    @classmethod
    def of(cls, options: Options, rules: Environment, *, verifies: bool) -> Self:
        """Return the target that the options mean; `rules` are the environment's. With `verifies`, it can verify.

        Raises:
            Misuse: something is missing, or was said that is another target's.
        """

    @property
    def options(self) -> str:
        """What commands on this target are given."""

    def before_deploy(self, settings: Settings) -> AbstractContextManager[None]:
        """Make an error that leaves the block say what serves; for what comes before the first request."""

    def deploy(
        self, dist: Path, *, services: Sequence[str], settings: Settings, stream: Stream, dry_run: bool
    ) -> Deployment | Foreseen:
        """Bring the sealed release in `dist` into service; however it fails, the error says what serves."""

    def rollback(
        self, *, to: str, services: Sequence[str], project: str, settings: Settings, stream: Stream, dry_run: bool
    ) -> Deployment | Foreseen:
        """Bring the version `to`, or else the previous version, back into service."""

    def restart(
        self, *, services: Sequence[str], project: str, settings: Settings, stream: Stream, dry_run: bool
    ) -> Deployment | Foreseen:
        """Start what serves again, with its environment as it is now."""

    def status(self, settings: Settings, *, details: bool = False) -> ShownStatus:
        """Ask what serves, and with `details` what the target holds."""

    def logs(self, services: Sequence[str], lines: int, settings: Settings) -> ShownLogs:
        """Ask for the last lines that the live versions wrote."""

    def sources(self, settings: Settings) -> Mapping[str, Source]:
        """Return, by the name of each host, how to connect to it for questions that change nothing."""
