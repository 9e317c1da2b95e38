"""The two open places of every file and frame that outlives the code that wrote it: `critical` and `notes`.

    {"schema": 2, …, "critical": {NAME: value}, "notes": {NAME: value}}

A later capability is added in one of them, so that no host has to be upgraded before its clients. A name in `critical`
changes what the rest means: a reader that does not know it refuses the whole, by that name (as for critical extensions
in RFC 5280, section 4.2). A name in `notes` is for whoever knows it; every reader keeps it and goes on. All other
fields are closed: an unknown one is an error, since a typing error would otherwise be ignored without a word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from goferry.kernel.errors import printable
from goferry.kernel.refusals import Refusal

PLACES = ("critical", "notes")
MAX_NAMES = 100
_NAME = re.compile("[a-z][a-z0-9._-]{0,99}")


class CriticalUnknown(Refusal):
    """A file or a request is marked as not understandable without a feature that this version does not know.

    Usual causes: it was written by a newer Goferry. Upgrade this side; on a host, run `goferry provision`.
    """

    name = "critical-unknown"


@dataclass(frozen=True)
class Extension:
    """What the two places hold: name → any JSON value."""

    critical: Mapping[str, object] = field(default_factory=dict)
    notes: Mapping[str, object] = field(default_factory=dict)

    def as_record(self) -> dict[str, object]:
        """Return both places; JSON types."""
        return {"critical": dict(self.critical), "notes": dict(self.notes)}


def read(record: Mapping[str, object], what: str, known: Collection[str] = ()) -> Extension:
    """Return the places of `record`, either of which may be absent; `what` names the record in a refusal.

    Raises:
        ValueError, TypeError: when a place is not an object of names.
        CriticalUnknown: when `critical` has a name that is not in `known`.
    """
    critical, notes = (_names(record.get(place, {}), place) for place in PLACES)
    unknown = sorted(set(critical) - set(known))
    if unknown:
        raise CriticalUnknown(
            f"{what} needs {printable(', '.join(unknown), 300)}, which this version does not know",
            advice=["upgrade Goferry here; a host:  goferry provision HOST"],
            unknown=unknown[:MAX_NAMES],
        )
    return Extension(critical, notes)


def _names(value: object, place: str) -> dict[str, object]:
    if type(value) is not dict or len(value) > MAX_NAMES:
        raise TypeError(f"{place} is not an object of at most {MAX_NAMES} names")
    for name in value:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:80]!a} can't be a name in {place}")
    return value
