"""`/etc/goferry/left.json`: services that a host is no longer ready for, whose data or environment files may be there.

Canonical JSON, written by provisioning and read by a purge, which finds by the names where what they keep lies:

    {"schema": 1, "projects": {"shop": ["api", "web"]}}
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from goferry.kernel import canonical
from goferry.kernel.errors import Refused
from goferry.kernel.fields import Fields, typed
from goferry.kernel.hostfile import Place, usable

LEFT_FILE = "/etc/goferry/left.json"
SCHEMA = 1


class LeftFileInvalid(Refused):
    """The host's `left.json` is not valid: broken JSON, an unknown schema, or names that can't be any.

    Usual causes: an edit by hand. It names services that were taken off the host and whose data may still be there.
    """

    name = "left-file-invalid"


class LeftFile(NamedTuple):
    """The services, by project."""

    projects: Mapping[str, tuple[str, ...]] = {}

    def places(self, project: str) -> dict[str, Place]:
        """Return a project's services with the names that follow from theirs; of their ports nothing is known."""
        return {name: Place(project, name, 0, "socket") for name in self.projects.get(project, ())}

    def with_services(self, project: str, services: Collection[str]) -> LeftFile:
        """Return it with services that the host is no longer ready for."""
        return self._changed(project, {*self.projects.get(project, ()), *services})

    def without(self, project: str, services: Collection[str]) -> LeftFile:
        """Return it without services that the host is ready for again, or of which nothing is kept."""
        return self._changed(project, set(self.projects.get(project, ())) - set(services))

    def _changed(self, project: str, services: Collection[str]) -> LeftFile:
        others = {name: each for name, each in self.projects.items() if name != project}
        return LeftFile({**others, **({project: tuple(sorted(services))} if services else {})})

    def to_bytes(self) -> bytes:
        """Return the file's bytes."""
        projects = {name: list(services) for name, services in self.projects.items()}
        return canonical.dumps({"schema": SCHEMA, "projects": projects})


def parse(data: bytes) -> LeftFile:
    """Read the file strictly.

    Raises:
        LeftFileInvalid: with what is wrong.
    """
    try:
        given = Fields(canonical.loads(data), "the file")
        given.only(("schema", "projects"))
        return LeftFile(_projects(given))
    except (ValueError, TypeError) as error:
        raise LeftFileInvalid(
            f"{LEFT_FILE}: {error}", state="Nothing was changed.", advice=["mend it there, or remove it"]
        ) from None


def _projects(given: Fields) -> dict[str, tuple[str, ...]]:
    if given.number("schema") != SCHEMA:
        raise ValueError("a newer Goferry may have written it")
    return {_name(name): _names(each) for name, each in given.mapping("projects").items()}


def _names(value: object) -> tuple[str, ...]:
    return tuple(_name(typed(each, str, "a service")) for each in typed(value, list, "a project"))


def _name(text: str) -> str:
    if not usable(text):
        raise ValueError(f"{text[:80]!r} can't name a project or a service")
    return text
