"""The message that a team gets about a run: which jobs failed and why, the last lines, what to type.

Pure. The shapes that services take (JSON, Slack, Teams) are in observe.notify_shapes, the sending is in
pipeline.notification.

    message = notify.compose(run, needs={"build": "failure"}, failures=[Failure(job="build", error="tests-failed", …)])
    notify.sentence(message)  →  acme/shop: Release failed on v1.4.0: build (tests-failed)

Everything in a message is printable (kernel.errors.printable), bounded, and without the secrets that `redact` knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import asdict

from goferry.kernel.digits import number
from goferry.kernel.errors import printable
from goferry.observe.failed_step import FailedStep
from goferry.observe.markdown import code, escape, fence, table

LINES = 15
"""How many of a failure's last lines are shown."""
FAILURES = 10
"""How many failures are shown in full."""
ICONS = {"failure": "❌", "cancelled": "🚫", "success": "✅", "recovery": "💚"}
_WORDS = {"failure": "failed", "cancelled": "was cancelled", "success": "succeeded", "recovery": "works again"}
_BAD = frozenset({"failure", "cancelled"})
_SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY[A-Z ]*-----.*?(?:-----END [A-Z ]*-----|\Z)"  # PEM, OpenSSH, OpenPGP
    r"|\b(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{16,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user:password in an address
    r"|(?i:(?<=bearer )|(?<=basic ))[A-Za-z0-9._~+/=-]{12,}"
    r"|\bRWRTY0Iy[A-Za-z0-9+/=]{20,}",  # a minisign secret key
    re.DOTALL,
)


class WorkflowRun(Struct, frozen=True):
    """The run that the message is about: `repository` as owner/name, `commit` in full, `url` its page."""

    repository: str = ""
    workflow: str = ""
    ref: str = ""
    commit: str = ""
    event: str = ""
    id: str = ""
    attempt: str = "1"
    url: str = ""


class DeliveryFailure(Struct, frozen=True):
    """A failed step as the message has it (observe.failed_step), each text bounded; `job` is the one that it ran in."""

    job: str = ""
    action: str = ""
    stage: str = ""
    error: str = ""
    what: str = ""
    state: str = ""
    advice: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    @classmethod
    def of(cls, step: FailedStep, job: str, secrets: Sequence[str] = ()) -> DeliveryFailure:
        """Return what the message says of an untrusted step: printable, bounded, and without the given secrets."""

        def text(value: str, limit: int) -> str:
            return redact(printable(value, limit), secrets)

        def texts(values: Sequence[str], most: int) -> tuple[str, ...]:
            # As one text, since a private key is known by its first and its last line.
            joined = redact("\n".join(printable(value, 300) for value in values[-most:]), secrets)
            return tuple(joined.split("\n")) if values else ()

        return cls(
            job=printable(job, 100),
            error=text(step.error, 100),
            what=text(step.what, 1500),
            state=text(step.state, 500),
            advice=texts(step.advice, 8),
            stage=text(step.stage, 200),
            lines=texts(step.lines, LINES),
            action=text(step.action, 100),
        )


class Message(Struct, frozen=True):
    """What the message says.

    Attributes:
        conclusion: `failure`, `cancelled`, `success`, or `recovery` (a success after a failure).
        jobs: name → result: `success`, `failure`, `cancelled` or `skipped`.
        failures: of failed jobs, in the jobs' order.
        lost: failed jobs that left no word.
    """

    run: WorkflowRun
    conclusion: str
    jobs: Mapping[str, str] = field(default_factory=dict)
    failures: tuple[DeliveryFailure, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the run needs attention."""
        return self.conclusion in _BAD


def compose(
    run: WorkflowRun, needs: Mapping[str, str], failures: Sequence[DeliveryFailure] = (), *, recovered: bool = False
) -> Message:
    """Return the message of a run.

    Args:
        run: which one.
        needs: job → result, as GitHub's `needs` context has them.
        failures: what failed steps left, from this attempt or an earlier one of the same run.
        recovered: whether the run before of the same workflow and branch failed.
    """
    run = WorkflowRun(**{key: printable(value, 300) for key, value in asdict(run).items()})
    jobs = {printable(name, 100): printable(result, 30) for name, result in needs.items()}
    bad = [name for name, result in jobs.items() if result in _BAD]
    owned = [failure for failure in failures if failure.job in bad]
    # A job of a called workflow is not among the needs; its word counts only where a failed job gave none itself.
    silent = [name for name in bad if name not in {failure.job for failure in owned}]
    foreign = [failure for failure in failures if failure.job not in jobs] if silent else []
    told = list(dict.fromkeys([*owned, *foreign]))  # legs of a matrix that failed alike are shown once
    order = {name: index for index, name in enumerate(jobs)}
    told.sort(key=lambda failure: order.get(failure.job, len(order)))
    lost = [name for name in silent if jobs[name] == "failure"] if not foreign else []
    return Message(run, _conclusion(jobs, recovered=recovered), jobs, tuple(told), tuple(lost))


def _conclusion(jobs: Mapping[str, str], *, recovered: bool) -> str:
    results = set(jobs.values())
    if "failure" in results:
        return "failure"
    if "cancelled" in results:
        return "cancelled"
    return "recovery" if recovered else "success"


def redact(text: str, secrets: Sequence[str] = ()) -> str:
    """Return text without the given secrets, and without what looks like a private key, a token or a password."""
    # Its lines, too, as logs show them one by one. The longest first, since one may contain another.
    for secret in sorted({part for whole in secrets for part in (whole, *whole.splitlines())}, key=len, reverse=True):
        # A shorter one is in every other word, and would blank out the message.
        if len(secret.strip()) >= 4:
            text = text.replace(secret.strip(), "***")
    return _SECRETS.sub("***", text)


def sentence(message: Message) -> str:
    """Return the message in one sentence."""
    run = message.run
    words = f"{run.repository}: {run.workflow or 'the workflow'} {_WORDS[message.conclusion]}".strip(": ")
    where = f" on {run.ref}" if run.ref else ""
    return words + where + (f": {_causes(message)}" if message.failed else "")


def _causes(message: Message) -> str:
    named: dict[str, str] = {}
    for failure in message.failures:
        named.setdefault(failure.job or "a job", failure.error)
    for name, result in message.jobs.items():
        if result in _BAD and name not in named and (name in message.lost or not message.failures):
            named[name] = "cancelled" if result == "cancelled" else "no word"
    shown = [f"{job} ({error})" if error else job for job, error in list(named.items())[:3]]
    return ", ".join(shown) + (f" and {len(named) - 3} more" if len(named) > 3 else "")


def silence(job: str) -> str:
    """Return the line about a failed job that left no failure.json."""
    return f"{job} left no word: its runner was lost, it ran out of time, or a step that is not Goferry's failed."


def commands(message: Message) -> list[str]:
    """Return what to type about the run itself."""
    run = message.run
    if not (message.failed and number(run.id) is not None and re.fullmatch(r"[\w.-]+/[\w.-]+", run.repository)):
        return []
    return [
        f"gh run view {run.id} --log-failed --repo {run.repository}",
        f"gh run rerun {run.id} --failed --repo {run.repository}",
    ]


def place(failure: DeliveryFailure) -> str:
    """Return where it failed: job, action and stage, each once."""
    return " / ".join(dict.fromkeys(part for part in (failure.job, failure.action, failure.stage) if part))


def markdown(message: Message) -> str:
    """Return the section of the job summary."""
    parts = [f"## {ICONS[message.conclusion]} {escape(sentence(message), 400)}\n"]
    if message.jobs:
        rows = [[code(name), escape(result)] for name, result in message.jobs.items()]
        parts.append(table(["job", "result"], rows))
    for failure in message.failures[:FAILURES]:
        parts.append(f"### {escape(place(failure), 300)}: {escape(failure.error)}\n")
        parts.append(fence("\n".join(part for part in (failure.what, failure.state) if part)))
        if failure.lines:
            parts.append(f"The last lines:\n\n{fence(chr(10).join(failure.lines))}")
        if failure.advice:
            parts.append(f"What to do:\n\n{fence(chr(10).join(failure.advice))}")
    if len(message.failures) > FAILURES:
        parts.append(f"and {len(message.failures) - FAILURES} more\n")
    parts += [escape(silence(job)) + "\n" for job in message.lost]
    if typed := commands(message):
        parts.append(fence("\n".join(typed)))
    return "\n".join(parts)
