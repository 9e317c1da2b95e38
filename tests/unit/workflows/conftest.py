import http.server
import json
import threading

import pytest


class Catcher(http.server.ThreadingHTTPServer):
    """Keeps what is posted, and answers as told: `answers` are (status, headers, body), the last one repeated."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Requests)
        self.seen = []
        self.answers = [(200, {}, b"ok")]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def bodies(self):
        return [json.loads(body) for _, _, _, body in self.seen]


class Requests(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(("POST", self.path, dict(self.headers), body))
        self.answer()

    def do_GET(self):
        self.server.seen.append(("GET", self.path, dict(self.headers), b""))
        self.answer()

    def answer(self):
        status, headers, body = self.server.answers[min(len(self.server.seen), len(self.server.answers)) - 1]
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def catcher():
    server = Catcher()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
