"""What targets show of themselves, as `--json` has it: status and logs, and those of a fleet together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from goferry.deploy.live import Status
from goferry.deploy.upload import NO_POLICY

T = TypeVar("T")


@dataclass(frozen=True)
class Logs:
    """The last lines of what is live: service → lines."""

    logs: Mapping[str, list[str]]

    def as_json(self) -> dict[str, Any]:
        """Return `{"logs": {service: [line]}}`."""
        return {"logs": dict(self.logs)}


@dataclass(frozen=True)
class FleetLogs:
    """The last lines of what is live on each host."""

    hosts: Mapping[str, Mapping[str, list[str]]]

    def as_json(self) -> dict[str, Any]:
        """Return `{"logs": {service: [line]}, "hosts": {host: {service: [line]}}}`."""
        return {"logs": _together(self.hosts), "hosts": {name: dict(logs) for name, logs in self.hosts.items()}}


@dataclass(frozen=True)
class FleetStatus:
    """What each host serves."""

    hosts: Mapping[str, Status]

    def as_json(self) -> dict[str, Any]:
        """Return `{"hosts": {host: {"live": {service: {…}}, "recovered": [text], "busy": bool, …}}, "live", …}`.

        The others are all hosts' together; where there are several, a service's key is `host service`, and a floor's
        `host project`. A host of before `floors` has none.
        """
        hosts = {name: status.as_json() for name, status in self.hosts.items()}
        alone = len(hosts) == 1
        recovered = [
            text if alone else f"{name}: {text}" for name, status in self.hosts.items() for text in status.recovered
        ]
        notes = [f"{name}: {NO_POLICY}" for name, status in self.hosts.items() if not status.has_policy]
        notes += [f"{name}: {text}" for name, status in self.hosts.items() for text in status.notes]
        return {
            "live": _together({name: host["live"] for name, host in hosts.items()}),
            "recovered": recovered,
            "busy": any(status.busy for status in self.hosts.values()),
            "floors": _together({name: host["floors"] for name, host in hosts.items()}),
            "notes": notes,
            "hosts": hosts,
        }


def _together(hosts: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    """Return all hosts' entries; where there are several, by `host key`."""
    several = len(hosts) > 1
    return {f"{name} {key}" if several else key: value for name, each in hosts.items() for key, value in each.items()}
