"""What a deploy or a rollback came to, as commands, actions and summaries take it.

`deploy.deploy` returns JSON types, which `--json` prints as they are; `read` makes a type of them, once. What a host
said of itself was judged where it arrived (goferry.deploy), so nothing here has to.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct, field


class Service(Struct, frozen=True):
    """A service that is live: its version, the one before, where it answers, and how long it answered nobody."""

    version: str
    previous: str = ""
    url: str = ""
    gap_ms: int | None = None


class Host(Struct, frozen=True):
    """One host's part.

    Attributes:
        outcome: `deployed` or `unchanged`. version, previous: what serves there now, and what served before; each empty
            where there is none. switch_ms: milliseconds, None when the host told none. gap_ms: service → milliseconds.
        uploaded: bytes that were sent there, None when nothing was to be. services: what changed and serves.
    """

    outcome: str
    version: str
    previous: str
    switch_ms: int | None = None
    gap_ms: Mapping[str, int] = field(default_factory=dict)
    uploaded: int | None = None
    services: Mapping[str, Service] = field(default_factory=dict)


class Deployment(Struct, frozen=True):
    """A deploy or a rollback that ended well.

    Attributes:
        unchanged: it was live already. switch_ms: the slowest host's. seconds: of the whole.
        services: of the first host that changed. hosts: by name; a folder of this machine is the one `local`.
    """

    project: str
    version: str
    unchanged: bool
    switch_ms: int | None
    seconds: float
    services: Mapping[str, Service]
    hosts: Mapping[str, Host]

    @property
    def outcome(self) -> str:
        """What it came to for a person, when it was no rollback."""
        return "unchanged" if self.unchanged else "deployed"

    @property
    def local(self) -> bool:
        """Whether it went to a folder of this machine."""
        return list(self.hosts) == ["local"]


class Change(Struct, frozen=True, rename={"before": "from"}):
    """What is to happen to a service: `before` is empty where nothing is live; a host may tell no slot and no port."""

    service: str
    before: str
    to: str
    slot: int | None
    port: int | None


class Act(Struct, frozen=True):
    """One act of a deploy, and the services that it is done for."""

    act: str
    services: tuple[str, ...]


class Plan(Struct, frozen=True):
    """What would happen on one host."""

    changes: tuple[Change, ...]
    acts: tuple[Act, ...] = ()


class Foreseen(Struct, frozen=True):
    """A dry run: the longest plan, and each host's; of a folder of this machine there are no hosts."""

    version: str
    changes: tuple[Change, ...]
    acts: tuple[Act, ...]
    hosts: Mapping[str, Plan] = field(default_factory=dict)

    @property
    def plans(self) -> Mapping[str, Plan]:
        """Host → what would happen there; a folder of this machine has no name."""
        return self.hosts or {"": Plan(self.changes, self.acts)}


def read(record: Mapping[str, object]) -> Deployment | Foreseen:
    """Return what `deploy.deploy` or `deploy.rollback` returned as its type."""
    return msgspec.convert(record, Foreseen) if "dry_run" in record else done(record)


def done(record: Mapping[str, object]) -> Deployment:
    """Return the record of a deploy that was no dry run as its type."""
    return msgspec.convert(record, Deployment)
