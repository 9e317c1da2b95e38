"""Which version a work tree is: the tag on its commit, as Go would choose it, else a pseudo-version.

Of several tags the highest counts, but on a runner that a pushed tag started, that one: each tag's run makes its own.
Whether it is a release is another question, which build.trigger answers: a branch's run makes snapshots.

A project in a subfolder is tagged `folder/vX.Y.Z` (https://go.dev/ref/mod#vcs-version); a folder that only names the
major version (`api/v2` of module `…/api/v2`) is left out. A tag of another major version than the module path's is
another module's, so the commit gets a pseudo-version and the reader a hint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from goferry.build import semver
from goferry.build.revision import Revision
from goferry.build.trigger import Trigger
from goferry.kernel.errors import Misuse

EPOCH = 315532800
"""1980-01-01T00:00:00Z, the date of a tree without a commit: the oldest that every archive format can hold."""

_MAJOR = re.compile(r"/v([2-9]|[1-9][0-9]+)$")
_GOPKG = re.compile(r"^gopkg\.in/.*\.v([0-9]+)$")
_NEWEST = 253402300799
"""9999-12-31T23:59:59Z."""


class SourceDateInvalid(Misuse):
    """SOURCE_DATE_EPOCH is not a number of seconds since 1970.

    It usually holds a date in words, or was set from a command that failed.
    """

    name = "source-date-invalid"


@dataclass(frozen=True)
class Stand:
    """The version and what it rests on.

    Attributes:
        version: `v1.4.0`, `v1.4.1-0.20261123040322-3f1c2ab4d5e6`, with `+dirty` when the tree was changed.
        commit: hex, or empty. date: RFC 3339 UTC. epoch: the same in seconds.
        dirty: the tree differs from the commit.
        bears: the tree bears the version: by a tag on its commit and no changes, or because a person asked for it.
        snapshot: no release: it does not bear the version, or the run is not the one of its tag (build.trigger).
        hints: what a person may want to know about the choice.
    """

    version: str
    commit: str
    date: str
    epoch: int
    dirty: bool
    bears: bool
    snapshot: bool
    hints: tuple[str, ...] = ()


def choose(
    revision: Revision, *, module: str, folder: str, wanted: str, environ: Mapping[str, str], dirty: Sequence[str]
) -> Stand:
    """Choose the version.

    Args:
        revision: what git says.
        module: the module path.
        folder: the project's folder below the work tree's top, with slashes; empty or `.` for the top.
        wanted: a version that a person asked for, or empty.
        environ: SOURCE_DATE_EPOCH wins over the commit's time (https://reproducible-builds.org/specs/source-date-epoch);
            the variables of GitHub's runners say what started the run.
        dirty: the changes that count.

    Raises:
        VersionInvalid, SourceDateInvalid: as their names say.
    """
    epoch = _epoch(revision, environ)
    date = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    trigger, prefix = Trigger.from_environ(environ), tag_prefix(folder, module)
    if wanted:
        version = semver.demand(wanted)
        text, hints, bears = version.text, _asked(version, module), not version.pseudo
    else:
        base, hints = _found(revision, module, folder, trigger.ref)
        text = base + ("+dirty" if dirty else "")
        bears = not dirty and not ((found := semver.parse(base)) is None or found.pseudo)
    snapshot = not (bears and trigger.releases(prefix + text))
    hints = (*_hints(revision), *hints, *(_not_its_run(prefix + text, trigger) if bears and snapshot else ()))
    return Stand(text, revision.commit, date, epoch, bool(dirty), bears, snapshot, hints)


def major_of(module: str) -> int:
    """Return the major version that a module path carries: 2 or more, or 0 for v0 and v1."""
    match = _MAJOR.search(module) or _GOPKG.match(module)
    return int(match.group(1)) if match else 0


def tag_prefix(folder: str, module: str) -> str:
    """Return what a tag of this project begins with: empty, or `folder/`."""
    path = PurePosixPath(folder or ".")
    if str(path) != "." and path.name == f"v{major_of(module)}" and _MAJOR.search(module):
        path = path.parent
    return "" if str(path) == "." else f"{path}/"


def _found(revision: Revision, module: str, folder: str, ref: str) -> tuple[str, tuple[str, ...]]:
    prefix, major = tag_prefix(folder, module), major_of(module)
    here = _versions(revision.here, prefix)
    matching = [version for version in here if _fits(version, major)]
    if matching:
        pushed = [version for version in matching if ref == f"refs/tags/{prefix}{version.text}"]
        if pushed:
            return pushed[0].text, ()
        return max(matching, key=lambda version: version.order).text, ()
    hints = tuple(_mismatch(version, prefix, module) for version in here) + _unprefixed(revision.here, prefix)
    base = max(
        (version for version in _versions(revision.before, prefix) if _fits(version, major)),
        key=lambda version: version.order,
        default=None,
    )
    stamp = datetime.fromtimestamp(revision.time or EPOCH, UTC).strftime("%Y%m%d%H%M%S")
    if revision.shallow and base is None:
        hints += ("a shallow clone hides older tags; to see them:  git fetch --unshallow --tags (or fetch-depth: 0)",)
    return semver.pseudo(base, major, stamp, revision.commit or "0" * 12), hints


def _versions(tags: Sequence[str], prefix: str) -> list[semver.Version]:
    parsed = [semver.parse(tag.removeprefix(prefix)) for tag in tags if tag.startswith(prefix)]
    return [version for version in parsed if version and not version.meta and not version.pseudo]


def _unprefixed(tags: Sequence[str], prefix: str) -> tuple[str, ...]:
    """Say of tags such as 1.0.0 that Go knows no version without its v."""
    bare = [tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)]
    return tuple(
        f"tag {prefix}{tag} is no version to Go, which begins with v:  git tag {prefix}v{tag}"
        for tag in bare
        if tag[:1].isdigit() and semver.parse("v" + tag)
    )


def _fits(version: semver.Version, major: int) -> bool:
    return version.major == major if major >= 2 else version.major < 2


def _mismatch(version: semver.Version, prefix: str, module: str) -> str:
    want = f"{module}/v{version.major}" if not _MAJOR.search(module) else _MAJOR.sub(f"/v{version.major}", module)
    if version.major < 2:
        want = _MAJOR.sub("", module)
    return f"tag {prefix}{version.text} is not of module {module}: its path would be {want}"


def _asked(version: semver.Version, module: str) -> tuple[str, ...]:
    major = major_of(module)
    if major >= 2 and version.major != major:
        return (f"{version.text} was asked for, but module {module} is of major version {major}",)
    return ()


def _not_its_run(tag: str, trigger: Trigger) -> tuple[str, ...]:
    return (f"built at {trigger}, so this is a snapshot: the run of the tag {tag} makes the release",)


def _hints(revision: Revision) -> tuple[str, ...]:
    return (f"{revision.hint}: no commit is recorded",) if revision.hint else ()


def _epoch(revision: Revision, environ: Mapping[str, str]) -> int:
    text = environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return min(revision.time, _NEWEST) if revision.commit else EPOCH
    if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) > _NEWEST:
        raise SourceDateInvalid(
            f"SOURCE_DATE_EPOCH is {text!r}",
            state="Nothing was built.",
            advice=["set it to seconds since 1970-01-01 UTC, or unset it"],
        )
    return int(text)
