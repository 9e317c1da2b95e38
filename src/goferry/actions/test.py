"""`actions/test`: go vet and go test, the gate before a build, as a step or a job of its own."""

from __future__ import annotations

from collections.abc import Mapping

from goferry.actions import shared
from goferry.config.context import Context
from goferry.gobuild import gate
from goferry.observe import summary
from goferry.observe.record import Run
from goferry.pipeline.run_summary import of_gate
from goferry.runner.job import Job


def run(job: Job) -> Mapping[str, object]:
    """Vet and test every package; nothing is built for other machines and nothing is written.

    Raises:
        VetFailed: `go vet` found something suspicious, or the source does not compile.
        TestsFailed: `go test` failed.
        And what `open_project` raises.
    """
    fresh, dry_run = job.inputs.boolean("fresh"), job.inputs.boolean("dry-run")
    with job.stream() as stream:
        opened = shared.opened(job, stream=stream)
        facts, config = opened.facts, opened.config
        shared.meaning(job, opened)
        if dry_run:
            fresh = fresh or gate.must_run(facts, job.settings.environ)
            job.say(*(" ".join(words) for words in gate.commands(facts, config, answers=gate.RUN if fresh else ())))
            return dict.fromkeys(("tests", "cached", "packages"), "")
        report = gate.test(Context(job.settings, stream), facts, config, opened.toolchain, fresh=fresh)
    run_record = Run(
        sentence=f"{facts.project} {facts.version}: {gate.sentence(report)}",
        commit=facts.commit,
        snapshot=facts.snapshot,
        dirty=facts.dirty,
        gate=of_gate(report),
    )
    job.summary(summary.render(run_record, job.events))
    job.say(*gate.lines(report))
    return {"tests": report.tests, "cached": report.cached, "packages": report.tested}
