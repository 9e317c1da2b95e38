"""Which version a work tree is: the tag on its commit, as Go would choose it, else a pseudo-version.

Of several tags the highest counts, but on a runner that a pushed tag started, that one: each tag's run makes its own.
Whether it is a release is another question, which gobuild.trigger answers: a branch's run makes snapshots.

Which tags are versions is said in gobuild.tags: of a project in a subfolder `folder/vX.Y.Z`, if goferry.yml says
nothing else. A commit without one gets a pseudo-version, and the reader a hint about tags that only look like one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from goferry.artifacts import schemes, semver
from goferry.gobuild.revision import Revision
from goferry.gobuild.tags import TagKind, Tags, major_of
from goferry.gobuild.trigger import Trigger
from goferry.kernel.errors import Misuse, printable

EPOCH = 315532800
"""1980-01-01T00:00:00Z, the date of a tree without a commit: the oldest that every archive format can hold."""

_NEWEST = 253402300799
"""9999-12-31T23:59:59Z."""


class SourceDateInvalid(Misuse):
    """SOURCE_DATE_EPOCH is not a number of seconds since 1970.

    Usual causes: a date in words, or the output of a command that failed.
    """

    name = "source-date-invalid"


class VersionUnusable(Misuse):
    """A version can't be used unchanged in file names, in an image's tag, or in the names of assets on GitHub.

    Usual causes: a `+`, which image tags can't have; more than the 128 characters that they can have; or a tag whose
    folder name has characters that a release's reference can't have.
    """

    name = "version-unusable"


class Stand(Struct, frozen=True):
    """The version and what it rests on.

    Attributes:
        version: `v1.4.0`, `v1.4.1-0.20261123040322-3f1c2ab4d5e6`, with `+dirty` when the tree was changed.
        tag: what names it, the prefix of the project's tags and the version.
        commit: hex, or empty. date: RFC 3339 UTC. epoch: the same in seconds.
        dirty: the tree differs from the commit.
        bears: the tree bears the version: by a tag on its commit and no changes, or because a person asked for it.
        snapshot: no release: it does not bear the version, or the run is not the one of its tag (gobuild.trigger).
        hints: what a person may want to know about the choice.
    """

    version: str
    tag: str
    commit: str
    date: str
    epoch: int
    dirty: bool
    bears: bool
    snapshot: bool
    hints: tuple[str, ...] = ()


def choose(
    revision: Revision,
    *,
    tags: Tags,
    trigger: Trigger,
    wanted: str,
    environ: Mapping[str, str],
    dirty: Sequence[str],
) -> Stand:
    """Choose the version.

    Args:
        revision: what git says.
        tags: how the project's tags are read.
        trigger: what started the build.
        wanted: a version that a person asked for, or empty.
        environ: SOURCE_DATE_EPOCH wins over the commit's time (https://reproducible-builds.org/specs/source-date-epoch).
        dirty: the changes that count.

    Raises:
        VersionInvalid: Go modules do not accept this version; valid ones are `v1.4.0`, `v2.0.0-rc.1`.
        VersionUnusable: a version can't be used unchanged in file names, in an image's tag, or in the names
            of assets on GitHub.
        SourceDateInvalid: SOURCE_DATE_EPOCH is not a number of seconds since 1970.
    """
    epoch = _epoch(revision, environ)
    date = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if wanted:
        text, bears, hints = _wanted(wanted, tags)
    else:
        base, bears, hints = _found(revision, tags, trigger)
        text, bears = base + ("+dirty" if dirty else ""), bears and not dirty
    tag = tags.prefix + text
    snapshot = not (bears and trigger.releases(tag))
    if not snapshot and not schemes.valid_tag(tag):
        raise VersionUnusable(
            f"the tag {tag[:200]!a} can't be a release's",
            state="Nothing was built.",
            advice=[
                "name the module's folder with letters, digits and . _ - +",
                'or leave it out of the tags, in goferry.yml:  version: {prefix: ""}',
            ],
        )
    hints = (
        *_lacking(revision, text, trigger, wanted=bool(wanted)),
        *hints,
        *(_not_its_run(tag, trigger) if bears and snapshot else ()),
    )
    return Stand(text, tag, revision.commit, date, epoch, bool(dirty), bears, snapshot, hints)


def _wanted(text: str, tags: Tags) -> tuple[str, bool, tuple[str, ...]]:
    """Return a version that a person asked for, whether it is a release's, and what to say of it."""
    if tags.scheme.name != "go":
        return _usable(tags.scheme.demand(text).text), True, ()
    version = semver.demand(text)
    major = major_of(tags.module)
    wrong = major >= 2 and version.major != major
    notes = f"{version.text} was asked for, but module {tags.module} is of major version {major}"
    return _usable(version.text), not version.pseudo, (notes,) if wrong else ()


def _usable(text: str) -> str:
    """Return a version that names of files, images and assets can hold as it is."""
    if schemes.plain(text):
        return text
    raise VersionUnusable(
        f"the version {text[:200]!a} can't be in file names, image tags and on GitHub as it is",
        state="Nothing was built.",
        advice=["name it with at most 128 letters, digits and single . _ -"],
    )


def _found(revision: Revision, tags: Tags, trigger: Trigger) -> tuple[str, bool, tuple[str, ...]]:
    """Return the version of the commit, whether a tag says so, and what to say of it."""
    here = {tag: version for tag in revision.here if (version := tags.read(tag))}
    notes = tuple(_forbidden(tag, tags) for tag in revision.here if tags.kind(tag) is TagKind.FORBIDDEN)
    pushed = next((version for tag, version in here.items() if trigger.names(tag)), None)
    if pushed:
        return _usable(pushed.text), True, notes
    if here and not trigger.runner and not any(schemes.plain(version.text) for version in here.values()):
        _usable(next(iter(here.values())).text)
    here = {tag: version for tag, version in here.items() if schemes.plain(version.text)}
    ordered = [version for version in here.values() if version.order is not None or len(here) == 1]
    if ordered:
        return max(ordered, key=lambda version: (version.order or (), version.text)).text, True, notes
    if here:
        named = ", ".join(printable(tag, 60) for tag in sorted(here)[:3])
        notes += (f"the commit has several tags without an order, {named}; choose one:  --version VERSION",)
    base = max(
        (found for tag in revision.before if (found := _based(tag, tags))),
        key=lambda found: found.order,
        default=None,
    )
    stamp = datetime.fromtimestamp(revision.time or EPOCH, UTC).strftime("%Y%m%d%H%M%S")
    if revision.shallow and base is None:
        notes += ("a shallow clone hides older tags (fetch-depth: 0 does not):  git fetch --unshallow --tags",)
    return semver.pseudo(base, major_of(tags.module), stamp, revision.commit or "0" * 12), False, notes


def _based(tag: str, tags: Tags) -> semver.SemanticVersion | None:
    """Return the semantic version of a tag, on which a commit after it may be based."""
    found = tags.read(tag) if tags.scheme.name in ("go", "semver") else None
    return semver.parse("v" + found.text.removeprefix("v").partition("+")[0]) if found else None


def _forbidden(tag: str, tags: Tags) -> str:
    return "; ".join([tags.why_not(tag), *tags.advice(tag)])


def _not_its_run(tag: str, trigger: Trigger) -> tuple[str, ...]:
    return (f"built at {trigger}, so this is a snapshot: the run of the tag {tag} makes the release",)


def _lacking(revision: Revision, text: str, trigger: Trigger, *, wanted: bool) -> tuple[str, ...]:
    """Return what the product is without for want of a commit, and what to do about it."""
    lack = revision.lack
    if lack is None:
        return ()
    named = f"{text} is the version that was asked for" if wanted else f"this is a snapshot, {text}"
    without = "it and its programs have no commit and no time, and whether a file was changed is not known"
    return (f"{lack.why}: {named}; {without}. {lack.job if trigger.runner else lack.machine}",)


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
