"""The environment that programs started by a step get: the caller's, without what is the step's own."""

from __future__ import annotations

import re
from collections.abc import Mapping

SECRETS = (
    "GOFERRY_SIGNING_KEY",
    "GOFERRY_SIGNING_PASSPHRASE",
    "GOFERRY_MINISIGN_KEY",
    "GOFERRY_CACHE_KEY",
    "GOFERRY_DEPLOY_KEY",
    "GOFERRY_WEBHOOK_URL",
)
"""The secrets that the actions take through `env:`."""

_OWN = frozenset(
    {
        *SECRETS,
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "ACTIONS_RUNTIME_TOKEN",
        "GITHUB_OUTPUT",
        "GITHUB_ENV",
        "GITHUB_PATH",
        "GITHUB_STATE",
        "GITHUB_STEP_SUMMARY",
    }
)


_SECRET = re.compile(
    r"TOKEN|SECRET|PASS(WORD|PHRASE|WD)|CREDENTIAL|PRIVATE|AUTH(?!OR)|_KEY$|^KEY$|WEBHOOK|_DSN$", re.IGNORECASE
)
_LEAST = 6


def secret_values(environ: Mapping[str, str]) -> list[str]:
    """Return the values that the step was given under names that secrets have.

    GitHub masks the log and the summary, not the files of an artifact: what goes into one passes by these first.
    """
    return [value for name, value in environ.items() if _SECRET.search(name) and len(value.strip()) >= _LEAST]


def for_programs(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` without inputs, Goferry's secrets, identity tokens and the runner's files.

    The go command runs tests of whoever opened the pull request; they find nothing here to write to or to send away.
    """
    return {name: value for name, value in environ.items() if name not in _OWN and not name.startswith("INPUT_")}
