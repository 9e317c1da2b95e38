import http.server
import json
import threading

import pytest

from goferry.runner import _oidc as oidc
from goferry.runner.errors import OidcPermissionMissing, OidcUnavailable


@pytest.fixture
def issuer():
    """An issuer on 127.0.0.1: `.answers` are (status, body) in turn, the last one for ever; `.asked` what came."""

    class Issuer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server = self.server
            server.asked.append((self.path, self.headers["Authorization"]))
            status, body = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    server.asked, server.answers = [], [(200, {"value": "to.k.en"})]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.environ = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{server.server_port}/token?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer-x",
    }
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def ask(issuer, audience="goferry"):
    waits = []
    return oidc.request(issuer.environ, audience, sleep=waits.append), waits


def test_the_token_is_asked_for_one_audience(issuer):
    assert ask(issuer, "https://x/?a&b") == ("to.k.en", [])
    assert issuer.asked == [("/token?api-version=2.0&audience=https%3A%2F%2Fx%2F%3Fa%26b", "Bearer bearer-x")]


def test_a_busy_issuer_is_asked_again(issuer):
    issuer.answers = [(503, b""), (429, b""), (200, {"value": "t"})]
    assert ask(issuer) == ("t", [0.5, 1.0])
    issuer.answers = [(500, b"")]
    with pytest.raises(OidcUnavailable, match="4 times: HTTP 500"):
        ask(issuer)


@pytest.mark.parametrize(
    ("status", "body", "match"),
    [
        (401, b"expired\x1b[31m\n::error::x", r"HTTP 401: expired\\x1b\[31m"), (403, b"", "HTTP 403: no word"), (200, b"{", "without a token"),
        (200, b"[]", "without a token"), (200, b"[" * 60_000, "without a token"), (200, {"value": ""}, "without a token"), (200, {"value": 3}, "without a token"), (302, b"", "HTTP 302"),
    ],
)  # fmt: skip
def test_an_answer_without_a_token_is_named(issuer, status, body, match):
    issuer.answers = [(status, body)]
    with pytest.raises(OidcUnavailable, match=match) as caught:
        ask(issuer)
    assert len(issuer.asked) == 1, "no redirect is followed, no refusal repeated"
    assert "bearer-x" not in str(caught.value)
    assert caught.value.exit_code == 5


def test_no_issuer_is_named(issuer):
    issuer.environ["ACTIONS_ID_TOKEN_REQUEST_URL"] = "http://127.0.0.1:1/"
    with pytest.raises(OidcUnavailable, match="did not answer, 4 times"):
        ask(issuer)
    for address in ("file:///etc/passwd", "http://[::1", "http://h:x/"):
        issuer.environ["ACTIONS_ID_TOKEN_REQUEST_URL"] = address
        with pytest.raises(OidcUnavailable, match="not an http or https address"):
            ask(issuer)


@pytest.mark.parametrize("absent", ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"])
def test_a_missing_permission_is_told_with_its_yaml(issuer, absent):
    environ = {**issuer.environ, absent: ""}
    with pytest.raises(OidcPermissionMissing, match="`id-token: write` is missing") as caught:
        oidc.request(environ, "x")
    assert caught.value.advice[1:4] == ("permissions:", "  contents: read", "  id-token: write")
    with pytest.raises(OidcPermissionMissing, match="pull request from a fork") as caught:
        oidc.request(environ, "x", from_fork=True)
    assert "would not help" in caught.value.advice[0]
