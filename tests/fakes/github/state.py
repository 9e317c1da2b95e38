"""What the fake remembers, and GitHub's rules about it."""

import hashlib
import itertools
import re
import subprocess
import threading
import time
from dataclasses import dataclass, field

ZERO = "0" * 40


class Refusal(Exception):
    """An answer of GitHub's that is not a success."""

    def __init__(self, status, message, errors=()):
        super().__init__(message)
        self.status, self.message, self.errors = status, message, list(errors)


def invalid(resource, code, name=""):
    """Return HTTP 422 as GitHub words it."""
    error = {"resource": resource, "code": code, **({"field": name} if name else {})}
    return Refusal(422, "Validation Failed", [error])


def asset_name(name):
    """Return the name that GitHub gives an asset.

    Its documentation only says that "special characters" go. What was seen of it (travis-ci/dpl#821, softprops/
    action-gh-release#159, github/rest-api-description#2968): letters, digits and . _ - + stay, a run of dots
    and anything else becomes one dot, and dots at both ends go.
    """
    return re.sub(r"(?:[^0-9A-Za-z_+-])+", ".", name).strip(".")


@dataclass
class Asset:
    id: int
    name: str
    data: bytes
    content_type: str = "application/octet-stream"
    label: str | None = ""
    state: str = "uploaded"
    created: float = field(default_factory=time.time)
    downloads: int = 0

    @property
    def digest(self):
        return "sha256:" + hashlib.sha256(self.data).hexdigest() if self.state == "uploaded" else None


@dataclass
class Release:
    id: int
    tag_name: str
    target_commitish: str = "main"
    name: str | None = None
    body: str | None = None
    draft: bool = False
    prerelease: bool = False
    immutable: bool = False
    created: float = field(default_factory=time.time)
    published: float | None = None
    assets: dict = field(default_factory=dict)

    def named(self, name):
        return next((asset for asset in self.assets.values() if asset.name == name), None)


@dataclass
class Run:
    """A workflow run; jobs as {name: conclusion}."""

    id: int
    workflow: str = ".github/workflows/release.yml"
    branch: str = "main"
    sha: str = ZERO
    event: str = "push"
    status: str = "completed"
    conclusion: str | None = "success"
    attempt: int = 1
    number: int = 1
    jobs: dict = field(default_factory=dict)
    created: float = field(default_factory=time.time)


@dataclass
class Repository:
    """One repository.

    Attributes:
        name: OWNER/NAME. private: hidden from who has no token for it.
        tags: tag → commit; annotated: tag → SHA of the tag object between.
        branches: branch → commit. git: a real repository whose tags and branches count too.
        immutable: releases become immutable when they are published.
        latest: id of the release that was made the latest.
    """

    name: str
    id: int = 1
    private: bool = False
    tags: dict = field(default_factory=dict)
    annotated: dict = field(default_factory=dict)
    branches: dict = field(default_factory=lambda: {"main": ZERO})
    git: str = ""
    immutable: bool = False
    latest: int = 0
    releases: dict = field(default_factory=dict)
    runs: list = field(default_factory=list)

    def ref(self, ref):
        """Return (type, sha) of a full ref without `refs/`, or None."""
        kind, _, name = ref.partition("/")
        if kind == "tags" and name in self.annotated:
            return "tag", self.annotated[name]
        found = (self.tags if kind == "tags" else self.branches if kind == "heads" else {}).get(name)
        if found:
            return "commit", found
        return self._from_git(ref) if self.git else None

    def _from_git(self, ref):
        command = ["git", "-C", self.git, "for-each-ref", "--format=%(objecttype) %(objectname)", f"refs/{ref}"]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        return (said[0], said[1]) if len(said) == 2 else None

    def tag_object(self, sha):
        """Return (tag's name, commit) of an annotated tag's object, or None."""
        for name, object_sha in self.annotated.items():
            if object_sha == sha:
                return name, self.tags[name]
        if self.git:
            command = ["git", "-C", self.git, "rev-parse", "--verify", "--quiet", f"{sha}^{{commit}}"]
            said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
            return ("tag", said) if said else None
        return None

    def commit(self, ref):
        """Return the commit of a branch, tag or SHA, or None."""
        if re.fullmatch("[0-9a-f]{40}", ref) and ref in {*self.tags.values(), *self.branches.values()}:
            return ref
        names = [ref.removeprefix("refs/")] if ref.startswith("refs/") else [f"heads/{ref}", f"tags/{ref}", ref]
        for kind, sha in filter(None, map(self.ref, names)):
            return sha if kind == "commit" else (self.tag_object(sha) or ("", None))[1]
        return None


class State:
    """Every repository; one lock over all."""

    def __init__(self):
        self.lock = threading.RLock()
        self.repositories = {}
        self._ids = itertools.count(1001)

    def create_release(self, repository, fields):
        tag = fields.get("tag_name")
        if not isinstance(tag, str) or not tag:
            raise invalid("Release", "missing_field", "tag_name")
        release = Release(next(self._ids), tag)
        self._change(repository, release, {"name": tag, **fields})
        repository.releases[release.id] = release
        return release

    def update_release(self, repository, release, fields):
        if release.immutable and {"tag_name", "draft"} & set(fields) and fields.get("draft", False):
            raise Refusal(422, "Immutable releases cannot be modified.")
        self._change(repository, release, fields)
        return release

    def _change(self, repository, release, fields):
        for name in ("draft", "prerelease"):
            if name in fields and not isinstance(fields[name], bool):
                raise invalid("Release", "invalid", name)
        tag, draft = fields.get("tag_name", release.tag_name), fields.get("draft", release.draft)
        twin = next((r for r in repository.releases.values() if r.tag_name == tag and not r.draft), None)
        if not draft and twin and twin is not release:
            raise invalid("Release", "already_exists", "tag_name")
        for name in ("tag_name", "name", "body", "draft", "prerelease", "target_commitish"):
            if name in fields:
                setattr(release, name, fields[name])
        if not release.draft and release.published is None:
            release.published = time.time()
            release.immutable = repository.immutable
            if not repository.ref(f"tags/{tag}"):
                repository.tags[tag] = repository.commit(release.target_commitish) or ZERO
        latest = fields.get("make_latest", "true")
        if latest not in ("true", "false", "legacy"):
            raise invalid("Release", "invalid", "make_latest")
        if latest != "false" and not release.draft and not release.prerelease:
            repository.latest = release.id

    def upload(self, repository, release, name, data, *, content_type, state="uploaded"):
        """Keep an asset, under the name that GitHub would give it."""
        if release.immutable:
            raise Refusal(422, "Cannot upload assets to an immutable release.")
        if not name:
            raise Refusal(400, "Bad Request: the query parameter name is missing")
        name = asset_name(name)
        if release.named(name):
            raise invalid("ReleaseAsset", "already_exists", "name")
        asset = Asset(next(self._ids), name, data, content_type, state=state)
        release.assets[asset.id] = asset
        return asset

    def asset(self, repository, asset_id):
        """Return (release, asset) of an asset's number, or (None, None)."""
        for release in repository.releases.values():
            if asset_id in release.assets:
                return release, release.assets[asset_id]
        return None, None

    def delete_asset(self, release, asset):
        if release.immutable:
            raise Refusal(422, "Cannot delete assets from an immutable release.")
        del release.assets[asset.id]
