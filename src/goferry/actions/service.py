"""What deploy and rollback share: where to, with which key, and what to report afterwards."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from goferry.actions import shared
from goferry.deploy import destination as places, past_deploys, serving
from goferry.deploy.deployment import Deployment, Foreseen, HostRecord
from goferry.deploy.options import Options
from goferry.kernel.errors import FleetSplit, GoferryError, RolledBack
from goferry.observe import summary
from goferry.observe.record import Run, RunTrend
from goferry.pipeline import delivery_figures, run_summary
from goferry.runner.job import Job

TREND = 30 * 86_400.0
"""Seconds of which the summary shows how deploys do."""


@contextlib.contextmanager
def place(job: Job) -> Iterator[places.Destination]:
    """Resolve where to: inputs, else the environment of goferry.yml; the key lies in a private file for the block.

    Raises:
        SecretMissing: there is no deploy key. And what `deploy.destination.resolve` raises.
    """
    with serving.untouched():
        directory = shared.directory(job)
        job.required_secret("GOFERRY_DEPLOY_KEY", "to reach the hosts")
    with job.secret_file("GOFERRY_DEPLOY_KEY") as identity, _known_hosts(job) as known_hosts:
        called = {identity: "the secret GOFERRY_DEPLOY_KEY", known_hosts: "the input known-hosts"}
        options = Options(
            target="ssh",
            hosts=job.inputs.lines("hosts", commas=True),
            identity=identity,
            known_hosts=known_hosts,
            on_silence=job.inputs.text("on-silence"),
            environment=job.inputs.text("environment"),
            directory=directory,
            project=job.inputs.text("project"),
            called={path: name for path, name in called.items() if path and path.is_relative_to(job.temp)},
        )
        with serving.untouched():
            found = places.resolve(options)
        yield found


@contextlib.contextmanager
def _known_hosts(job: Job) -> Iterator[Path | None]:
    """Yield the file of host keys: the input's path or lines, or None for the repository's own."""
    text = job.inputs.text("known-hosts")
    if not text:
        yield None
    elif " " not in text and "\n" not in text:
        yield job.inputs.path("known-hosts")
    else:
        job.temp.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="goferry-", dir=job.temp) as folder:
            path = Path(folder) / "known_hosts"
            path.write_text(text + "\n")
            yield path


_UNDONE: dict[type[GoferryError], str] = {RolledBack: "rolled-back", FleetSplit: "split"}


@contextlib.contextmanager
def reporting(job: Job) -> Iterator[None]:
    """Set the outputs of a deploy that was undone before its error ends the step."""
    try:
        yield
    except GoferryError as error:
        hosts = error.facts.get("hosts") or {}
        undone = next((outcome for kind, outcome in _UNDONE.items() if isinstance(error, kind)), "")
        job.set_output("outcome", undone or "failed")
        job.set_output("hosts", hosts)
        if undone:
            job.summary(summary.render(run_summary.of_undone(error.what.splitlines()[0], hosts), job.events))
        raise


def trend(job: Job, where: places.Destination, found: Deployment | Foreseen) -> RunTrend | None:
    """Return how deploys of the project do, this one among them; None where a host can't say, or nothing was done.

    A deploy that went well is not called a failure because of it.
    """
    if isinstance(found, Foreseen):
        return None
    now = time.time()
    try:
        past = past_deploys.read(where.target.sources(job.settings), project=found.project)
        past.raise_failure()
        figures = delivery_figures.figures(past.deploys, now=now, seconds=TREND)
        return next((run_summary.of_trend(each) for each in figures if each.project == found.project), None)
    except Exception as error:  # noqa: BLE001  a defect in here must not fail a deploy that went well either
        name = error.name if isinstance(error, GoferryError) else type(error).__name__
        job.say(f"how deploys do is not shown: {name}")
    return None


def outputs(
    job: Job, found: Deployment | Foreseen, *, back: bool = False, trend: RunTrend | None = None
) -> dict[str, object]:
    """Return the outputs of a deploy that went well, or of its dry run, and write the summary.

    `back`: it was a rollback, from which no further one leads on; else the summary shows the command of the way back.
    `trend`: how deploys do, for the summary.
    """
    if isinstance(found, Foreseen):
        _foreseen(job, found)
        return {"version": found.version, "previous": "", "outcome": "", "hosts": {}, "switch-ms": ""}
    hosts = {name: _without_services(host) for name, host in found.hosts.items()}
    job.summary(summary.render(replace(_run(job, found, back=back), trend=trend), job.events))
    job.say(f"{found.project} {found.version} is {found.outcome} on {len(hosts)} of {len(hosts)} hosts")
    return {
        "version": found.version,
        "previous": next((each.previous for each in found.services.values() if each.previous), ""),
        "outcome": str(found.outcome),
        "hosts": hosts,
        "switch-ms": "" if found.switch_ms is None else found.switch_ms,
    }


def _without_services(host: HostRecord) -> dict[str, object]:
    return {key: value for key, value in host.as_json().items() if key != "services"}


def _foreseen(job: Job, found: Foreseen) -> None:
    job.say("nothing was changed; it would do:")
    for host, plan in found.hosts.items():
        for change in plan.changes:
            job.say(f"  {host} {change.service}: {change.before or 'nothing'} → {change.to}")
    job.say(*(f"  {act.act} {', '.join(act.services)}" for act in found.acts))


def _run(job: Job, found: Deployment, *, back: bool) -> Run:
    environment = job.inputs.text("environment")
    if back:
        return run_summary.of_fleet(found, outcome="rolled-back", environment=environment)
    command = run_summary.way_back(found.project, environment, list(found.hosts), job.inputs.lines("services"))
    return run_summary.of_fleet(
        found, outcome=found.outcome, environment=environment, go_back="" if found.unchanged else command
    )
