"""`actions/deploy`: a verified release into service on the hosts of an environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from goferry import deploy
from goferry.actions import service, shared
from goferry.config.context import Context
from goferry.deploy import serving
from goferry.kernel import trustfile
from goferry.observe.events import Stream
from goferry.runner.job import Job
from goferry.trust.verification import check_release


def run(job: Job) -> Mapping[str, object]:
    """Bring the release to every host; the hosts verify it, switch, and go back when it is not well."""
    with service.reporting(job), service.place(job) as where, job.stream() as stream:
        with serving.untouched():
            dist = shared.release_folder(job, stream=stream)
            _check(job, dist, stream)
        record = deploy.deploy(
            dist,
            where.target,
            services=job.inputs.lines("services"),
            settings=job.settings,
            stream=stream,
            dry_run=job.inputs.boolean("dry-run"),
            accepts=where.accepts,
            uncommitted=where.uncommitted,
        )
        trend = service.trend(job, where, record)
    return service.outputs(job, record, trend=trend)


def _check(job: Job, dist: Path, stream: Stream) -> None:
    """Refuse here what the hosts would refuse, where the workspace has a trust file; they judge by their own anyway."""
    path = job.inputs.path("trust", "goferry.trust")
    if path.is_file():
        check_release(Context(job.settings, stream), dist, trustfile.load(path))
