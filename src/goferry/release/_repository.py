"""Which repository, where its API is, and with which token."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from goferry.release._reference import valid_repository
from goferry.release.errors import RepositoryInvalid, TokenInvalid
from goferry.system import urls

_TOKEN = re.compile("[!-~]*")


@dataclass(frozen=True)
class GitHub:
    """A repository on GitHub or a GitHub Enterprise Server.

    Attributes:
        repository: `OWNER/NAME`.
        token: of the job or a person; empty: public repositories can be read. Never shown.
        api_url: the REST API's address, GITHUB_API_URL on a runner.
        server_url: where people look at it, GITHUB_SERVER_URL.

    Raises:
        RepositoryInvalid, TokenInvalid: when a part cannot be what it is called.
    """

    repository: str
    token: str = field(default="", repr=False)
    api_url: str = "https://api.github.com"
    server_url: str = "https://github.com"

    def __post_init__(self) -> None:
        if not valid_repository(self.repository):
            raise RepositoryInvalid(f"{self.repository[:200]!a} is not a repository", advice=["write it as OWNER/NAME"])
        if not _TOKEN.fullmatch(self.token):
            raise TokenInvalid(
                "the token holds white space or other characters that no token has",
                advice=["store the secret again, without a line break"],
            )
        try:
            plain = urls.parse(self.api_url).username is None
        except urls.AddressInvalid:
            plain = False
        if not plain:
            raise RepositoryInvalid("the API's address is not an http or https address without a user")

    def takes(self, url: str) -> bool:
        """Whether the token may be sent to `url`, which the API named for uploads.

        That is the API's own host, or its neighbour: `uploads.github.com` beside `api.github.com`.
        """
        try:
            api, other = urls.parse(self.api_url), urls.parse(url)
        except urls.AddressInvalid:
            return False
        if other.scheme not in ("https", api.scheme) or other.username is not None:
            return False
        host, site = other.hostname or "", (api.hostname or "").removeprefix("api.")
        return host == api.hostname or (site != api.hostname and host in (site, f"uploads.{site}"))
