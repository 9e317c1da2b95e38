"""What a provisioned host takes of a project, whatever its clients say: judged here, of what was verified here."""

from __future__ import annotations

from goferry.kernel.errors import Refused, printable
from goferry.kernel.hostfile import Policy
from goferry.kernel.manifest import Manifest
from goferry.kernel.outcomes import SnapshotRefused


class EnvironmentRefused(Refused):
    """The host serves other environments of the project than the one being deployed.

    Usual causes: `--host` names a host of another environment, or `--environment` was left out.
    """

    name = "environment-refused"


def judge(policy: Policy | None, release: Manifest) -> None:
    """Refuse a release that the host does not take; without a policy it takes every signed one.

    Raises:
        SnapshotRefused: as it says.
    """
    if policy is None or policy.accepts != "releases" or not release.why_no_release:
        return
    raise SnapshotRefused(
        f"this host takes releases; {release.project} {release.version} is {release.why_no_release}",
        state="Nothing was changed.",
        advice=[
            "tag the commit, push the tag and deploy what that builds",
            "a host for development takes snapshots:  goferry provision HOST --accepts snapshots",
        ],
    )


def judge_environment(policy: Policy | None, environment: str) -> None:
    """Refuse a client that means another environment; one that says none is refused where the host names any.

    Raises:
        EnvironmentRefused: as it says.
    """
    if policy is None or not policy.environments or environment in policy.environments:
        return
    asked_for = f"for {printable(environment, 80)}" if environment else "for no environment"
    raise EnvironmentRefused(
        f"this host serves {', '.join(policy.environments)}; the deploy is {asked_for}",
        state="Nothing was changed.",
        advice=[f"say it:  --environment {policy.environments[0]}"],
    )


def as_record(policy: Policy | None) -> dict[str, object] | None:
    """Return what `hello` and `status` say of it; JSON types, None without one."""
    if policy is None:
        return None
    return {"accepts": policy.accepts, "environments": list(policy.environments), "keep": policy.keep}
