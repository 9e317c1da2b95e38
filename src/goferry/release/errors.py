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
    """A text is not a valid reference to a release.

    A reference is `TAG@sha256:DIGEST` with the 64 hex digits of release.json's SHA-256, or that behind `OWNER/NAME@`.
    It is what `goferry release` prints; a tag alone would not say which bytes are meant.
    """

    name = "reference-invalid"


class RepositoryInvalid(Misuse):
    """A repository is not written as OWNER/NAME, or the address of its API is not valid.

    On a runner both come from GITHUB_REPOSITORY and GITHUB_API_URL; elsewhere name the repository with `--repository`.
    """

    name = "repository-invalid"


class TokenMissing(Misuse):
    """There is no token for GitHub's API, and this request needs one.

    Goferry reads it from GITHUB_TOKEN or GH_TOKEN, never from the command line. In a workflow give the step
    `env: {GITHUB_TOKEN: '${{ github.token }}'}`, or the action its input `token`.
    """

    name = "github-token-missing"


class TokenInvalid(Misuse):
    """GitHub does not accept the token (HTTP 401), or the text cannot be a token at all.

    Usual causes: the token has expired, was revoked, or was pasted with a line break. A job's own token ends with the
    job.
    """

    name = "github-token-invalid"


class PermissionMissing(Misuse):
    """The token is valid but not allowed to do this (HTTP 403, or 404 where GitHub hides what it refuses).

    Usual causes: the job has no `permissions:` block, or the workflow that calls it grants less, since a called
    workflow can only lower them. A pull request from a fork always gets a read-only token, whatever the workflow says.
    """

    name = "github-permission-missing"


class NotFound(Misuse):
    """GitHub has no such repository, or hides it from this token (HTTP 404).

    Usual causes: a typing error, a renamed repository, or a private one that the token has no access to.
    """

    name = "github-not-found"


class ThingMissing(Failed):
    """The repository exists, but what was requested from it does not (HTTP 404).

    Usual causes: a release, file or tag was removed in the meantime, or the token may read the repository but not this
    part of it.
    """

    name = "github-thing-missing"


class RateLimited(Unreachable):
    """GitHub asks to wait longer than Goferry does (HTTP 403 or 429 with a limit).

    Usual causes: many jobs share one token's hourly limit. The message says when the limit resets; what was uploaded
    stays, and the same command continues from there.
    """

    name = "github-rate-limited"


class GitHubFailing(Unreachable):
    """GitHub did not answer, or answered with a server error, on every attempt.

    Usual causes: an outage at GitHub or in the network between. What was uploaded stays in the draft, and the same
    command continues from there.
    """

    name = "github-failing"


class GitHubUnexpected(Failed):
    """GitHub rejected a request for a reason that Goferry does not know.

    Usual causes: a rule of the repository or the organisation, such as one that protects tags. The message quotes
    GitHub.
    """

    name = "github-unexpected"


class TagMissing(Misuse):
    """The repository on GitHub has no such tag.

    Usual causes: the tag was made on this machine and not pushed. Goferry never makes one: with a tag, a person says
    that a commit is a release.
    """

    name = "tag-missing"


class TagMismatch(Misuse):
    """The tag does not name the version that was sealed.

    The tag is the version itself, or ends in a slash and the version where a repository holds several modules.
    """

    name = "tag-mismatch"


class TagMoved(Refused):
    """The tag on GitHub points to another commit than the one that was built.

    Usual causes: somebody moved the tag after the build began, or the folder was built from something else.
    """

    name = "tag-moved"


class ReleaseDiffers(Refused):
    """This tag is already published, with different content.

    Published files never change: nobody could tell the two apart. Usual causes: a second run whose build differs, with
    another toolchain or from a moved tag. Publish the first run's folder, or release the next version.
    """

    name = "release-differs"


class ReleaseIncomplete(Refused):
    """This tag is already published, and files are missing there.

    Usual causes: files were removed; or the release is immutable and can't be completed, because somebody, or a program
    such as release-please, published it before Goferry had uploaded everything. Let that program make a draft, which
    Goferry fills and publishes.
    """

    name = "release-incomplete"


class DraftOfOthers(Refused):
    """Somebody else started the tag's draft, and it holds files that are not part of this release.

    Goferry fills in drafts that people wrote a text for, but removes only files of drafts that it made itself.
    """

    name = "draft-of-others"


class DraftsAmbiguous(Refused):
    """The tag has several drafts, and somebody else started more than one of them.

    Two people or programs prepared the same release. Only a person can say which text to use.
    """

    name = "drafts-ambiguous"


class ReleaseTooLarge(Misuse):
    """GitHub would not accept the files as a release: it allows at most 1000, each smaller than 2 GiB.

    Usual causes: a binary with embedded data, or many targets with an archive each (`archives` in goferry.yml).
    """

    name = "release-too-large"


class ReleaseMissing(Failed):
    """The repository has no published release of this tag.

    Usual causes: the release is still a draft, was deleted, or is in another repository: a reference can begin with
    `OWNER/NAME@`.
    """

    name = "release-missing"


class AssetMissing(Failed):
    """A release lacks a file that its release.json lists.

    Usual causes: somebody removed the file from the release, or the upload never finished.
    """

    name = "asset-missing"


class AssetAltered(Refused):
    """A file of a release is not the one that the reference leads to.

    The reference has the digest of release.json, and release.json has that of every file. Usual causes: somebody
    replaced the file after it was published, or the reference belongs to another release of the same tag.
    """

    name = "asset-altered"


class AssetRenamed(Failed):
    """GitHub stores a file under a different name.

    It replaces spaces and other characters in the names of assets, and the list would no longer fit. Choose a name of
    letters, digits, dots, dashes and underscores.
    """

    name = "asset-renamed"


class AssetDamaged(Failed):
    """GitHub returned different content from what was uploaded, on every attempt.

    Usual causes: bytes were lost or changed on the way, or somebody else writes to the same draft. It is still a draft,
    so nobody else saw it.
    """

    name = "asset-damaged"


class FolderOccupied(Misuse):
    """The download folder holds a file of the same name with different content.

    Usual causes: a release that was downloaded before. Nothing is overwritten: name an empty folder.
    """

    name = "folder-occupied"
