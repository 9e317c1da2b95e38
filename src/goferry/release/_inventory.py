"""What a release should be and what GitHub has: plain data that the planner reads."""

from __future__ import annotations

from dataclasses import dataclass

from goferry.artifacts.schemes import SEMVER, Scheme

UPLOADED = "uploaded"


@dataclass(frozen=True)
class ReleaseFile:
    """A file of the sealed folder: its name, size in bytes and SHA-256 (lower-case hex)."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class LocalRelease:
    """What is to be published.

    Attributes:
        tag: the release's tag. version: as sealed. scheme: how versions compare. sealed: the tag that was sealed.
        commit: hex, what the tag must point to.
        digest: the SHA-256 of release.json.
        files: everything in the folder, list and signatures too, sorted by name.
        draft: leave it a draft. prerelease: mark it as one. explicit: a person said whether to.
    """

    tag: str
    version: str
    commit: str
    digest: str
    files: tuple[ReleaseFile, ...]
    draft: bool = False
    prerelease: bool = False
    scheme: Scheme = SEMVER
    sealed: str = ""
    explicit: bool = False

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Asset:
    """A file of a release on GitHub.

    Attributes:
        id: GitHub's number. name: as GitHub stores it. size: bytes.
        sha256: lower-case hex as GitHub says, or empty where it does not.
        state: `uploaded`; anything else is an upload that did not come to its end.
    """

    id: int
    name: str
    size: int
    sha256: str = ""
    state: str = UPLOADED


@dataclass(frozen=True)
class GitHubRelease:
    """A release or draft on GitHub.

    Attributes:
        id: GitHub's number. tag: its tag's name.
        draft, prerelease, immutable: as GitHub says.
        name: its title. body: its text. url: where people see it.
        assets: its files.
        upload_url: where further ones are sent, without the template's tail.
    """

    id: int
    tag: str
    draft: bool = False
    prerelease: bool = False
    immutable: bool = False
    name: str = ""
    body: str = ""
    url: str = ""
    assets: tuple[Asset, ...] = ()
    upload_url: str = ""


@dataclass(frozen=True)
class Remote:
    """What GitHub has.

    Attributes:
        commit: what the tag points to, hex; empty: there is no such tag.
        releases: the tag's releases and drafts.
        published: tags of every published release that is not a pre-release.
    """

    commit: str
    releases: tuple[GitHubRelease, ...] = ()
    published: tuple[str, ...] = ()
