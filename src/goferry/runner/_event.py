"""What a run knows about itself: repository, ref, commit and the event that started it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from goferry.system.runner_variables import API, SERVER, RunnerVariables


class WebhookEvent(NamedTuple):
    """Whose code started a run, of the event's payload (GitHub docs, "Webhook events and payloads").

    Repositories are `owner/name`, and empty where none is named: a fork that was deleted is null.

    Attributes:
        is_pull: whether it is about a pull request. head, base: the repositories of its two sides.
        earlier_head: whose code ran in the run that a `workflow_run` follows. repository: whose workflow runs.
    """

    is_pull: bool = False
    head: str = ""
    base: str = ""
    earlier_head: str = ""
    repository: str = ""

    @classmethod
    def of_file(cls, path: str) -> WebhookEvent:
        """Read the payload that the runner left in a file; one that can't be read names nobody."""
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
        except (OSError, ValueError, RecursionError):
            return cls()
        return cls(
            isinstance(_within(document, "pull_request"), Mapping),
            _full_name(document, "pull_request", "head", "repo"),
            _full_name(document, "pull_request", "base", "repo"),
            _full_name(document, "workflow_run", "head_repository"),
            _full_name(document, "repository"),
        )


NO_EVENT = WebhookEvent()


def _within(value: object, *keys: str) -> object:
    """Return what stands at the end of a path of keys, or None."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _full_name(payload: object, *keys: str) -> str:
    name = _within(payload, *keys, "full_name")
    return name if isinstance(name, str) else ""


@dataclass(frozen=True)
class EventContext:
    """The run's facts, each empty where the runner does not say.

    Attributes:
        repository: `owner/name`. ref: `refs/heads/main`. ref_name: `main`. sha: the commit.
        event_name: `push`, `pull_request`, … event: whose code it brought.
        run_id, run_attempt: of the workflow run. run_url: its page. job_name: the job's id in the workflow.
        server_url, api_url: GitHub's addresses, also on a server of one's own.
    """

    repository: str = ""
    ref: str = ""
    ref_name: str = ""
    sha: str = ""
    event_name: str = ""
    event: WebhookEvent = NO_EVENT
    run_id: str = ""
    run_attempt: str = ""
    workflow: str = ""
    job_name: str = ""
    server_url: str = SERVER
    api_url: str = API

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> EventContext:
        """Read the variables of the runner, and the event's file."""
        given = RunnerVariables.of(environ)
        return cls(
            repository=given.github_repository,
            ref=given.github_ref,
            ref_name=given.github_ref_name,
            sha=given.github_sha,
            event_name=given.github_event_name,
            event=WebhookEvent.of_file(given.github_event_path),
            run_id=given.github_run_id,
            run_attempt=given.github_run_attempt,
            workflow=given.github_workflow,
            job_name=given.github_job,
            server_url=given.server.rstrip("/"),
            api_url=given.api.rstrip("/"),
        )

    @property
    def run_url(self) -> str:
        """The run's page, or an empty string."""
        if not (self.repository and self.run_id):
            return ""
        attempt = f"/attempts/{self.run_attempt}" if self.run_attempt not in {"", "1"} else ""
        return f"{self.server_url}/{self.repository}/actions/runs/{self.run_id}{attempt}"

    @property
    def from_fork(self) -> bool:
        """Whether another repository's code started the run: by a pull request, or by a run that one started.

        The first gets no secrets and may write nothing; the second (`workflow_run`) has both.
        """
        if self.event_name == "workflow_run":
            return self.event.earlier_head != self.event.repository
        if not self.event.is_pull or self.event_name == "pull_request_target":
            return False
        return self.event.head != self.event.base
