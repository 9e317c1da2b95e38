"""Which job of a CI system this is: what a job made itself it may believe, what another left on the machine it may not.

So the identity is no other job's: a run that is repeated, another leg of a matrix, and the next job on the same machine
each have one of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from msgspec import Struct


class System(Struct, frozen=True):
    """A CI system: the variables that are all there in its jobs, and those that may be and tell them further apart."""

    names: tuple[str, ...]
    more: tuple[str, ...] = ()


SYSTEMS = (
    System(("GITHUB_RUN_ID", "GITHUB_JOB"), ("GITHUB_RUN_ATTEMPT", "GITHUB_REPOSITORY_ID", "RUNNER_TRACKING_ID")),
    System(("CI_JOB_ID",), ("CI_JOB_STARTED_AT", "CI_SERVER_URL")),
    System(("BUILDKITE_JOB_ID",), ("BUILDKITE_RETRY_COUNT",)),
    System(("CIRCLE_WORKFLOW_JOB_ID",), ("CIRCLE_NODE_INDEX",)),
    System(("JENKINS_URL", "BUILD_TAG"), ("BUILD_ID", "EXECUTOR_NUMBER", "NODE_NAME")),
    System(("SYSTEM_JOBID", "BUILD_BUILDID"), ("SYSTEM_COLLECTIONID", "SYSTEM_JOBATTEMPT")),
    System(("BITBUCKET_STEP_UUID",), ("BITBUCKET_BUILD_NUMBER", "BITBUCKET_STEP_RUN_NUMBER")),
    System(("TEAMCITY_VERSION", "BUILD_NUMBER"), ("TEAMCITY_BUILDCONF_NAME", "TEAMCITY_PROJECT_NAME")),
)
"""GitHub (docs, "Variables reference"; also Gitea and Forgejo; the runner's own variable tells legs of a matrix apart
and is new in each job), GitLab, Buildkite, CircleCI, Jenkins, Azure Pipelines, Bitbucket and TeamCity."""

_SAY_SO = ("CI", "GITHUB_ACTIONS", "TF_BUILD")
_NO = frozenset({"", "0", "false", "no", "off"})


def identity(environ: Mapping[str, str]) -> str:
    """Return what tells this job from every other one; empty where no system says that it runs a job."""
    system = _system(environ)
    if system is None:
        return ""
    told = {name: environ.get(name, "") for name in (*system.names, *system.more)}
    return json.dumps(told, separators=(",", ":"))


def running(environ: Mapping[str, str]) -> bool:
    """Whether a CI system runs this: it says so with a variable such as CI, or names the job."""
    return any(environ.get(name, "").strip().lower() not in _NO for name in _SAY_SO) or _system(environ) is not None


def _system(environ: Mapping[str, str]) -> System | None:
    return next((each for each in SYSTEMS if all(environ.get(name) for name in each.names)), None)
