"""What `variables_on_host` is asked, as both sides have it, and the names of what it refuses; sent along with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from goferry.kernel.fields import Fields, typed

NOT_PROVISIONED, AMBIGUOUS, INVALID = "not-provisioned", "ambiguous-project", "environment-file-invalid"


@dataclass(frozen=True)
class VariablesRequest:
    """The one request.

    Attributes:
        do: `list`, `check` (that a change is possible) or `change`.
        service: whose environment. project: whose service; empty: of the one project that has such a service.
        values: what is set. removed: what is unset.
    """

    do: str
    service: str
    project: str = ""
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    removed: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: object) -> VariablesRequest:
        """Read a request.

        Raises:
            TypeError, ValueError: when it is none.
        """
        given = Fields(record, "the request")
        return cls(
            do=given.text("do"),
            service=given.text("service"),
            project=given.text("project"),
            values={name: typed(value, str, "a value") for name, value in given.mapping("values").items()},
            removed=tuple(given.texts("removed")),
        )

    def as_json(self) -> dict[str, object]:
        """Return it as JSON types."""
        return {
            "do": self.do,
            "service": self.service,
            "project": self.project,
            "values": dict(self.values),
            "removed": list(self.removed),
        }
