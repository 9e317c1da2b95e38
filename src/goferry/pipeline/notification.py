"""Telling the team: the facts of a run gathered, the run before asked for, the message sent to a webhook.

The order is fixed: what is known without a network comes first (annotation, summary), so that a webhook or an API
that fails hides nothing.
"""

from __future__ import annotations

import io
import json
import random
import re
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

from goferry.kernel.digits import number
from goferry.kernel.errors import Failed, GoferryError, Misuse, printable
from goferry.observe import failed_step, notify, notify_shapes
from goferry.observe.failed_step import FailedStep
from goferry.system import http
from goferry.system.certificates import CertificateUntrusted

_FILES = 50
_FILE = 256 << 10
_FOLDER = "goferry-failure-"
_CALL = re.compile(r"-goferry(-[0-9]+)?$")
"""What ends the names of a called workflow's artifacts: which of several calls it was."""
_ATTEMPTS = 4
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_BAD = frozenset({"failure", "timed_out", "startup_failure"})
_WORKFLOW = re.compile(r"[\w.-]+/[\w.-]+/\.github/workflows/([\w.-]+\.ya?ml)@")


class NeedsInvalid(Misuse):
    """The results of the jobs that a notification reports on can't be read.

    Usual causes: an input `needs` that is not `${{ toJSON(needs) }}`, or a job without `needs:`.
    """

    name = "needs-invalid"


class WebhookFailed(Failed):
    """The notification of a run did not reach the webhook.

    Usual causes: an address that was revoked or copied incompletely, or a service that is down. The run's own result
    does not change: this is only a warning.
    """

    name = "webhook-failed"


class _Need(Struct, frozen=True):
    """A job of GitHub's `needs` context, as far as it matters here."""

    result: str


class _Ended(Struct, frozen=True):
    """A run or an attempt as GitHub's API describes it: `conclusion` is null until it ended."""

    conclusion: str | None
    id: int = 0


class _Runs(Struct, frozen=True):
    """A page of runs, the newest first."""

    workflow_runs: tuple[_Ended, ...]


class Before(Struct, frozen=True):
    """What is known of the run before: its conclusion, or why it could not be asked for."""

    conclusion: str = ""
    unknown: str = ""

    @property
    def failed(self) -> bool:
        """Whether it failed."""
        return self.conclusion in _BAD


def results(needs: str) -> dict[str, str]:
    """Return job → result of GitHub's `needs` context as JSON.

    Raises:
        NeedsInvalid: it is not that.
    """
    try:
        jobs = {name: need.result for name, need in msgspec.convert(json.loads(needs), dict[str, _Need]).items()}
    except (ValueError, RecursionError) as error:
        raise NeedsInvalid(
            f"needs is not the context of that name as JSON: {printable(needs, 80)!r}",
            state="Nobody was told.",
            advice=["write  needs: ${{ toJSON(needs) }}  and let the job need those that it reports on"],
        ) from error
    if not jobs:
        raise NeedsInvalid("needs names no job", state="Nobody was told.", advice=["give the job a  needs:  list"])
    return jobs


def failures(folder: Path, jobs: Mapping[str, str], secrets: Sequence[str] = ()) -> list[notify.DeliveryFailure]:
    """Return what failed steps left in `folder`, the artifacts goferry-failure-JOB… below it or one alone flat in it.

    What is not a small regular file of JSON is passed over: a message is made of what there is.
    """
    found = []
    for path in [*sorted(folder.glob("*/failure.json"))[:_FILES], folder / "failure.json"]:
        if step := _step(path):
            job = _only_bad(jobs) if path.parent == folder else _job_of(path.parent.name, jobs)
            found.append(notify.DeliveryFailure.of(step, job, secrets))
    return found


def _step(path: Path) -> FailedStep | None:
    try:
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > _FILE or path.parent.is_symlink():
            return None
        return failed_step.read(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _job_of(artifact: str, jobs: Mapping[str, str]) -> str:
    """Return the job that an artifact's name begins with, else the rest of the name (a called workflow's job)."""
    rest = _CALL.sub("", artifact.removeprefix(_FOLDER))
    owners = [job for job in jobs if rest == job or rest.startswith(f"{job}-")]
    return max(owners, key=len, default=rest)


def _only_bad(jobs: Mapping[str, str]) -> str:
    """Return the failed job when there is only one: a single artifact arrives without its name."""
    bad = [name for name, result in jobs.items() if result == "failure"]
    return bad[0] if len(bad) == 1 else ""


def before(
    run: notify.WorkflowRun,
    *,
    workflow_ref: str,
    api_url: str,
    token: str,
    environ: Mapping[str, str],
    wait: float = 0.5,
) -> Before:
    """Ask GitHub how the run before of the same workflow and branch ended; the token needs `actions: read`.

    An earlier attempt of the same run counts first. `workflow_ref` is GITHUB_WORKFLOW_REF.
    """
    if not token:
        return Before(unknown="there is no token to ask GitHub with")
    base = f"{api_url.rstrip('/')}/repos/{run.repository}/actions"
    attempt = number(run.attempt) or 1
    found = _WORKFLOW.match(workflow_ref)
    if attempt > 1:
        address = f"{base}/runs/{quote(run.id)}/attempts/{attempt - 1}"
    elif found:
        query = f"branch={quote(run.ref, safe='')}&status=completed&per_page=20&exclude_pull_requests=true"
        address = f"{base}/workflows/{quote(found[1])}/runs?{query}"
    else:
        return Before(unknown="the runner does not say which workflow this is")
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
    try:
        answer = http.Client(environ, wait=wait).get(address, limit=8 << 20, headers=headers)
        if answer.status in {401, 403, 404}:
            return Before(
                unknown=f"GitHub answered HTTP {answer.status}: the job lacks  permissions: {{actions: read}}"
            )
        answered = json.loads(answer.body)
        if attempt > 1:
            return Before(msgspec.convert(answered, _Ended).conclusion or "")
        return Before(_newest(msgspec.convert(answered, _Runs), run.id))
    except GoferryError as error:
        return Before(unknown=error.what)
    except (ValueError, RecursionError):
        return Before(unknown="GitHub's answer could not be read")


def _newest(runs: _Runs, own: str) -> str:
    """Return the conclusion of the newest other run that came to one; cancelled and skipped runs say nothing."""
    answered = [run.conclusion or "" for run in runs.workflow_runs if str(run.id) != own]
    return next((conclusion for conclusion in answered if conclusion in _BAD | {"success"}), "")


def deliver(url: str, message: notify.Message, shape: str, environ: Mapping[str, str], *, wait: float = 1.0) -> str:
    """Send a message, with a few repetitions where that may help; return the shape that was sent.

    Args:
        url: a secret: no error names more of it than its host. https, or http on the loopback.
        message: what to send.
        shape: `json`, `slack`, `teams`, or empty for what the address asks for.
        environ: proxies and certificates.
        wait: seconds before the second attempt; doubled for each further one.

    Raises:
        WebhookFailed: the address is not one, or the message was not taken.
    """
    host = _checked(url)
    chosen = shape or notify_shapes.shape_of(url)
    body = notify_shapes.encoded(notify_shapes.SHAPES[chosen](message))
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    client = http.Client(environ, timeout=10.0)
    problem = ""
    for attempt in range(_ATTEMPTS):
        status, problem, pause = _attempt(client, url, body, headers)
        if not problem:
            return chosen
        if status and status not in _AGAIN:
            raise _failed(host, problem)
        if attempt + 1 < _ATTEMPTS:
            time.sleep(min(10.0, pause or wait * 2**attempt * random.uniform(0.8, 1.2)))  # noqa: S311  jitter
    raise _failed(host, f"{problem}, {_ATTEMPTS} times")


def _attempt(client: http.Client, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, float]:
    """Return the status (0: no answer), what went wrong (empty: nothing), and how long the service wants to wait."""
    try:
        answer = client.send("POST", url, body=io.BytesIO(body), headers=headers)
    except http.ServerUnreachable:
        return 0, "did not answer", 0.0
    except CertificateUntrusted:
        return 1, "has a certificate that this machine does not trust", 0.0
    except GoferryError:
        return 1, "gave an answer that could not be read", 0.0
    pause = float(number(answer.headers.get("retry-after", "")) or 0)
    if 200 <= answer.status < 300:
        return answer.status, "", 0.0
    reason = printable(" ".join(answer.body[:200].decode("utf-8", "replace").split()), 100)
    return answer.status, f"answered HTTP {answer.status}" + (f" ({reason})" if reason else ""), pause


def _checked(url: str) -> str:
    """Return the host of an address that may be used."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    local = parts.scheme == "http" and host in _LOOPBACK
    if not host or any(ord(each) <= 32 or ord(each) == 127 for each in url) or not (parts.scheme == "https" or local):
        raise WebhookFailed(
            "GOFERRY_WEBHOOK_URL is not an https address",
            state="The run's result is not touched.",
            advice=["copy the whole address, which begins with https://, into the secret"],
        )
    return host


def _failed(host: str, problem: str) -> WebhookFailed:
    return WebhookFailed(
        f"{printable(host, 100)} {problem}",
        state="The run's result is not touched.",
        advice=["is the webhook still there?  make a new one and store its address in the secret GOFERRY_WEBHOOK_URL"],
    )
