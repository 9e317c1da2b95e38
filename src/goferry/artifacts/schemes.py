"""Version schemes: which texts are versions, which of them are pre-releases, and how two compare.

    go      v1.4.0, v2.0.0-rc.1          semver with its v, as Go's modules want it (https://go.dev/ref/mod#versions)
    semver  1.4.0, v3.0.0-rc.1           with or without v (semver.org 2.0.0)
    calver  2026.8.2, v26.04, 20260802   numbers that begin with a year (calver.org), rc1 and the like behind them
    any     whatever holds no slash; without an order, and never a pre-release

A scheme reads what stands in a tag behind its prefix; whether that can be part of file names is judged by `plain`. It
orders what a release page shows as latest and nothing else: what a host takes is ordered by the release's sequence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, convert

from goferry.artifacts import semver
from goferry.artifacts.semver import VersionInvalid

_YEAR = r"(?:19|20|21)[0-9]{2}"
_CALENDAR = (
    rf"v?((?:{_YEAR}|[0-9]{{2}})(?:[._-][0-9]{{1,9}}){{1,5}}|{_YEAR}[0-9]{{2}}(?:[0-9]{{2}})?(?:[._-][0-9]{{1,9}}){{0,4}})"
    r"(?:[._-]?(dev|alpha|a|beta|b|preview|pre|rc)[._-]?([0-9]{0,9}))?"
)
_STAGES = {"dev": 0, "alpha": 1, "a": 1, "beta": 2, "b": 2, "preview": 3, "pre": 3, "rc": 4}
_WORD = "[!-.0-~]{1,200}"  # a tag's last part
# A subset of what git-check-ref-format(1) allows: no @, so that the parts of a release's reference can be told apart.
_TAG = r"[0-9A-Za-z_][0-9A-Za-z._+-]*(/[0-9A-Za-z_][0-9A-Za-z._+-]*)*"
_SAFE = r"[0-9A-Za-z](?:[0-9A-Za-z._-]{0,126}[0-9A-Za-z])?"


class SchemeVersion(Struct, frozen=True):
    """A version of a scheme.

    Attributes:
        text: as it was written. pre: whether it comes before a release.
        order: a key to compare it with others of its scheme, or None where the scheme has no order.
    """

    text: str
    pre: bool = False
    order: tuple[Any, ...] | None = None


class Scheme(Struct, frozen=True):
    """One scheme.

    Attributes:
        name: as `version.scheme` in goferry.yml names it. example: a version of it.
        read: the version that a text spells, or None.
    """

    name: str
    example: str
    read: Callable[[str], SchemeVersion | None]

    def demand(self, text: str) -> SchemeVersion:
        """Return the version that a person asked for.

        Raises:
            VersionInvalid: with what it should look like.
        """
        found = self.read(text)
        if found is None:
            raise VersionInvalid(
                f"{text[:200]!a} is not a version of the scheme {self.name}",
                state="Nothing was built.",
                advice=[f"write it as {self.example}", "the scheme is version.scheme in goferry.yml"],
            )
        return found


def plain(text: str) -> bool:
    """Whether a version stays as it is in file names, image tags and on GitHub: letters, digits and single . _ -."""
    return bool(re.fullmatch(_SAFE, text)) and ".." not in text and not text.endswith(".lock")


def valid_tag(text: str) -> bool:
    """Whether the text can be a release's tag: one that git allows, without `@` and unusual characters."""
    return bool(re.fullmatch(_TAG, text)) and ".." not in text and not text.endswith((".", ".lock"))


def bare(version: str) -> str:
    """Return a version without the `v` before its first digit, as file names and image tags have it."""
    return version[1:] if re.match("v[0-9]", version) else version


def _go(text: str) -> SchemeVersion | None:
    found = semver.parse(text)
    return SchemeVersion(text, bool(found.pre), found.order) if found and not found.meta and not found.pseudo else None


def _semver(text: str) -> SchemeVersion | None:
    found = semver.parse(text if text.startswith("v") else "v" + text)
    return SchemeVersion(text, bool(found.pre), found.order) if found and not found.pseudo else None


def _calver(text: str) -> SchemeVersion | None:
    match = re.fullmatch(_CALENDAR, text)
    if not match or len(text) > semver.MAX:
        return None
    numbers, stage, count = match.groups()
    parts = [int(number) for number in re.split("[._-]", _divided(numbers))]
    parts[0] += 2000 if parts[0] < 100 else 0
    while parts[-1] == 0:
        parts.pop()
    return SchemeVersion(text, bool(stage), (tuple(parts), not stage, _STAGES.get(stage or "", 0), int(count or 0)))


def _divided(numbers: str) -> str:
    """Return 20260802 as 2026.08.02, and anything else as it is."""
    return re.sub("^([0-9]{4})([0-9]{2})([0-9]{2})?(?![0-9])", lambda m: ".".join(filter(None, m.groups())), numbers)


def _any(text: str) -> SchemeVersion | None:
    return SchemeVersion(text) if re.fullmatch(_WORD, text) else None


GO = Scheme("go", "v1.4.0", _go)
SEMVER = Scheme("semver", "1.4.0", _semver)
CALVER = Scheme("calver", "2026.8.2", _calver)
ANY = Scheme("any", "build-1207", _any)
SCHEMES: Mapping[str, Scheme] = {scheme.name: scheme for scheme in (GO, SEMVER, CALVER, ANY)}
"""By name. A release that does not name its scheme is read as `semver`, which also reads what `go` does."""


class _Note(Struct, frozen=True):
    """The manifest's note, of whatever types: a newer Goferry may mean something else by it."""

    scheme: object = None
    tag: object = None


class Named(Struct, frozen=True):
    """What a release says of its version: the scheme that it is read by, and the tag that names it."""

    scheme: Scheme
    tag: str

    def as_note(self, version: str) -> dict[str, dict[str, str]]:
        """Return the manifest's note; empty where the tag is the version and its scheme Go's."""
        if self.tag in ("", version) and self.scheme.name == "go":
            return {}
        return {NOTE: {"scheme": self.scheme.name, "tag": self.tag or version}}


NOTE = "version"
"""The name of the manifest's note."""


def named(notes: Mapping[str, object], version: str) -> Named:
    """Return what a manifest's notes say of its version; a scheme that is not known here has no order."""
    found = notes.get(NOTE)
    if not isinstance(found, dict):
        return Named(SEMVER, version)
    note = convert(found, _Note)
    known = SCHEMES.get(note.scheme, ANY) if isinstance(note.scheme, str) else ANY
    return Named(known, note.tag if isinstance(note.tag, str) and note.tag.endswith(version) else version)
