"""What a run knows about itself: repository, ref, commit and the event that started it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class EventContext:
    """The run's facts, each empty where the runner does not say.

    Attributes:
        repository: `owner/name`. ref: `refs/heads/main`. ref_name: `main`. sha: the commit.
        event_name: `push`, `pull_request`, … event: its payload.
        run_id, run_attempt: of the workflow run. run_url: its page. job_name: the job's id in the workflow.
        server_url, api_url: GitHub's addresses, also on a server of one's own.
    """

    repository: str = ""
    ref: str = ""
    ref_name: str = ""
    sha: str = ""
    event_name: str = ""
    event: Mapping[str, Any] = field(default_factory=dict, repr=False)
    run_id: str = ""
    run_attempt: str = ""
    workflow: str = ""
    job_name: str = ""
    server_url: str = "https://github.com"
    api_url: str = "https://api.github.com"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> EventContext:
        """Read the default environment variables (GitHub docs, "Variables reference")."""
        server = environ.get("GITHUB_SERVER_URL") or "https://github.com"
        return cls(
            repository=environ.get("GITHUB_REPOSITORY", ""),
            ref=environ.get("GITHUB_REF", ""),
            ref_name=environ.get("GITHUB_REF_NAME", ""),
            sha=environ.get("GITHUB_SHA", ""),
            event_name=environ.get("GITHUB_EVENT_NAME", ""),
            event=_payload(environ.get("GITHUB_EVENT_PATH", "")),
            run_id=environ.get("GITHUB_RUN_ID", ""),
            run_attempt=environ.get("GITHUB_RUN_ATTEMPT", ""),
            workflow=environ.get("GITHUB_WORKFLOW", ""),
            job_name=environ.get("GITHUB_JOB", ""),
            server_url=server.rstrip("/"),
            api_url=(environ.get("GITHUB_API_URL") or "https://api.github.com").rstrip("/"),
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
            head = _full_name(self.event.get("workflow_run"), "head_repository")
            return head != _full_name(self.event, "repository")
        pull = self.event.get("pull_request")
        if not isinstance(pull, Mapping) or self.event_name == "pull_request_target":
            return False
        head, base = _repository(pull, "head"), _repository(pull, "base")
        return head != base


def _repository(pull: Mapping[str, Any], side: str) -> str:
    """Return the full name of a pull request's side; a deleted fork has none."""
    return _full_name(pull.get(side), "repo")


def _full_name(record: object, key: str) -> str:
    repository = record.get(key) if isinstance(record, Mapping) else None
    return str(repository.get("full_name", "")) if isinstance(repository, Mapping) else ""


def _payload(path: str) -> dict[str, Any]:
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
