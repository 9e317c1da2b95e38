"""Which job this is: what a job made itself it may believe, what another left on the same machine it may not."""

from __future__ import annotations

import json
from collections.abc import Mapping

JOBS: tuple[tuple[str, ...], ...] = (
    ("GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB", "RUNNER_TRACKING_ID"),
    ("CI_JOB_ID",),
    ("BUILDKITE_JOB_ID",),
    ("CIRCLE_WORKFLOW_JOB_ID",),
    ("BUILD_TAG",),
    ("SYSTEM_COLLECTIONID", "BUILD_BUILDID", "SYSTEM_JOBID", "SYSTEM_JOBATTEMPT"),
)
"""The variables that tell one job from another: of GitHub (docs, "Variables reference"; legs of a matrix differ in the
runner's own), GitLab, Buildkite, CircleCI, Jenkins and Azure Pipelines."""


def identity(environ: Mapping[str, str]) -> str:
    """Return what tells this job from every other one; empty where no system says that it runs a job."""
    for names in JOBS:
        if environ.get(names[0]):
            return json.dumps({name: environ.get(name, "") for name in names}, separators=(",", ":"))
    return ""
