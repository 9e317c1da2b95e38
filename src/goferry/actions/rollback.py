"""`actions/rollback`: a version of before, from what the hosts hold."""

from __future__ import annotations

from collections.abc import Mapping

from goferry import deploy
from goferry.actions import service
from goferry.runner.job import Job


def run(job: Job) -> Mapping[str, object]:
    """Bring the version `to`, else the version before, back on every host, without an upload."""
    with service.reporting(job), service.place(job) as where, job.stream() as stream:
        record = deploy.rollback(
            where.target,
            to=job.inputs.text("to"),
            services=job.inputs.lines("services"),
            project=job.inputs.text("project") or where.project,
            settings=job.settings,
            stream=stream,
            dry_run=job.inputs.boolean("dry-run"),
        )
        trend = service.trend(job, where, record)
    return service.outputs(job, record, back=True, trend=trend)
