"""What can go wrong between an action and the runner that started it.

Misuse
├── InputMissing             a required input is empty
├── InputInvalid             an input is not what its type allows
├── RunnerFileMissing        no GITHUB_OUTPUT, GITHUB_ENV or GITHUB_PATH
├── RunnerValueRefused       a name or value that would mean something else to the runner
├── SecretMissing            a secret arrived empty
└── OidcPermissionMissing    the job may not ask for an identity token
Unreachable
└── OidcUnavailable          the issuer did not answer, or not with a token

All but the last are the workflow's: nothing was started.
"""

from __future__ import annotations

from goferry.kernel.errors import Misuse, Unreachable


class InputMissing(Misuse):
    """An action's required input is empty.

    It usually was left out under `with:`, or an expression in it came out empty, as an output of a skipped job does.
    GitHub itself does not enforce `required`.
    """

    name = "input-missing"


class InputInvalid(Misuse):
    """An action's input is not what its type allows.

    It usually is a boolean other than YAML 1.2's `true` and `false`, or a path that holds a line break.
    """

    name = "input-invalid"


class RunnerFileMissing(Misuse):
    """A file that the runner gives every step, such as the one that GITHUB_OUTPUT names, is not there.

    It usually means that the action was started by hand, or in a container that does not mount the runner's files.
    """

    name = "runner-file-missing"


class RunnerValueRefused(Misuse):
    """A name or value can't be handed to the runner, because it would be read as something else.

    It usually is a folder's name with a line break, or text made to add lines to the runner's files.
    """

    name = "runner-value-refused"


class SecretMissing(Misuse):
    """A secret that the action needs arrived empty.

    It usually is a secret of an environment in a workflow of another owner, which GitHub never passes on; a pull
    request from a fork, which gets no secrets; or an `env:` line that is missing.
    """

    name = "secret-missing"


class OidcPermissionMissing(Misuse):
    """The job may not request an OpenID Connect token.

    It usually lacks `id-token: write` under its `permissions:`, or under those of the job that calls the workflow; pull
    requests from forks never get it.
    """

    name = "oidc-permission-missing"


class OidcUnavailable(Unreachable):
    """GitHub's token issuer did not answer, or its answer held no token.

    It usually passes: run the job again. An answer with status 401 or 403 means that the request token has expired.
    """

    name = "oidc-unavailable"
