"""Where GitHub is and with which token, from the surroundings; shared by the commands that talk to it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from goferry.kernel.errors import Misuse
from goferry.system.runner_variables import RunnerVariables

if TYPE_CHECKING:
    from goferry.release import GitHub

repository_option = click.option(
    "--repository", default="", metavar="OWNER/NAME", help="The repository on GitHub; else GITHUB_REPOSITORY."
)


def github(repository: str) -> GitHub:
    """Return the repository with the surroundings' token: GITHUB_TOKEN, else GH_TOKEN.

    Raises:
        Misuse: when no repository is named.
        RepositoryInvalid, TokenInvalid: see GitHub.
    """
    from goferry.release import GitHub

    given = RunnerVariables.of(os.environ)
    name = repository or given.github_repository
    if not name:
        raise Misuse("no repository was named", advice=["name it:  --repository OWNER/NAME"])
    return GitHub(
        name,
        token=(given.github_token or given.gh_token).strip(),
        api_url=given.api,
        server_url=given.server,
    )
