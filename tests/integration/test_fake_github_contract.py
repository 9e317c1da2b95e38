"""The fake GitHub answers as GitHub's API description says, and we ask as it says: Prism judges both.

    our code → front → prism proxy --errors api.github.com.json → fake

The front is there for one request alone: an asset's bytes. Prism follows that answer's redirect itself and then misses
the JSON, so the front sends it to the fake directly. It also keeps what Prism objected to, which our code repeats away.
"""

import http.client
import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fakes.github import FakeGitHub, Run

from goferry import release
from goferry.artifacts import Artifact, Ledger
from goferry.config.context import Context
from goferry.config.settings import Settings
from goferry.kernel.errors import GoferryError
from goferry.observe.events import Stream
from goferry.release import _retry as retry
from goferry.trust import seal
from goferry.trust._minisign_key import MinisignSecretKey

REPOSITORY, COMMIT = "acme/shop", "3f1c2ab0" * 5
SETTINGS = Settings({"PATH": ""}, Path("/nonexistent"))


class Front:
    """Sends requests on to Prism, but downloads to the fake; `violations` holds what Prism objected to."""

    def __init__(self, prism, fake):
        self.violations, front = [], self

        class Handler(BaseHTTPRequestHandler):
            protocol_version, wbufsize = "HTTP/1.1", -1

            def log_message(self, *_):
                pass

            def _serve(self):
                direct = self.headers.get("Accept") == "application/octet-stream"
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                to = http.client.HTTPConnection(urlsplit(fake).netloc if direct else f"127.0.0.1:{prism}", timeout=60)
                to.request(self.command, self.path, body, {**self.headers, "Connection": "close"})
                answer = to.getresponse()
                data = answer.read()
                if answer.getheader("Content-Type", "").startswith("application/problem+json"):
                    front.violations.append(json.loads(data))
                self.send_response(answer.status)
                for name in ("Content-Type", "Location", "Link"):
                    if answer.getheader(name):
                        self.send_header(name, answer.getheader(name))
                if answer.status != 204:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                to.close()

            do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815  http.server names them

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def judged(node_part, part, tmp_path_factory):
    """Return (fake, front), with Prism between them."""
    program = node_part("@stoplight/prism-cli") / "dist" / "index.js"
    description = node_part("@octokit/openapi") / "generated" / "api.github.com.json"
    port, log = free_port(), tmp_path_factory.mktemp("prism") / "log"
    with FakeGitHub() as fake, log.open("wb") as out:
        command = [
            part("node"),
            program,
            "proxy",
            "--errors",
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            description,
            fake.url,
        ]
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            wait_for(port, process, log)
            front = Front(port, fake.url)
            fake.name(front.url)
            yield fake, front
            front.server.shutdown()
            front.server.server_close()
        finally:
            process.terminate()
            process.wait(20)


def wait_for(port, process, log):
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"Prism did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def fake(judged):
    found, front = judged
    yield found
    found.state.repositories.clear()
    found.faults.clear()
    found.digests = "given"
    front.violations.clear()


@pytest.fixture
def front(judged):
    return judged[1]


@pytest.fixture
def dist(tmp_path):
    folder = tmp_path / "dist"
    folder.mkdir()
    ledger = Ledger("shop", "v1.4.0", module="example.com/shop", commit=COMMIT)
    (folder / "a.txt").write_bytes(b"a" * 1000)
    ledger.add(Artifact.of_file(folder / "a.txt", project="shop", kind="archive"))
    ledger.save(folder)
    seal.seal(Context(SETTINGS, Stream()), folder, [MinisignSecretKey.generate().signer()], now=1_795_409_822)
    return folder


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr(retry, "sleep", lambda _: None)


def publish(dist, fake, front):
    fake.repository(REPOSITORY).tags["v1.4.0"] = COMMIT
    github = release.GitHub(REPOSITORY, fake.token({"contents": "write"}), front.url)
    return github, release.publish(Context(SETTINGS, Stream()), dist, github=github, trust=None).as_json()


def ask(front, fake, method, path, body=None, token=None):
    """Return (status, JSON) as Prism lets it through."""
    token = fake.token({"contents": "write", "actions": "read"}) if token is None else token
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    data = json.dumps(body).encode() if body is not None else None
    try:
        request = urllib.request.Request(front.url + path, data, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null")


def test_publish_and_download(dist, fake, front, tmp_path):
    repository = fake.repository(REPOSITORY)
    repository.annotated["v1.4.0"] = "b" * 40
    draft = fake.state.create_release(
        repository, {"tag_name": "v1.4.0", "draft": True, "body": "<!-- goferry: draft -->"}
    )
    fake.state.upload(repository, draft, "stray.txt", b"x", content_type="text/plain")
    github, record = publish(dist, fake, front)
    assert record["published"]
    release.download(Context(SETTINGS, Stream()), record["release"], tmp_path / "got", github=github)
    assert release.publish(Context(SETTINGS, Stream()), dist, github=github, trust=None).unchanged
    assert front.violations == []
    assert {"list-releases", "get-ref", "get-tag", "list-assets", "delete-asset", "upload", "update-release"} <= {
        request.operation for request in fake.requests
    }


def test_a_draft_from_the_beginning(dist, fake, front):
    assert publish(dist, fake, front)[1]["published"]
    assert front.violations == []
    assert fake.made("create-release")


def test_an_answer_without_a_digest_is_caught(dist, fake, front):
    """The judge works: GitHub demands `digest`, and a fake that forgets it is found out."""
    fake.digests = "missing"
    with pytest.raises(GoferryError):
        publish(dist, fake, front)
    assert front.violations
    assert "digest" in json.dumps(front.violations)


def test_a_server_with_null_digests_is_within_the_description(dist, fake, front):
    fake.digests = "null"
    assert publish(dist, fake, front)[1]["published"]
    assert front.violations == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", 200),
        ("/releases", 200),
        ("/releases/latest", 200),
        ("/releases/tags/v1.4.0", 200),
        ("/releases/tags/v9", 404),
        ("/git/ref/tags%2Fv1.4.0", 200),
        ("/git/ref/tags%2Fv9", 404),
        ("/git/ref/heads%2Fmain", 200),
        ("/commits/v1.4.0", 200),
        ("/commits/v9", 422),
        ("/actions/runs", 200),
        ("/actions/runs?branch=main&status=success&per_page=1", 200),
        ("/actions/workflows/release.yml/runs", 200),
        ("/actions/runs/7", 200),
        ("/actions/runs/7/jobs", 200),
    ],
)
def test_every_answer_has_the_described_shape(path, expected, fake, front):
    repository = fake.repository(REPOSITORY)
    repository.tags["v1.4.0"] = COMMIT
    fake.state.create_release(repository, {"tag_name": "v1.4.0"})
    repository.runs += [Run(7, jobs={"build": "success", "deploy": "failure"}), Run(8, conclusion="failure")]
    status, _ = ask(front, fake, "GET", f"/repos/{REPOSITORY}{path}")
    assert (status, front.violations) == (expected, [])


def test_a_tag_is_made(fake, front):
    fake.repository(REPOSITORY)
    status, _ = ask(front, fake, "POST", f"/repos/{REPOSITORY}/git/refs", {"ref": "refs/tags/v1", "sha": COMMIT})
    assert (status, front.violations) == (201, [])
    assert fake.repository(REPOSITORY).tags == {"v1": COMMIT}


def test_who_may_what(fake, front):
    fake.repository(REPOSITORY)
    path, body = f"/repos/{REPOSITORY}/releases", {"tag_name": "v1", "draft": True}
    assert ask(front, fake, "POST", path, body, fake.token({"contents": "read"}))[0] == 403
    assert ask(front, fake, "POST", path, body, "unknown")[0] == 401
    assert ask(front, fake, "POST", path, body, "")[0] == 401
    status, made = ask(front, fake, "POST", path, body)
    assert status == 201
    assert ask(front, fake, "GET", path)[1][0]["id"] == made["id"]
    assert ask(front, fake, "GET", path, token="")[1] == []
    assert ask(front, fake, "GET", f"/repos/{REPOSITORY}/releases/tags/v1")[0] == 404
