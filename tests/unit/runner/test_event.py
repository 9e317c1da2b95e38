import json

import pytest

from goferry.runner._event import EventContext


def context(tmp_path, payload, **environ):
    path = tmp_path / "event.json"
    path.write_text(payload if isinstance(payload, str) else json.dumps(payload))
    return EventContext.from_environ({"GITHUB_EVENT_PATH": str(path), "GITHUB_EVENT_NAME": "pull_request", **environ})


def pull(head, base="o/r"):
    return {"pull_request": {"head": {"repo": head and {"full_name": head}}, "base": {"repo": {"full_name": base}}}}


@pytest.mark.parametrize(
    ("payload", "fork"),
    [
        (pull("o/r"), False), (pull("x/r"), True), (pull(None), True), ({}, False), ({"pull_request": 1}, False),
        ("{", False), ("[]", False), ({"pull_request": {"head": 3}}, False),
    ],
)  # fmt: skip
def test_forks_are_told_from_branches(tmp_path, payload, fork):
    assert context(tmp_path, payload).from_fork is fork


def test_pull_request_target_runs_with_the_bases_rights(tmp_path):
    assert not context(tmp_path, pull("x/r"), GITHUB_EVENT_NAME="pull_request_target").from_fork


@pytest.mark.parametrize(
    ("head", "fork"), [({"full_name": "o/r"}, False), ({"full_name": "x/r"}, True), (None, True), (3, True)]
)
def test_a_run_that_a_forks_run_started_is_a_forks(tmp_path, head, fork):
    """`workflow_run` comes with secrets and a token that writes, whoever started the run before."""
    payload = {"workflow_run": {"head_repository": head}, "repository": {"full_name": "o/r"}}
    assert context(tmp_path, payload, GITHUB_EVENT_NAME="workflow_run").from_fork is fork


def test_the_runs_page(tmp_path):
    facts = {"GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "1"}
    assert context(tmp_path, {}, **facts).run_url == "https://github.com/o/r/actions/runs/7"
    own = {**facts, "GITHUB_RUN_ATTEMPT": "2", "GITHUB_SERVER_URL": "https://git.example/"}
    assert context(tmp_path, {}, **own).run_url == "https://git.example/o/r/actions/runs/7/attempts/2"
    assert EventContext.from_environ({}).run_url == ""
