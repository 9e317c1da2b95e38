"""The fake's servers: the API, the host that takes uploads, and the storage that downloads are redirected to."""

import json
import re
import secrets
import socket
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from fakes.github.answers import Answers
from fakes.github.faults import Fault, Faults
from fakes.github.oidc import Issuer
from fakes.github.shapes import Shapes
from fakes.github.state import Refusal, Repository, State

SERVER = "goferry-fake-github (a fake for tests, not GitHub)"
_REPO = r"/repos/(?P<repository>[^/]+/[^/]+)"
ROUTES = [
    ("GET", rf"{_REPO}", "get-repository", "contents:read"),
    ("GET", rf"{_REPO}/releases", "list-releases", "contents:read"),
    ("POST", rf"{_REPO}/releases", "create-release", "contents:write"),
    ("GET", rf"{_REPO}/releases/latest", "latest-release", "contents:read"),
    ("GET", rf"{_REPO}/releases/tags/(?P<tag>.+)", "get-release-by-tag", "contents:read"),
    ("GET", rf"{_REPO}/releases/(?P<key>\d+)", "get-release", "contents:read"),
    ("PATCH", rf"{_REPO}/releases/(?P<key>\d+)", "update-release", "contents:write"),
    ("DELETE", rf"{_REPO}/releases/(?P<key>\d+)", "delete-release", "contents:write"),
    ("GET", rf"{_REPO}/releases/(?P<key>\d+)/assets", "list-assets", "contents:read"),
    ("POST", rf"{_REPO}/releases/(?P<key>\d+)/assets", "upload", "contents:write"),
    ("GET", rf"{_REPO}/releases/assets/(?P<key>\d+)", "download", "contents:read"),
    ("DELETE", rf"{_REPO}/releases/assets/(?P<key>\d+)", "delete-asset", "contents:write"),
    ("GET", rf"{_REPO}/git/ref/(?P<ref>.+)", "get-ref", "contents:read"),
    ("POST", rf"{_REPO}/git/refs", "create-ref", "contents:write"),
    ("GET", rf"{_REPO}/git/tags/(?P<sha>[0-9a-f]+)", "get-tag", "contents:read"),
    ("GET", rf"{_REPO}/commits/(?P<ref>.+)", "get-commit", "contents:read"),
    ("GET", rf"{_REPO}/actions/runs", "list-runs", "actions:read"),
    ("GET", rf"{_REPO}/actions/workflows/(?P<workflow>[^/]+)/runs", "list-runs", "actions:read"),
    ("GET", rf"{_REPO}/actions/runs/(?P<key>\d+)", "get-run", "actions:read"),
    ("GET", rf"{_REPO}/actions/runs/(?P<key>\d+)(?:/attempts/\d+)?/jobs", "list-jobs", "actions:read"),
]
"""Method, path, operation (which faults name), and the permission that it takes."""

_LEVELS = ("none", "read", "write")


@dataclass
class Request:
    """What came in: `operation` as in ROUTES, or the path of a page that is none."""

    method: str
    path: str
    query: dict
    headers: dict
    body: bytes
    operation: str = ""
    role: str = "api"

    @property
    def token(self):
        return self.headers.get("authorization", "").partition(" ")[2]

    @property
    def json(self):
        try:
            record = json.loads(self.body or b"{}")
        except ValueError:
            raise Refusal(400, "Problems parsing JSON") from None
        if not isinstance(record, dict):
            raise Refusal(400, "Body should be a JSON object")
        return record


class FakeGitHub:
    """The whole fake; a context manager.

    Args:
        port: of the API; 0: any free one.
        public_url: what answers call the API and the upload host, for a proxy in front.

    Attributes:
        url, uploads, storage: the three addresses; storage goes by another host name than the API.
        digests: `given`, `null` (as on older servers) or `missing` (which contradicts GitHub's description).
        requests: every request so far, in order.
        dies_at: from this request on nothing is answered, though it is itself still done; 0: never.
    """

    def __init__(self, port=0, public_url=""):
        self.state, self.faults, self.issuer = State(), Faults(), Issuer()
        self.requests, self.digests, self.dies_at = [], "given", 0
        self._tokens = {}
        self._servers = {
            role: _server(self, role, port if role == "api" else 0) for role in ("api", "uploads", "storage")
        }
        ports = {role: server.server_port for role, server in self._servers.items()}
        self.url = f"http://127.0.0.1:{ports['api']}"
        self.uploads = f"http://127.0.0.1:{ports['uploads']}"
        self.storage = f"http://localhost:{ports['storage']}"
        self.name(public_url)

    def name(self, public_url):
        """Let answers name another address than the fake's own, or its own again."""
        self.shapes = Shapes(public_url or self.url, public_url or self.uploads, "https://github.example")
        self.answers = Answers(self)

    def __enter__(self):
        for server in self._servers.values():
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    def repository(self, name, **fields):
        """Return a repository, made where it is missing."""
        return self.state.repositories.setdefault(name, Repository(name, id=len(self.state.repositories) + 1, **fields))

    def token(self, permissions, text=""):
        """Return a token with a job's permissions, `{"contents": "write"}`; what is not named is none."""
        text = text or "ghs_" + secrets.token_hex(18)
        self._tokens[text] = dict(permissions)
        return text

    def fail(self, operation, kind, **fields):
        """Let the next request of an operation fail; see faults.KINDS."""
        self.faults.add(Fault(operation, kind, **fields))

    def made(self, operation):
        """Return the requests of one operation."""
        return [request for request in self.requests if request.operation == operation]

    def level(self, token, scope):
        """Return what a token may: `none`, `read` or `write`."""
        return self._tokens.get(token, {}).get(scope, "none")

    def answer(self, request):
        """Return (status, headers, body) for a request to the API or the upload host."""
        for method, pattern, operation, permission in ROUTES:
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                request.operation = operation
                found = {name: unquote(value) for name, value in match.groupdict().items()}
                return self._faulty(request, permission, found)
        return self.answers.other(request)

    def _faulty(self, request, permission, found):
        slow = self.faults.take(request.operation, "slow")
        if slow:
            time.sleep(slow.seconds)
        fault = self.faults.take(request.operation, "status", "cut", "lost")
        if fault and fault.kind == "cut":
            return None
        if fault and fault.kind == "status":
            errors = {"errors": fault.errors} if fault.errors else {}
            return fault.status, fault.headers, {"message": fault.message, **errors}
        with self.state.lock:
            repository = self._allowed(request, permission, found.pop("repository"))
            result = self.answers.take(request, repository, found)
        return (502, {}, {"message": "Server Error"}) if fault else result

    def _allowed(self, request, permission, name):
        """Return the repository, or refuse as GitHub does."""
        scope, wanted = permission.split(":")
        if request.token and request.token not in self._tokens:
            raise Refusal(401, "Bad credentials")
        level = self.level(request.token, scope)
        repository = self.state.repositories.get(name)
        if not repository or (repository.private and level == "none"):
            raise Refusal(404, "Not Found")
        if wanted == "write" and not request.token:
            raise Refusal(401, "Requires authentication")
        readable = wanted == "read" and not repository.private and (scope == "contents" or not request.token)
        if not readable and _LEVELS.index(level) < _LEVELS.index(wanted):
            raise Refusal(403, "Resource not accessible by integration")
        return repository


def _server(fake, role, port):
    handler = type("Handler", (_Handler,), {"fake": fake, "role": role})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = SERVER, ""
    wbufsize, disable_nagle_algorithm = -1, True  # an answer goes out in one piece, without waiting
    fake: FakeGitHub
    role: str

    def log_message(self, *_):
        pass

    def _serve(self):
        parts = urlsplit(self.path)
        body = self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        request = Request(self.command, parts.path, query, headers, body, role=self.role)
        self.fake.requests.append(request)
        number = len(self.fake.requests)
        if 0 < self.fake.dies_at < number:
            return self._hang_up()
        try:
            answer = self.fake.answers.stored(request) if self.role == "storage" else self.fake.answer(request)
        except Refusal as refusal:
            record = {
                "message": refusal.message,
                "documentation_url": "https://docs.github.com/rest",
                "status": str(refusal.status),
            }
            answer = refusal.status, {}, {**record, **({"errors": refusal.errors} if refusal.errors else {})}
        if answer is None or number == self.fake.dies_at:
            return self._hang_up()
        return self._send(*answer)

    def _hang_up(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve  # noqa: N815  http.server names them

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send(self, status, headers, body):
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if body is not None and not isinstance(body, bytes):
            self.send_header("Content-Type", "application/json; charset=utf-8")
        for name, value in headers.items():
            self.send_header(name, str(value))
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
