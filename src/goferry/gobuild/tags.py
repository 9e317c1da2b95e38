"""A project's tags: which of them are its versions, and what another one that was pushed is.

    prefix + version     `v1.4.0`, `api/v1.4.0` of the module in `api`, `release-2026.8.2` with `version.prefix`

A version that Go's rule forbids for the module's path is none under the scheme `go`, which is the default: of a library
Go would not find it. Nobody imports a program, so goferry.yml may say another scheme (decision 23).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from enum import Enum
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from goferry.artifacts import schemes, semver
from goferry.artifacts.schemes import SCHEMES, Scheme, SchemeVersion
from goferry.config import model
from goferry.config.rules import PREFIX
from goferry.kernel.errors import printable

_MAJOR = r"/v([2-9]|[1-9][0-9]+)$"
_GOPKG = r"^gopkg\.in/.*\.v([0-9]+)$"
FOLDER = "{folder}/"
"""What stands in `version.prefix` for the module's folder."""

_VERSIONISH = r"(?i)(?:(?:v|ver|version|r|rel|release)[._-]{0,2}v?[._-]?)?"
_MOVING = r"(?:[A-Za-z]+[._-]?)?[0-9]+(?:\.(?:[0-9]+|[xX*]))?|v?[0-9]+\.[0-9]+\.[xX*]"
_DATE = (
    rf"{_VERSIONISH}(?:19|20|21)[0-9]{{2}}"
    r"(?:[._-][0-9]{1,2}|[0-9]{2}(?:[0-9]{2}|[0-9]{6}|[0-9]{8})?)(?:[^0-9].*)?"
)
_LOOKS = (
    rf"{_VERSIONISH}[0-9]+[._-][0-9].*",  # v.1.5.0, 1.5-rc1, release-1.2.3
    rf"{_VERSIONISH}[0-9]+(?:\.[0-9]+)*[._-]?(?:alpha|beta|rc|pre)[^A-Za-z]*",  # v2-rc1
    r"@?[A-Za-z](?:.*?[A-Za-z._@-])?(?:[0-9]+\.){2}[0-9].*",  # chart-1.2.3, shop@1.2.3
)
_WORDS = r"(?i)(?:nightly|latest|edge|canary|snapshot|dev|stable|daily|weekly|current|head|main|master)(?:[^A-Za-z].*)?"


class TagKind(Enum):
    """What a tag is to a project; the value says it to a person."""

    VERSION = "a version"
    FORBIDDEN = "looks like a version, and is none"
    OTHER = "a version of another module"
    MOVING = "a tag that moves along with versions"
    WORD = "no version"


class Tags(Struct, frozen=True):
    """How a project's tags are read.

    Attributes:
        scheme: what stands behind the prefix. prefix: what they begin with.
        module: the module path. folder: its folder below the repository's root, `.` at the top.
        others: prefixes of the repository's other modules and projects, `worker/`.
        last: the newest version tag of the history, or else the newest that looks like one; empty where there is none.
    """

    scheme: Scheme
    prefix: str
    module: str = ""
    folder: str = "."
    others: tuple[str, ...] = ()
    last: str = ""

    def after(self, history: Collection[str]) -> Tags:
        """Return the same with the newest of these tags as the last one."""
        read = {tag: found.order for tag in history if (found := self.read(tag)) and found.order is not None}
        if read:
            return replace(self, last=max(read, key=lambda tag: read[tag]))
        likely = [tag for tag in history if self.kind(tag) is TagKind.FORBIDDEN and not self._earlier(tag)]
        likely.sort(key=lambda tag: [int(number) for number in re.findall("[0-9]{1,18}", tag)], reverse=True)
        return replace(self, last=next((tag for tag in likely if self.line(tag)), ""))

    def read(self, tag: str) -> SchemeVersion | None:
        """Return the version that a tag names, or None."""
        text = tag.removeprefix(self.prefix)
        found = self.scheme.read(text) if tag.startswith(self.prefix) else None
        return found if found and (self.scheme.name != "go" or fits(text, self.module)) else None

    @property
    def example(self) -> str:
        """A tag of a version: the one after the last, or one of the scheme; where the last is none, how it would be."""
        prefix = self.prefix if self.last.startswith(self.prefix) else ""
        following = prefix + _following(self.last.removeprefix(prefix))
        if self.last and self.read(self.last):
            return following if self.scheme.name in ("go", "semver") and self.read(following) else self.last
        if self.last:
            return f"{following}, under {self.line(self.last)} in goferry.yml"
        return self._form

    def _earlier(self, tag: str) -> bool:
        """Whether a tag is of an earlier major version of the module, which had another path."""
        found = semver.parse(tag.removeprefix(self.prefix))
        return self.scheme.name == "go" and found is not None and found.major < major_of(self.module)

    @property
    def _form(self) -> str:
        """A tag of the scheme."""
        major = major_of(self.module)
        version = f"v{major or 1}.2.3" if self.scheme.name == "go" else self.scheme.example
        return self.prefix + version

    def kind(self, tag: str) -> TagKind:
        """Tell what a tag is to this project."""
        if any(tag.startswith(other) for other in self.others if len(other) > len(self.prefix)):
            return TagKind.OTHER
        if self.read(tag):
            return TagKind.VERSION
        if any(_looks(tag.removeprefix(other)) for other in self.others if tag.startswith(other)):
            return TagKind.OTHER
        last = tag.rpartition("/")[2]
        if _looks(last):
            return TagKind.FORBIDDEN
        return TagKind.MOVING if re.fullmatch(_MOVING, last) else TagKind.WORD

    def why_not(self, tag: str) -> str:
        """Say in a sentence why a tag that looks like a version is none of this project."""
        shown = printable(tag, 100)
        if not tag.startswith(self.prefix):
            return f"tag {shown} is not a version of this project, whose tags begin with {self.prefix}"
        text = tag.removeprefix(self.prefix)
        found = semver.parse(text)
        if self.scheme.name == "go" and found and not found.meta and not fits(text, self.module):
            return f"tag {shown} is not of module {self.module}: its path would be {_path(found, self.module)}"
        if self.scheme.name == "go" and text[:1].isdigit() and semver.parse("v" + text):
            return f"tag {shown} is not a version to Go, which begins with v"
        if "/" in text:
            return f"tag {shown} is not a version of this project: a version holds no slash"
        return f"tag {shown} is not a version of the scheme {self.scheme.name}, such as {self._form}"

    def advice(self, tag: str) -> list[str]:
        """Return what to do about such a tag: a tag that would do, and the line in goferry.yml that allows this one."""
        near = next((name for name in _near(tag, self.prefix) if self.read(name)), "")
        line = self.line(tag)
        return [
            *([f"did you mean the tag {near}?"] if near and near != tag else []),
            *([f"it is a program's tag? allow it in goferry.yml:  {line}"] if line else []),
        ]

    def line(self, tag: str) -> str:
        """Return the line of goferry.yml under which a tag is a version; empty where there is none."""
        return self.allowing(tag)[0]

    def allowing(self, tag: str) -> tuple[str, Tags | None]:
        """Return the line of goferry.yml under which a tag is a version, and how tags are read with it."""
        home = tag_prefix(self.folder, self.module)
        bases = {home: FOLDER, "": ""} if home and tag.startswith(home) else {"": FOLDER if not home else ""}
        structured = [(base, name) for name in ("go", *_likely(tag)) for base in bases]
        for base, name in [*structured, *((base, "any") for base in bases)]:
            for word in _leads(tag.removeprefix(base)):
                shown = bases[base] + word if home or not word else word
                rule = Tags(SCHEMES[name], base + word, self.module, self.folder, self.others)
                found = rule.read(tag)
                if found and schemes.plain(found.text) and re.fullmatch(PREFIX, shown):
                    return _line(name, shown), rule
        return "", None


GO = Tags(schemes.GO, "")
"""Those of a module at the top of its repository."""


def of(config: model.Version, *, folder: str, module: str, others: Sequence[str] = ()) -> Tags:
    """Return how a project's tags are read, by its `version:` in goferry.yml.

    Args:
        config: the section.
        folder: the project's folder below the repository's root, with slashes; empty or `.` for the top.
        module: its module path.
        others: what tags of the repository's other modules and projects begin with.
    """
    prefix = config.prefix.replace(FOLDER, tag_prefix(folder, module))
    return Tags(SCHEMES[config.scheme], prefix, module, folder, tuple(sorted({*others} - {prefix})))


def major_of(module: str) -> int:
    """Return the major version that a module path carries: 2 or more, or 0 for v0 and v1."""
    match = re.search(_MAJOR, module) or re.match(_GOPKG, module)
    return int(match.group(1)) if match else 0


def tag_prefix(folder: str, module: str) -> str:
    """Return what a tag of this module begins with by Go's rule: empty, or `folder/`."""
    path = PurePosixPath(folder or ".")
    if str(path) != "." and path.name == f"v{major_of(module)}" and re.search(_MAJOR, module):
        path = path.parent
    return "" if str(path) == "." else f"{path}/"


def fits(version: str, module: str) -> bool:
    """Whether Go takes a version for one of this module: its major version is that of the path."""
    found, major = semver.parse(version), major_of(module)
    return bool(found) and (found.major == major if major >= 2 else found.major < 2)  # type: ignore[union-attr]


def plain_path(folder: str) -> bool:
    """Whether a tag's folder can be looked for below the repository's root."""
    return not any(part in ("", ".", "..") for part in folder.split("/")) if folder else True


def _looks(text: str) -> bool:
    """Whether people would take a text for a version: `v.1.5.0`, `1.5`-something, `release-1.2.3`, `20260802`."""
    if "/" in text or re.fullmatch(_WORDS, text):
        return False
    if re.fullmatch(_DATE, text):
        return True
    return not re.fullmatch(_MOVING, text) and any(re.fullmatch(pattern, text) for pattern in _LOOKS)


def _likely(tag: str) -> tuple[str, str]:
    """Return the schemes that may read a tag, the likelier first."""
    return ("calver", "semver") if re.search("(?<![0-9])(?:19|20|21)[0-9]{2}", tag) else ("semver", "calver")


def _leads(text: str) -> tuple[str, ...]:
    """Return what a prefix may be: nothing, or what stands before the first number of a version."""
    lead = re.match(r"(?!v?[0-9])[A-Za-z].*?[./_-](?=v?[0-9]+(?:[._-][0-9]|$))", text)
    return ("", lead[0]) if lead else ("",)


def _line(scheme: str, prefix: str) -> str:
    parts = [f"scheme: {scheme}"] if scheme != "go" else []
    if prefix != FOLDER:
        parts.append(f'prefix: "{prefix}"')
    return f"version: {{{', '.join(parts)}}}" if parts else ""


def _near(tag: str, prefix: str) -> Iterator[str]:
    """Yield tags that were probably meant, first those that write their `v`, or none, as this one does."""
    text = tag.removeprefix(prefix).rpartition("/")[2]
    numbers = re.search(r"(?<![0-9])(?<![0-9][._-])[0-9]{1,15}([._-][0-9]{1,15}){0,2}(?![0-9]|[._-][0-9])", text)
    if not numbers:
        return
    dotted = ".".join(str(int(part)) for part in re.split("[._-]", numbers[0]))
    dotted += ".0" * max(0, 2 - dotted.count("."))
    tail = re.sub("^[._]", "-", text[numbers.end() :])
    tail = tail if not tail or tail.startswith("-") else f"-{tail}"
    leads = ("v", "") if text.startswith("v") else ("", "v")
    yield from (f"{prefix}{lead}{dotted}{tail}" for lead in leads)


def _following(text: str) -> str:
    """Return a version with its last number one higher, or a pre-release's version: `v1.4.1` after `v1.4.0`."""
    found = re.fullmatch(r"(.*?[0-9]+(?:\.[0-9]+)*?\.?)([0-9]+)(-.*|\+.*)?", text) if text else None
    if not found:
        return text
    before, number, tail = found.groups()
    if tail and tail.startswith("-"):
        return before + number
    return f"{before}{int(number) + 1:0{len(number)}}"


def _path(version: semver.SemanticVersion, module: str) -> str:
    if version.major < 2:
        return re.sub(_MAJOR, "", module)
    return re.sub(_MAJOR, f"/v{version.major}", module) if re.search(_MAJOR, module) else f"{module}/v{version.major}"
