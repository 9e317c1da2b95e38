"""Which job of a CI system this is: a job believes what it made itself, not what others left on the machine.

So each job has an identity of its own: also a run that is repeated, another leg of a matrix, and the next job on the
same machine.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from goferry.kernel.files import write_atomically


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

_CLAIMS = "claims"
_SAY_SO = ("CI", "GITHUB_ACTIONS", "TF_BUILD")
_NO = frozenset({"", "0", "false", "no", "off"})


def identity(environ: Mapping[str, str]) -> str:
    """Return what tells this job from every other one; empty where no system says that it runs a job."""
    system = _system(environ)
    if system is None:
        return ""
    job_id = {name: environ.get(name, "") for name in (*system.names, *system.more)}
    return json.dumps(job_id, separators=(",", ":"))


def running(environ: Mapping[str, str]) -> bool:
    """Whether a CI system runs this: it says so with a variable such as CI, or names the job."""
    return any(environ.get(name, "").strip().lower() not in _NO for name in _SAY_SO) or _system(environ) is not None


def claim(cache: Path, environ: Mapping[str, str], what: Mapping[str, str]) -> None:
    """Note in Goferry's own cache that this very job made or hashed something; outside of jobs nothing is noted.

    Raises:
        OSError: it can't be noted.
    """
    job_id = identity(environ)
    if job_id:
        path = _claimed(cache, what)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, job_id.encode(), mode=0o600)


def claimed(cache: Path, environ: Mapping[str, str], what: Mapping[str, str]) -> bool:
    """Whether this very job noted it, and nothing ran since that could have changed it."""
    job_id = identity(environ)
    try:
        return bool(job_id) and _claimed(cache, what).read_bytes() == job_id.encode()
    except OSError:
        return False


def doubt(cache: Path) -> None:
    """Forget what this job noted: what runs now, tests for instance, could change any of it."""
    shutil.rmtree(cache / _CLAIMS, ignore_errors=True)


def _claimed(cache: Path, what: Mapping[str, str]) -> Path:
    text = json.dumps(dict(sorted(what.items())), separators=(",", ":"))
    return cache / _CLAIMS / hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _system(environ: Mapping[str, str]) -> System | None:
    return next((each for each in SYSTEMS if all(environ.get(name) for name in each.names)), None)
