"""A look at GitHub before anything is built: whether the tag's release is one that takes no file any more."""

from __future__ import annotations

from goferry.config.settings import Settings
from goferry.kernel.checksums import LIST
from goferry.release._api import Api
from goferry.release._inventory import UPLOADED
from goferry.release._release_plan import incomplete
from goferry.release._repository import GitHub


def refuse_closed(tag: str, github: GitHub, *, settings: Settings) -> None:
    """Refuse a tag whose release is published, immutable, and without a list of ours.

    Raises:
        ReleaseIncomplete: it is.
        TokenInvalid, PermissionMissing, NotFound, RateLimited, GitHubFailing, GitHubUnexpected: see `Api`.
    """
    api = Api(github, settings)
    found = api.published(tag)
    if not found or not found.immutable:
        return
    if LIST not in {asset.name for asset in api.assets(found.id) if asset.state == UPLOADED}:
        raise incomplete(tag, found, [LIST])
