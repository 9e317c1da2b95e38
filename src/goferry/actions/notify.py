"""`actions/notify`: tells what failed, where, the last lines and what to type."""

from __future__ import annotations

from collections.abc import Mapping

from goferry.kernel.errors import GoferryError
from goferry.observe import notify
from goferry.observe.notify_shapes import SHAPES
from goferry.pipeline import notification
from goferry.runner.errors import InputInvalid
from goferry.runner.job import Job
from goferry.system.runner_variables import RunnerVariables

_WHEN = ("failure", "recovery", "always")


def run(job: Job) -> Mapping[str, object]:
    """Tell of the run by annotation and summary, and by the webhook where one is set; nothing of it fails the job.

    Raises:
        InputInvalid, NeedsInvalid: the action was called wrongly.
    """
    when = _one_of(job, "when", _WHEN) or "failure"
    shape = _one_of(job, "shape", tuple(SHAPES))
    jobs = notification.results(job.inputs.required("needs"))
    url, token = job.secret("GOFERRY_WEBHOOK_URL").strip(), job.inputs.text("token")
    job.mask(token)
    run_facts = _run(job)
    failures = notification.failures(job.inputs.path("failures"), jobs, [url, token]) if _given(job) else []
    message = notify.compose(run_facts, jobs, failures, recovered=_recovered(job, run_facts, jobs, when, token))
    _tell(job, message)
    wanted = _wanted(message, when) and bool(url) and not job.inputs.boolean("dry-run")
    sent = wanted and _send(job, message, url, shape)
    return {"sent": sent, "conclusion": message.conclusion}


def _given(job: Job) -> bool:
    return bool(job.inputs.text("failures"))


def _one_of(job: Job, name: str, allowed: tuple[str, ...]) -> str:
    value = job.inputs.text(name)
    if value and value not in allowed:
        raise InputInvalid(
            f"the input {name} is {value!r}",
            state="Nobody was told.",
            advice=[f"write one of  {', '.join(allowed)}"],
        )
    return value


def _run(job: Job) -> notify.WorkflowRun:
    about = job.context
    return notify.WorkflowRun(
        repository=about.repository,
        workflow=about.workflow,
        ref=about.ref_name,
        commit=about.sha,
        event=about.event_name,
        id=about.run_id,
        attempt=about.run_attempt or "1",
        url=about.run_url,
    )


def _recovered(job: Job, run: notify.WorkflowRun, jobs: Mapping[str, str], when: str, token: str) -> bool:
    """Whether this success follows a failure; asked only where the answer changes something."""
    if when == "failure" or {"failure", "cancelled"} & set(jobs.values()):
        return False
    found = notification.before(
        run,
        workflow_ref=RunnerVariables.of(job.environ).github_workflow_ref,
        api_url=job.api_url,
        token=token,
        environ=job.settings.environ,
    )
    if found.unknown:
        job.warning(f"The run before is not known, so a recovery can't be reported: {found.unknown}", title="notify")
    return found.failed


def _wanted(message: notify.Message, when: str) -> bool:
    return message.failed or when == "always" or (when == "recovery" and message.conclusion == "recovery")


def _tell(job: Job, message: notify.Message) -> None:
    sentence = notify.sentence(message)
    if message.failed:
        advice = [line for failure in message.failures[:1] for line in failure.advice] or notify.commands(message)
        job.error("\n".join([sentence, *advice]), title=f"run {message.conclusion}")
    else:
        job.notice(sentence, title=f"run {message.conclusion}")
    job.summary(notify.markdown(message), urgent=message.failed)


def _send(job: Job, message: notify.Message, url: str, shape: str) -> bool:
    try:
        chosen = notification.deliver(url, message, shape, job.settings.environ)
    except GoferryError as error:
        job.warning("\n".join([error.what, error.state, *error.advice]), title=error.name)
        return False
    job.say(f"told the webhook ({chosen})")
    return True
