"""Go versions as Go itself orders them, and the specs by which people ask for one.

Go versions are not semantic versions (go.dev/doc/toolchain#version): the language version `1.21` comes before the
pre-release `1.21rc1`, and that before the first release `1.21.0`. Below 1.21 the first release has no `.0`: `1.20` is
a release, equal to `1.20.0`. Compared as in Go's own internal/gover.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import total_ordering

from msgspec import Struct

from goferry.kernel.errors import Misuse, printable

_VERSION = r"(?a)(0|[1-9]\d*)(?:\.(0|[1-9]\d*)(?:\.(0|[1-9]\d*)|([a-z]+)(0|[1-9]\d*)?)?)?"
_DAMAGED = r"(?a)1\.[1-9]"
_SEMVER_PRERELEASE = r"(?a)(\d+\.\d+)\.0-(alpha|beta|rc)\.?(\d+)"
_MAX = 64


class GoVersionInvalid(Misuse):
    """The requested Go version is not valid.

    Usual causes: a range (`^1.27`), semantic-version spelling (`1.27.0-rc.1`, for Go `1.27rc1`), or a number that YAML
    shortened: without quotes, `1.20` is read as 1.2.
    """

    name = "go-version-invalid"


@total_ordering
class GoVersion:
    """One version: `1.21` (language), `1.21rc1`, `1.21.0`; the text is without the prefix `go`.

    Raises:
        ValueError: when the text is not a Go version.
    """

    __slots__ = ("key", "text")

    def __init__(self, text: str) -> None:
        """Read the text."""
        self.text = text
        self.key = _key(text)

    def __repr__(self) -> str:
        return f"GoVersion({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GoVersion) and self.key == other.key

    def __lt__(self, other: GoVersion) -> bool:
        return self.key < other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return self.text

    @property
    def is_language(self) -> bool:
        """Whether this is a language version, for which no toolchain exists: `1.21`, but not `1.20` nor `1.21.0`."""
        return self.key[2:] == (-1, "", -1)

    @property
    def is_release(self) -> bool:
        """Whether this is a released toolchain: no language version and no pre-release."""
        return self.key[2] >= 0

    @property
    def language(self) -> tuple[int, int]:
        """Major and minor number: `(1, 27)` for `1.27.3`."""
        return self.key[:2]


def _key(text: str) -> tuple[int, int, int, str, int]:
    match = re.fullmatch(_VERSION, text) if len(text) <= _MAX else None
    if not match:
        raise ValueError(f"not a Go version: {text!r}")
    major, minor, patch, kind, pre = match.groups()
    if minor is None:
        return int(major), 0, 0, "", -1
    if patch is None and kind is None and int(minor) < 21:
        patch = "0"
    return int(major), int(minor), _number(patch), kind or "", _number(pre)


def _number(digits: str | None) -> int:
    """An absent number comes before 0."""
    return -1 if digits is None else int(digits)


TOOLCHAINS_SINCE = GoVersion("1.21")
"""The first language version whose `go` line is a demand, and whose toolchains are official modules."""


def of_toolchain(name: str) -> GoVersion | None:
    """Return the version of a toolchain's name, or None: `go1.21.1` and `go1.21.1-suffix` are both 1.21.1.

    Source: cmd/go/internal/gover.FromToolchain.
    """
    if not name.startswith("go") or "/" in name or "\\" in name:
        return None
    try:
        return GoVersion(re.split(r"[ \t-]", name[2:], maxsplit=1)[0])
    except ValueError:
        return None


class Spec(Struct, frozen=True):
    """What a person asked for.

    Attributes:
        text: as it was written.
        kind: `exact`, `language` (the newest patch of it), `stable` or `oldstable` (of the language before).
        version: of the kinds exact and language.
    """

    text: str
    kind: str
    version: GoVersion | None = None

    def choose(self, available: Iterable[GoVersion]) -> GoVersion | None:
        """Return the version that answers this spec among those that can be had, or None."""
        if self.kind == "exact":
            return self.version
        releases = sorted({version for version in available if version.is_release})
        languages = sorted({version.language for version in releases})
        if self.version is not None:
            language = self.version.language
        else:
            back = 1 if self.kind == "stable" else 2
            if len(languages) < back:
                return None
            language = languages[-back]
        return max((version for version in releases if version.language == language), default=None)


def spec(text: str) -> Spec:
    """Read a spec: `1.27.3`, `1.27rc1`, `1.27`, `1.27.x`, `stable`, `oldstable`; a prefix `go` is allowed.

    Raises:
        GoVersionInvalid: for anything else, and for `1.1` to `1.9`, which are numbers that YAML damaged.
    """
    word = text.strip()
    if word in ("stable", "oldstable"):
        return Spec(word, word)
    bare = word.removeprefix("go")
    if re.fullmatch(_DAMAGED, bare):
        raise GoVersionInvalid(
            f"Go {bare} was asked for; YAML reads the number {bare}0 as {bare}",
            state="Nothing was installed.",
            advice=[f'write it in quotes:  "{bare}0"', f"if you mean the version of old:  {bare}.0"],
        )
    wildcard = bare.endswith(".x")
    try:
        version = GoVersion(bare.removesuffix(".x") if wildcard else bare)
    except ValueError:
        raise _invalid(text) from None
    two_numbers = re.fullmatch(r"\d+\.\d+", version.text, re.ASCII)
    if wildcard and not two_numbers:
        raise _invalid(text)
    if two_numbers:
        return Spec(word, "language", version)
    if "." not in version.text:
        raise _invalid(text)
    return Spec(word, "exact", version)


def _invalid(text: str) -> GoVersionInvalid:
    advice = ["write:  1.27.3, 1.27 (its newest patch), 1.27rc1, stable or oldstable"]
    semver = re.fullmatch(_SEMVER_PRERELEASE, text.strip())
    if semver:
        advice.insert(0, "Go spells it:  " + "".join(semver.groups()))
    return GoVersionInvalid(
        f"{printable(text, 80)!r} is not a Go version", state="Nothing was installed.", advice=advice
    )
