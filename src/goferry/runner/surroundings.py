"""The environment that programs started by a step get: the caller's, without what is the step's own."""

from __future__ import annotations

from collections.abc import Mapping

SECRETS = (
    "GOFERRY_SIGNING_KEY",
    "GOFERRY_SIGNING_PASSPHRASE",
    "GOFERRY_MINISIGN_KEY",
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


def for_programs(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` without inputs, Goferry's secrets, identity tokens and the runner's files.

    The go command runs tests of whoever opened the pull request; they find nothing here to write to or to send away.
    """
    return {name: value for name, value in environ.items() if name not in _OWN and not name.startswith("INPUT_")}
