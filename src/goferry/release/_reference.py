"""A release's reference: which bytes are meant, in one line that one job can hand to the next.

    v1.4.0@sha256:<64 hex digits>                 a release of this repository
    acme/shop@v1.4.0@sha256:<64 hex digits>       one of another

The digest is the SHA-256 of `release.json`, which lists every other file with its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from goferry.artifacts.schemes import valid_tag
from goferry.release.errors import ReferenceInvalid

_REPOSITORY = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,38}/[0-9A-Za-z._-]{1,100}")
_DIGEST = re.compile("[0-9a-f]{64}")
_LONGEST = 512


@dataclass(frozen=True)
class Reference:
    """A release: its tag, the SHA-256 of its release.json (64 hex digits), and `OWNER/NAME` or an empty text."""

    tag: str
    digest: str
    repository: str = ""

    def __str__(self) -> str:
        return format(self.tag, self.digest, self.repository)


def format(tag: str, digest: str, repository: str = "") -> str:  # noqa: A001  the module's name makes it clear
    """Return the reference's text; the inverse of `parse`."""
    return f"{repository + '@' if repository else ''}{tag}@sha256:{digest}"


def parse(text: str) -> Reference:
    """Read a reference.

    Raises:
        ReferenceInvalid: when it is not one.
    """
    head, _, digest = text.rpartition("@sha256:") if len(text) <= _LONGEST else ("", "", "")
    repository, _, tag = head.rpartition("@")
    good = valid_tag(tag) and _DIGEST.fullmatch(digest) and (not repository or valid_repository(repository))
    if not good or ("@" in head and not repository):
        raise ReferenceInvalid(
            f"{text[:200]!a} is not the reference of a release",
            advice=["write it as  v1.4.0@sha256:DIGEST  or  OWNER/NAME@v1.4.0@sha256:DIGEST"],
        )
    return Reference(tag, digest, repository)


def valid_repository(text: str) -> bool:
    """Whether the text is an `OWNER/NAME` that GitHub would allow."""
    return bool(_REPOSITORY.fullmatch(text)) and text.rpartition("/")[2] not in (".", "..")
