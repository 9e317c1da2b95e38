"""Versions as Go modules spell them: `vMAJOR.MINOR.PATCH[-PRE][+META]` (semver.org 2.0.0) and pseudo-versions.

A pseudo-version names a commit without a tag (https://go.dev/ref/mod#pseudo-versions):

    v0.0.0-yyyymmddhhmmss-abcdefabcdef            no tag before it
    vX.Y.(Z+1)-0.yyyymmddhhmmss-abcdefabcdef      after the release vX.Y.Z
    vX.Y.Z-pre.0.yyyymmddhhmmss-abcdefabcdef      after the pre-release vX.Y.Z-pre
"""

from __future__ import annotations

import re

from msgspec import Struct

from goferry.kernel.errors import Misuse

_NUMBER = r"(0|[1-9][0-9]{0,15})"
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = rf"v{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+([0-9A-Za-z.-]+))?"
_PSEUDO = r"(?:^|[.])[0-9]{14}-[0-9a-f]{12}$"
MAX = 128


class VersionInvalid(Misuse):
    """Go modules do not accept this version; valid ones are `v1.4.0`, `v2.0.0-rc.1`.

    Usual causes: the `v` is missing, it has only two numbers, or it is the name of a branch.
    """

    name = "version-invalid"


class SemanticVersion(Struct, frozen=True):
    """A semantic version; `text` is as it was written."""

    text: str
    major: int
    minor: int
    patch: int
    pre: str = ""
    meta: str = ""

    @property
    def pseudo(self) -> bool:
        """Whether it names a commit rather than a release."""
        return bool(re.search(_PSEUDO, self.pre))

    @property
    def order(self) -> tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]:
        """A key for sorting by precedence (semver.org 2.0.0, section 11)."""
        parts = (
            tuple((not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in self.pre.split(".")) if self.pre else ()
        )
        return self.major, self.minor, self.patch, not self.pre, parts


def parse(text: str) -> SemanticVersion | None:
    """Return the version that `text` spells, or None."""
    match = re.fullmatch(_VERSION, text) if len(text) <= MAX else None
    if not match:
        return None
    major, minor, patch, pre, meta = match.groups()
    return SemanticVersion(text, int(major), int(minor), int(patch), pre or "", meta or "")


def demand(text: str) -> SemanticVersion:
    """Return the version that a person asked for.

    Raises:
        VersionInvalid: with what it should look like.
    """
    version = parse(text)
    if version is None:
        near = text if text.startswith("v") else "v" + text
        near = near + ".0" if re.fullmatch(r"v\d+\.\d+", near) else near
        hint = [f"did you mean {near}?"] if near != text and parse(near) else []
        raise VersionInvalid(
            f"{text!r} is not a version",
            state="Nothing was built.",
            advice=[*hint, "write it as v1.4.0 or v1.4.0-rc.1"],
        )
    return version


def pseudo(base: SemanticVersion | None, major: int, stamp: str, commit: str) -> str:
    """Return the pseudo-version of a commit.

    Args:
        base: the highest tagged version before it, or None.
        major: the module path's major version, used without base.
        stamp: the commit's time, UTC, `yyyymmddhhmmss`.
        commit: its hash in hex, at least 12 digits.
    """
    tail = f"{stamp}-{commit[:12]}"
    if base is None:
        return f"v{major}.0.0-{tail}"
    if base.pre:
        return f"v{base.major}.{base.minor}.{base.patch}-{base.pre}.0.{tail}"
    return f"v{base.major}.{base.minor}.{base.patch + 1}-0.{tail}"
