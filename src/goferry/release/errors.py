"""What can go wrong between a sealed folder and a GitHub release.

Misuse       reference-invalid, repository-invalid, github-token-missing, github-token-invalid,
             github-permission-missing, github-not-found, tag-missing, tag-mismatch, folder-occupied, release-too-large
Refused      tag-moved, release-differs, release-incomplete, draft-of-others, drafts-ambiguous, asset-altered
Failed       release-missing, asset-missing, asset-renamed, asset-damaged, github-unexpected
Unreachable  github-rate-limited, github-failing
"""

from __future__ import annotations

from goferry.kernel.errors import Failed, Misuse, Refused, Unreachable


class ReferenceInvalid(Misuse):
    """A text is not the reference of a release.

    A reference is `TAG@sha256:DIGEST` with the 64 hex digits of release.json's SHA-256, or that behind `OWNER/NAME@`.
    It is what `goferry release` prints; a tag alone would not say which bytes are meant.
    """

    name = "reference-invalid"


class RepositoryInvalid(Misuse):
    """A repository is not written as OWNER/NAME, or its API's address is not one.

    On a runner both come from GITHUB_REPOSITORY and GITHUB_API_URL; elsewhere name the repository with `--repository`.
    """

    name = "repository-invalid"


class TokenMissing(Misuse):
    """There is no token for GitHub's API, and what is asked for needs one.

    Goferry reads it from GITHUB_TOKEN or GH_TOKEN, never from the command line. In a workflow give the step
    `env: {GITHUB_TOKEN: '${{ github.token }}'}`, or the action its input `token`.
    """

    name = "github-token-missing"


class TokenInvalid(Misuse):
    """GitHub does not accept the token (HTTP 401), or it cannot be a token at all.

    It usually has expired, was revoked, or was pasted with a line break. A job's own token ends with the job.
    """

    name = "github-token-invalid"


class PermissionMissing(Misuse):
    """The token is good, but may not do this (HTTP 403, or 404 where GitHub hides what it refuses).

    The job usually lacks a `permissions:` block, or the workflow that calls it grants less: permissions only shrink on
    the way down. A pull request from a fork always gets a token that only reads, whatever the workflow says.
    """

    name = "github-permission-missing"


class NotFound(Misuse):
    """GitHub knows no such repository, or hides it from this token (HTTP 404).

    It usually is a typing error, a renamed repository, or a private one that the token was not made for.
    """

    name = "github-not-found"


class ThingMissing(Failed):
    """The repository is there, and what was asked for in it is not (HTTP 404).

    Usual causes: a release, file or tag that somebody removed meanwhile, or a token that may read the repository and
    not this part of it.
    """

    name = "github-thing-missing"


class RateLimited(Unreachable):
    """GitHub asks to wait longer than Goferry does (HTTP 403 or 429 with a limit).

    Many jobs share one token's hourly limit. The message says when it starts anew; what was uploaded stays, and the
    same command goes on from there.
    """

    name = "github-rate-limited"


class GitHubFailing(Unreachable):
    """GitHub did not answer, or answered with an error of its own, on every attempt.

    It usually is a disturbance there or on the network between. What was uploaded stays in the draft, and the same
    command goes on from there.
    """

    name = "github-failing"


class GitHubUnexpected(Failed):
    """GitHub refused a request for a reason that Goferry does not know.

    The message holds GitHub's own words. It usually is a rule of the repository or the organisation, such as one that
    protects tags.
    """

    name = "github-unexpected"


class TagMissing(Misuse):
    """The repository on GitHub has no such tag.

    The tag usually was made on this machine and not pushed. Goferry never makes one: a tag is how a person says that a
    commit is a release.
    """

    name = "tag-missing"


class TagMismatch(Misuse):
    """The tag does not name the version that was sealed.

    The tag is the version itself, or ends in a slash and the version where a repository holds several modules.
    """

    name = "tag-mismatch"


class TagMoved(Refused):
    """The tag on GitHub points to another commit than the one that was built.

    Somebody moved the tag after the build began, or the folder was built from something else.
    """

    name = "tag-moved"


class ReleaseDiffers(Refused):
    """This tag is published already, with other bytes.

    What is published never changes: whoever has it could not tell the two apart. It usually is a second run whose
    build came out otherwise, with another toolchain or from a moved tag; publish the first run's folder, or release
    the next version.
    """

    name = "release-differs"


class ReleaseIncomplete(Refused):
    """This tag is published already, and files are missing there.

    It was whole once and files were removed, or it is immutable, and GitHub takes nothing more: somebody, or a program
    such as release-please, published it before Goferry had uploaded everything. Let it make a draft, which Goferry
    fills and publishes.
    """

    name = "release-incomplete"


class DraftOfOthers(Refused):
    """The tag's draft was begun by somebody else and holds files that are not this release's.

    Goferry fills in drafts that people wrote a text for, but removes only files of drafts that it made itself.
    """

    name = "draft-of-others"


class DraftsAmbiguous(Refused):
    """The tag has several drafts, and more than one was begun by somebody else.

    Two people or programs prepared the same release. Only a person can say which text is meant.
    """

    name = "drafts-ambiguous"


class ReleaseTooLarge(Misuse):
    """GitHub would not take the files as a release: it holds at most 1000, each smaller than 2 GiB.

    It usually is a binary with embedded data, or many targets with an archive each (`archives` in goferry.yml).
    """

    name = "release-too-large"


class ReleaseMissing(Failed):
    """The repository has no published release of this tag.

    It usually is still a draft, was deleted, or lies in another repository: a reference can begin with `OWNER/NAME@`.
    """

    name = "release-missing"


class AssetMissing(Failed):
    """A release lacks a file that its release.json lists.

    Somebody removed it from the release, or the upload never came to its end.
    """

    name = "asset-missing"


class AssetAltered(Refused):
    """A file of a release is not the one that the reference leads to.

    The reference holds release.json's digest, and release.json holds every file's. Somebody replaced the file after it
    was published, or the reference belongs to another release of the same tag.
    """

    name = "asset-altered"


class AssetRenamed(Failed):
    """GitHub stores a file under another name than it has.

    It replaces spaces and other characters in the names of assets, and the list would no longer fit. Choose a name of
    letters, digits, dots, dashes and underscores.
    """

    name = "asset-renamed"


class AssetDamaged(Failed):
    """What GitHub returns is not what was uploaded, on every attempt.

    Bytes were lost or changed on the way, or somebody else writes to the same draft. It is still a draft: nobody else
    saw it.
    """

    name = "asset-damaged"


class FolderOccupied(Misuse):
    """The folder for a download holds a file of the same name with other bytes.

    It usually is a release downloaded before. Nothing is overwritten: name an empty folder.
    """

    name = "folder-occupied"
