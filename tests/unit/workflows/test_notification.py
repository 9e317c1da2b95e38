import json

import pytest

from goferry.observe.notify import WorkflowRun, compose
from goferry.pipeline import notification
from goferry.pipeline.notification import NeedsInvalid, WebhookFailed

RUN = WorkflowRun(
    "acme/shop",
    "Release",
    "main",
    "3f1c2ab" * 5 + "12345",
    "push",
    "42",
    "1",
    "https://github.com/acme/shop/actions/runs/42",
)
MESSAGE = compose(RUN, {"build": "failure"})


def send(catcher, path="/hook/T0P/S3CRET", shape=""):
    return notification.deliver(catcher.url + path, MESSAGE, shape, {}, wait=0.01)


@pytest.mark.parametrize("shape", ["json", "slack", "teams"])
def test_a_webhook_gets_the_message_in_its_shape(catcher, shape):
    assert send(catcher, shape=shape) == shape
    ((method, path, headers, _),) = catcher.seen
    assert (method, path, headers["Content-Type"]) == ("POST", "/hook/T0P/S3CRET", "application/json")
    (body,) = catcher.bodies()
    assert {"json": "conclusion", "slack": "blocks", "teams": "attachments"}[shape] in body
    assert "acme/shop" in json.dumps(body)


def test_a_busy_service_is_asked_again(catcher):
    catcher.answers = [(503, {}, b""), (429, {"Retry-After": "0"}, b""), (202, {}, b"")]
    assert send(catcher) == "json"
    assert len(catcher.seen) == 3


def test_a_service_that_stays_down_is_given_up(catcher):
    catcher.answers = [(500, {}, b"")]
    with pytest.raises(WebhookFailed) as caught:
        send(catcher)
    assert caught.value.what == "127.0.0.1 answered HTTP 500, 4 times"
    assert len(catcher.seen) == 4


@pytest.mark.parametrize("status", [302, 400, 404, 410])
def test_what_will_not_help_is_not_repeated_and_no_redirect_is_followed(catcher, status):
    catcher.answers = [(status, {"Location": catcher.url + "/other"}, b"invalid_blocks \x1b[31m")]
    with pytest.raises(WebhookFailed) as caught:
        send(catcher)
    assert caught.value.what == f"127.0.0.1 answered HTTP {status} (invalid_blocks \\x1b[31m)"
    assert len(catcher.seen) == 1


def test_no_error_tells_the_secret_address(catcher):
    port = catcher.server_port
    catcher.shutdown()
    catcher.server_close()
    with pytest.raises(WebhookFailed) as caught:
        notification.deliver(f"http://127.0.0.1:{port}/hook/S3CRET?x=S3CRET", MESSAGE, "", {}, wait=0.01)
    assert "S3CRET" not in json.dumps(caught.value.as_json())
    assert "did not answer, 4 times" in caught.value.what


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/x",
        "ftp://hooks.example.com/x",
        "file:///etc/passwd",
        "hooks.example.com/x",
        "https://",
        "https://[::1",
        "https://a b/x",
        "https://hooks.example.com/x\r\nHost: evil",
        "http://127.0.0.1.evil.example/",
        "http://localhost@evil.example/",
        "https://x:99999/",
    ],
)
def test_an_address_without_tls_is_refused(url):
    with pytest.raises(WebhookFailed) as caught:
        notification.deliver(url, MESSAGE, "", {}, wait=0.01)
    assert caught.value.what == "GOFERRY_WEBHOOK_URL is not an https address"


@pytest.mark.parametrize("needs", ["", "nonsense", "[]", "{}", '{"a": {}}', '{"a": "success"}', "null", "[" * 100_000])
def test_needs_that_are_not_the_context_are_named(needs):
    with pytest.raises(NeedsInvalid):
        notification.results(needs)


def test_needs_are_results():
    needs = {"plan": {"result": "success", "outputs": {"x": "y"}}, "build": {"result": "failure", "outputs": {}}}
    assert notification.results(json.dumps(needs)) == {"plan": "success", "build": "failure"}


@pytest.fixture
def leave(tmp_path):
    def write(folder, **facts):
        place = tmp_path / folder if folder else tmp_path
        place.mkdir(parents=True, exist_ok=True)
        (place / "failure.json").write_text(json.dumps({"error": "x", **facts}))

    return write


def test_artifacts_are_told_apart_by_their_names(tmp_path, leave):
    leave("goferry-failure-build-shard-1-of-2", error="one")
    leave("goferry-failure-build-image", error="two")
    leave("goferry-failure-other-goferry-1234", error="three")
    jobs = {"build": "failure", "build-image": "failure", "plan": "success"}
    found = {failure.job: failure.error for failure in notification.failures(tmp_path, jobs)}
    assert found == {"build": "one", "build-image": "two", "other": "three"}


def test_one_artifact_alone_arrives_without_its_folder(tmp_path, leave):
    leave("", error="one")
    assert [failure.job for failure in notification.failures(tmp_path, {"a": "success", "b": "failure"})] == ["b"]
    assert [failure.job for failure in notification.failures(tmp_path, {"a": "failure", "b": "failure"})] == [""]


def test_what_is_no_small_file_of_facts_is_passed_over(tmp_path, leave):
    leave("goferry-failure-build")
    (tmp_path / "secret.json").write_text('{"error": "stolen"}')
    for name, make in {
        "link": lambda path: path.symlink_to(tmp_path / "secret.json"),
        "list": lambda path: path.write_text("[1]"),
        "broken": lambda path: path.write_bytes(b"\xff{"),
        "huge": lambda path: path.write_text(json.dumps({"what": "x" * 300_000})),
        "deep": lambda path: path.write_text("[" * 100_000),
        "folder": lambda path: path.mkdir(),
    }.items():
        (tmp_path / f"goferry-failure-{name}").mkdir()
        make(tmp_path / f"goferry-failure-{name}" / "failure.json")
    assert [failure.job for failure in notification.failures(tmp_path, {"build": "failure"})] == ["build"]
    assert notification.failures(tmp_path / "absent", {"build": "failure"}) == []


def ask(catcher, run=RUN, token="t0ken"):
    return notification.before(
        run,
        workflow_ref="acme/shop/.github/workflows/release.yml@refs/heads/main",
        api_url=catcher.url,
        token=token,
        environ={},
        wait=0.01,
    )


def runs(*rows):
    return json.dumps({"workflow_runs": [{"id": number, "conclusion": end} for number, end in rows]}).encode()


@pytest.mark.parametrize(
    ("rows", "failed"),
    [
        ([(42, None), (41, "failure"), (40, "success")], True),
        ([(41, "success"), (40, "failure")], False),
        ([(41, "cancelled"), (40, "timed_out")], True),
        ([], False),
    ],
)
def test_the_run_before_of_the_same_branch_tells_a_recovery(catcher, rows, failed):
    catcher.answers = [(200, {}, runs(*rows))]
    assert ask(catcher).failed is failed
    ((_, path, headers, _),) = catcher.seen
    assert path.startswith("/repos/acme/shop/actions/workflows/release.yml/runs?branch=main&status=completed")
    assert headers["Authorization"] == "Bearer t0ken"


def test_an_earlier_attempt_is_the_run_before(catcher):
    catcher.answers = [(200, {}, b'{"conclusion": "failure"}')]
    assert ask(catcher, WorkflowRun("acme/shop", id="42", attempt="2")).failed
    assert catcher.seen[0][1] == "/repos/acme/shop/actions/runs/42/attempts/1"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_missing_permission_is_said(catcher, status):
    catcher.answers = [(status, {}, b"{}")]
    assert "actions: read" in ask(catcher).unknown


def test_an_answer_that_is_none_is_said(catcher):
    for body in (b"", b"[]", b'{"workflow_runs": 1}', b'{"workflow_runs": [{}]}', b"[" * 100_000):
        catcher.answers = [(200, {}, body)]
        assert ask(catcher).unknown == "GitHub's answer could not be read"
    assert ask(catcher, token="").unknown == "there is no token to ask GitHub with"
    catcher.answers = [(500, {}, b"")]
    assert "answered HTTP 500" in ask(catcher).unknown
