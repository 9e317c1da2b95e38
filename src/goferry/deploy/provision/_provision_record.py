"""What provisioning did to hosts, or would do, as frozen types; `as_json` is what `--json` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from goferry.kernel.errors import printable
from goferry.kernel.hostfile import Place

_MOST = 1000
"""Characters of a host's text, and lines of its lists, that are shown."""


def shown(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return a host's lines fit for a terminal."""
    return tuple(printable(line, _MOST) for line in lines[:_MOST])


class HostCheck(msgspec.Struct, frozen=True):
    """What a host's agent found of one thing: `of` is a service, as PROJECT/SERVICE, or empty."""

    name: str = ""
    of: str = ""
    ok: bool = False
    what: str = ""
    advice: tuple[str, ...] = ()

    @classmethod
    def read(cls, row: object) -> HostCheck:
        """Read one check; one of another shape, as an older agent may send, counts as failed."""
        try:
            found = msgspec.convert(row, cls)
        except msgspec.ValidationError:
            return cls(what=printable(str(row), _MOST))
        name, of, what = shown((found.name, found.of, found.what))
        return cls(name, of, found.ok, what, shown(found.advice))

    def as_json(self) -> dict[str, object]:
        """Return `{"name", "of", "ok", "what", "advice": [line]}`."""
        return {"name": self.name, "of": self.of, "ok": self.ok, "what": self.what, "advice": list(self.advice)}


@dataclass(frozen=True)
class ProvisionedHost:
    """One host.

    Attributes:
        changed: paths. ran: commands. services: where each is served. known_hosts: its keys, as lines for that file.
    """

    changed: tuple[str, ...]
    ran: tuple[str, ...]
    services: tuple[Place, ...] = ()
    notes: tuple[str, ...] = ()
    known_hosts: tuple[str, ...] = ()
    checks: tuple[HostCheck, ...] = ()

    @property
    def unchanged(self) -> bool:
        """Whether nothing had to be changed."""
        return not (self.changed or self.ran)

    def closed(self) -> list[HostCheck]:
        """Return the checks that are not well."""
        return [each for each in self.checks if not each.ok]

    def as_json(self) -> dict[str, object]:
        """Return JSON types, as perform.provision describes them."""
        return {
            "changed": list(self.changed),
            "ran": list(self.ran),
            "unchanged": self.unchanged,
            "services": {
                place.service: {"port": place.port, "listen": place.listen, "domains": list(place.site.domains)}
                for place in self.services
            },
            "notes": list(self.notes),
            "known_hosts": list(self.known_hosts),
            "checks": [each.as_json() for each in self.checks],
        }


@dataclass(frozen=True)
class ProvisionRecord:
    """All hosts, by the names that they were given; `dry_run`: nothing was changed. `next`: what to type."""

    project: str
    hosts: Mapping[str, ProvisionedHost]
    dry_run: bool
    notes: tuple[str, ...] = ()
    next: tuple[str, ...] = ()

    def noting(self, notes: Mapping[str, tuple[str, ...]]) -> ProvisionRecord:
        """Return the record with more notes on its hosts."""
        hosts = {name: replace(host, notes=host.notes + notes.get(name, ())) for name, host in self.hosts.items()}
        return replace(self, hosts=hosts)

    def hosts_as_json(self) -> dict[str, object]:
        """Return `{host: {…}}`."""
        return {name: host.as_json() for name, host in self.hosts.items()}

    def as_json(self) -> dict[str, object]:
        """Return `{"project", "hosts": {host: {…}}, "unchanged", "dry_run", "notes": [line], "next": [line]}`."""
        return {
            "project": self.project,
            "hosts": self.hosts_as_json(),
            "unchanged": all(host.unchanged for host in self.hosts.values()),
            "dry_run": self.dry_run,
            "notes": list(self.notes),
            "next": list(self.next),
        }
