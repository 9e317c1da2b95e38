import io
import json

import pytest

from goferry.actions import notify
from goferry.runner.errors import InputInvalid, InputMissing
from goferry.runner.job import Job

NEEDS = {"plan": {"result": "success", "outputs": {}}, "build": {"result": "failure", "outputs": {}}}
WELL = {"build": {"result": "success", "outputs": {}}}
FAILURE = {
    "error": "tests-failed",
    "what": "1 of 12 tests failed",
    "state": "Nothing was built.",
    "advice": ["go test ./cmd/api"],
    "stage": "test",
    "lines": ["--- FAIL: TestX", "::add-mask::x", "want 1, got 2"],
    "action": "cross-compile",
}


@pytest.fixture
def act(tmp_path, catcher):
    def run(needs, failure=None, url="/hook/S3CRET", **inputs):
        folder = tmp_path / "failures" / "goferry-failure-build-shard-1-of-1"
        folder.mkdir(parents=True, exist_ok=True)
        if failure:
            (folder / "failure.json").write_text(json.dumps(failure))
        summary = tmp_path / "summary"
        summary.touch()
        environ = {
            "GITHUB_WORKSPACE": str(tmp_path),
            "RUNNER_TEMP": str(tmp_path / "temp"),
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_WORKFLOW": "Release",
            "GITHUB_WORKFLOW_REF": "acme/shop/.github/workflows/release.yml@refs/heads/main",
            "GITHUB_REF_NAME": "main",
            "GITHUB_SHA": "3f1c2ab" * 5 + "12345",
            "GITHUB_RUN_ID": "42",
            "GITHUB_API_URL": catcher.url,
            "GOFERRY_WEBHOOK_URL": catcher.url + url if url.startswith("/") else url,
            "INPUT_NEEDS": json.dumps(needs) if needs else "",
            "INPUT_FAILURES": "failures",
            **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
        }
        out = io.StringIO()
        job = Job.from_environ(environ, out, action="notify")
        outputs = notify.run(job)
        job.close()
        return outputs, out.getvalue(), summary.read_text()

    return run


def test_a_failure_is_annotated_summarised_and_sent(act, catcher):
    outputs, log, summary = act(NEEDS, FAILURE)
    assert outputs == {"sent": True, "conclusion": "failure"}
    assert (
        "::error title=run failure::acme/shop: Release failed on main: build (tests-failed)%0Ago test ./cmd/api" in log
    )
    assert "1 of 12 tests failed" in summary
    (body,) = catcher.bodies()
    assert body["failures"][0]["lines"] == ["--- FAIL: TestX", "\\x3a:add-mask::x", "want 1, got 2"]
    assert body["failures"][0]["advice"] == ["go test ./cmd/api"]
    assert [line for line in log.splitlines() if "S3CRET" in line] == [f"::add-mask::{catcher.url}/hook/S3CRET"]
    assert "S3CRET" not in summary


def test_without_a_webhook_annotation_and_summary_remain(act, catcher):
    outputs, log, summary = act(NEEDS, FAILURE, url="")
    assert outputs == {"sent": False, "conclusion": "failure"}
    assert "::error" in log
    assert "tests\\-failed" in summary or "tests-failed" in summary
    assert not catcher.seen


def test_a_webhook_that_fails_is_a_warning_beside_the_failure(act, catcher):
    catcher.answers = [(404, {}, b"no_team")]
    outputs, log, summary = act(NEEDS, FAILURE)
    assert outputs["sent"] is False
    assert "::error title=run failure::" in log
    assert "::warning title=webhook-failed::127.0.0.1 answered HTTP 404 (no_team)" in log
    assert "1 of 12 tests failed" in summary
    assert "S3CRET" not in log.replace(f"::add-mask::{catcher.url}/hook/S3CRET", "")


def test_an_address_without_tls_is_a_warning_too(act):
    outputs, log, _ = act(NEEDS, FAILURE, url="http://hooks.example.com/S3CRET")
    assert outputs["sent"] is False
    assert "::warning title=webhook-failed::GOFERRY_WEBHOOK_URL is not an https address" in log


def test_dry_run_sends_nothing(act, catcher):
    outputs, log, _ = act(NEEDS, FAILURE, dry_run="true")
    assert outputs["sent"] is False
    assert not catcher.seen
    assert "::error" in log


def test_success_is_told_by_choice(act, catcher):
    assert act(WELL)[0] == {"sent": False, "conclusion": "success"}
    assert not catcher.seen
    catcher.answers = [(200, {}, json.dumps({"workflow_runs": []}).encode()), (200, {}, b"ok")]
    assert act(WELL, when="always", token="t0ken")[0] == {"sent": True, "conclusion": "success"}


def test_a_recovery_is_told_where_the_run_before_failed(act, catcher):
    before = json.dumps({"workflow_runs": [{"id": 41, "conclusion": "failure"}]}).encode()
    catcher.answers = [(200, {}, before), (200, {}, b"ok")]
    outputs, log, _ = act(WELL, when="recovery", token="t0ken")
    assert outputs == {"sent": True, "conclusion": "recovery"}
    assert json.loads(catcher.seen[1][3])["text"] == "acme/shop: Release works again on main"
    assert "::add-mask::t0ken" in log


def test_a_recovery_that_cannot_be_asked_for_is_said(act, catcher):
    catcher.answers = [(403, {}, b"{}")]
    outputs, log, _ = act(WELL, when="recovery", token="t0ken")
    assert outputs == {"sent": False, "conclusion": "success"}
    assert "::warning title=notify::" in log
    assert "actions: read" in log


def test_wrong_calls_are_named(act):
    with pytest.raises(InputInvalid):
        act(NEEDS, when="sometimes")
    with pytest.raises(InputInvalid):
        act(NEEDS, shape="discord")
    with pytest.raises(InputMissing):
        act("")
