"""What targets report, as `--json` prints it: status and logs, and those of a fleet combined."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from msgspec import Struct

from goferry.deploy._upload import NO_POLICY
from goferry.deploy.held import Held
from goferry.deploy.live import ServiceFloor, Services, Status

T = TypeVar("T")


class Logs(Struct, frozen=True):
    """The last lines of what is live: service → lines."""

    logs: Mapping[str, list[str]]

    def as_json(self) -> dict[str, object]:
        """Return `{"logs": {service: [line]}}`."""
        return {"logs": dict(self.logs)}


class FleetLogs(Struct, frozen=True):
    """The last lines of what is live on each host."""

    hosts: Mapping[str, Mapping[str, list[str]]]

    @property
    def logs(self) -> Mapping[str, list[str]]:
        """All hosts' together."""
        return _together(self.hosts)

    def as_json(self) -> dict[str, object]:
        """Return `{"logs": {service: [line]}, "hosts": {host: {service: [line]}}}`."""
        return {"logs": dict(self.logs), "hosts": {name: dict(logs) for name, logs in self.hosts.items()}}


class FleetStatus(Struct, frozen=True):
    """What each host serves, and all hosts together: by `host service` and `host project` where there are several."""

    hosts: Mapping[str, Status]

    @property
    def live(self) -> Services:
        """What serves."""
        return _together({name: status.live for name, status in self.hosts.items()})

    @property
    def stopped(self) -> Services:
        """Nothing: only root on the host stops its services."""
        return {}

    @property
    def recovered(self) -> tuple[str, ...]:
        """Unfinished deploys that this request brought to an end."""
        return self._of_each(lambda status: status.recovered, alone="")

    @property
    def busy(self) -> bool:
        """Whether another command works on any host."""
        return any(status.busy for status in self.hosts.values())

    @property
    def floors(self) -> Mapping[str, ServiceFloor]:
        """The floors; an older host has none."""
        return _together({name: status.floors for name, status in self.hosts.items()})

    @property
    def notes(self) -> tuple[str, ...]:
        """What root on the hosts should know."""
        unjudged = tuple(f"{name}: {NO_POLICY}" for name, status in self.hosts.items() if not status.has_policy)
        return unjudged + self._of_each(lambda status: status.notes)

    @property
    def holds(self) -> Mapping[str, Held]:
        """What is held, by the host's name."""
        return {name: status.held for name, status in self.hosts.items() if status.held is not None}

    def _of_each(self, texts: Callable[[Status], Iterable[str]], alone: str | None = None) -> tuple[str, ...]:
        """Return all hosts' texts, each behind its host's name; of one host behind `alone`, where that is given."""
        heads = {name: f"{name}: " for name in self.hosts}
        if alone is not None and len(self.hosts) == 1:
            heads = dict.fromkeys(self.hosts, alone)
        return tuple(heads[name] + text for name, status in self.hosts.items() for text in texts(status))

    def as_json(self) -> dict[str, object]:
        """Return `{"hosts": {host: {"live": {service: {…}}, "recovered": [text], "busy": bool, …}}, "live", …}`.

        The others are all hosts' together.
        """
        return {
            "live": {name: service.as_json() for name, service in self.live.items()},
            "recovered": list(self.recovered),
            "busy": self.busy,
            "floors": {name: floor.as_json() for name, floor in self.floors.items()},
            "notes": list(self.notes),
            "hosts": {name: status.as_json() for name, status in self.hosts.items()},
        }


def _together(hosts: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    """Return all hosts' entries; where there are several, by `host key`."""
    several = len(hosts) > 1
    return {f"{name} {key}" if several else key: value for name, each in hosts.items() for key, value in each.items()}
