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
    """A required input of an action is empty.

    Usual causes: it is missing under `with:`, or its expression evaluates to an empty string, as an output of a skipped
    job does. GitHub itself does not enforce `required`.
    """

    name = "input-missing"


class InputInvalid(Misuse):
    """The value of an action's input does not match its type.

    Usual causes: a boolean other than YAML 1.2's `true` and `false`, or a path that contains a line break.
    """

    name = "input-invalid"


class RunnerFileMissing(Misuse):
    """A file that the runner provides to every step, such as the one in GITHUB_OUTPUT, does not exist.

    Usual causes: the action was started by hand, or in a container that does not mount the runner's files.
    """

    name = "runner-file-missing"


class RunnerValueRefused(Misuse):
    """A name or value can't be passed to the runner, because the runner would read it as something else.

    Usual causes: a folder name with a line break, or text made to add lines to the runner's files.
    """

    name = "runner-value-refused"


class SecretMissing(Misuse):
    """A secret that the action needs is empty.

    Usual causes: a secret of an environment in a workflow of another owner, which GitHub never passes on; a pull
    request from a fork, which gets no secrets; or a missing `env:` line.
    """

    name = "secret-missing"


class OidcPermissionMissing(Misuse):
    """The job may not request an OpenID Connect token.

    Usual causes: `id-token: write` is missing from its `permissions:`, or from those of the job that calls the
    workflow. Pull requests from forks never get it.
    """

    name = "oidc-permission-missing"


class OidcUnavailable(Unreachable):
    """GitHub's token issuer did not answer, or its answer had no token.

    This usually passes: run the job again. Status 401 or 403 means that the request token has expired.
    """

    name = "oidc-unavailable"
