"""The variables with which GitHub's runner tells a step about its run (GitHub docs, "Variables reference")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

SERVER = "https://github.com"
API = "https://api.github.com"


class RunnerVariables(NamedTuple):
    """Each under its own name, in small letters; empty where it is not set."""

    github_actions: str = ""
    github_api_url: str = ""
    github_event_name: str = ""
    github_event_path: str = ""
    github_job: str = ""
    github_ref: str = ""
    github_ref_name: str = ""
    github_repository: str = ""
    github_repository_id: str = ""
    github_run_attempt: str = ""
    github_run_id: str = ""
    github_server_url: str = ""
    github_sha: str = ""
    github_step_summary: str = ""
    github_token: str = ""
    github_workflow: str = ""
    github_workflow_ref: str = ""
    github_workspace: str = ""
    gh_token: str = ""
    runner_debug: str = ""
    runner_temp: str = ""
    actions_id_token_request_token: str = ""
    actions_id_token_request_url: str = ""
    goferry_in_container: str = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> RunnerVariables:
        """Read them all."""
        return cls(*(environ.get(name.upper(), "") for name in cls._fields))

    @property
    def server(self) -> str:
        """GitHub's address, also of a server of one's own."""
        return self.github_server_url or SERVER

    @property
    def api(self) -> str:
        """The address of its REST API."""
        return self.github_api_url or API
