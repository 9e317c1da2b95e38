"""The download client against a loopback server that misbehaves."""

import contextlib
import http.server
import io
import socket
import threading
import time

import hostile
import pytest

from goferry.system import http as http_client
from goferry.system.http import Client, DownloadTooLarge, DownloadUnwritable, ServerFailing, ServerUnreachable
from goferry.system.proxyenv import authorization, proxy_for
from goferry.system.urls import AddressInvalid, RedirectRefused, shown


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        count = len([path for path, _ in self.server.seen if path == self.path])
        if self.path == "/flaky" and count < 3:
            return self.answer(503)
        if self.path == "/cut" and count < 2:
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"half")
            self.close_connection = True
            return None
        if self.path == "/circle":
            return self.answer(302, location="/circle")
        if self.path == "/moved":
            return self.answer(302, location="/good")
        return self.answer({"/down": 500, "/absent": 404}.get(self.path, 200), b"x" * 1000)

    def answer(self, status, body=b"", location=""):
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    running.seen = []
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def get(server):
    client = Client({"HTTP_PROXY": "http://127.0.0.1:9"}, attempts=3, wait=0.01)
    return lambda path, limit=1000: client.get(f"http://127.0.0.1:{server.server_port}{path}", limit=limit)


def test_retries_then_succeeds(get, server):
    assert get("/flaky").status == 200
    assert len(server.seen) == 3


def test_a_cut_download_starts_again(server):
    file = io.BytesIO()
    client = Client({}, attempts=3, wait=0.01)
    found = client.download(f"http://127.0.0.1:{server.server_port}/cut", file, limit=5000)
    assert (found.size, len(file.getvalue())) == (1000, 1000)


def test_statuses(get):
    assert get("/absent").status == 404
    assert get("/moved").body == b"x" * 1000
    with pytest.raises(ServerFailing, match="500"):
        get("/down")
    with pytest.raises(RedirectRefused, match="circle"):
        get("/circle")


def test_limit(get):
    with pytest.raises(DownloadTooLarge):
        get("/good", 999)


def test_nobody_listens():
    with pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1") as caught:
        Client({}, attempts=2, wait=0.01).get("http://user:secret@127.0.0.1:9/x?token=1", limit=1)
    assert "secret" not in str(caught.value)
    assert "token" not in str(caught.value)
    assert caught.value.exit_code == 5


def test_credentials(server):
    Client({}).get(f"http://me:p%40ss@127.0.0.1:{server.server_port}/good", limit=1000)
    assert server.seen[0][1]["Authorization"] == "Basic bWU6cEBzcw=="


def test_netrc(tmp_path):
    (tmp_path / "netrc").write_text("machine a.test login me password secret\n")
    environ = {"NETRC": str(tmp_path / "netrc")}
    assert authorization("https://a.test/x", environ)
    assert not authorization("https://b.test/x", environ)
    assert not authorization("http://a.test/x", environ)


@pytest.mark.parametrize("url", ["ftp://a.test", "file:///etc/passwd", "x", "http://", "http:///x"])
def test_addresses(url):
    with pytest.raises(AddressInvalid) as caught:
        Client({}).get(url, limit=1)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("url", "no_proxy", "direct"),
    [
        ("https://a.test/x", "", False),
        ("https://a.test/x", "a.test", True),
        ("https://b.a.test/x", "a.test", True),
        ("https://ba.test/x", "a.test", False),
        ("https://b.a.test/x", ".a.test", True),
        ("https://a.test/x", "*", True),
        ("https://10.1.2.3/x", "10.0.0.0/8", True),
        ("https://a.test:8443/x", "a.test:8443", True),
        ("https://a.test/x", "a.test:8443", False),
        ("https://localhost/x", "", True),
        ("https://127.0.0.1/x", "", True),
    ],
)
def test_proxy(url, no_proxy, direct):
    found = proxy_for(url, {"HTTPS_PROXY": "proxy.test:3128", "NO_PROXY": no_proxy})
    assert found == ("" if direct else "http://proxy.test:3128")


def test_shown():
    assert shown("https://user:secret@a.test/x?y#z") == "https://a.test/x"


@pytest.mark.parametrize("kind", sorted(hostile.KINDS))
def test_an_answer_that_does_not_end_is_given_up_as_a_whole(kind):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    client = Client({}, timeout=0.4, attempts=2, wait=0.01)
    with hostile.listening(port, kind):
        since = time.monotonic()
        with pytest.raises((ServerUnreachable, DownloadTooLarge)):
            client.get(f"http://127.0.0.1:{port}/", limit=50_000)
        assert time.monotonic() - since < 2 * (1.2 + 0.3) + 1


@pytest.mark.parametrize("kind", ["a chunk size without end", "a chunk's name without end", "a header without end"])
def test_a_line_that_does_not_end_is_not_kept_until_the_pace_is_looked_at(kind):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    since = time.monotonic()
    with hostile.listening(port, kind), pytest.raises(ServerUnreachable):
        Client({}, timeout=10, attempts=1).get(f"http://127.0.0.1:{port}/", limit=50_000)
    assert time.monotonic() - since < 10, "the pace would end it after 30 s, with all that came in the memory"


def test_what_is_slow_and_comes_through_has_its_time(monkeypatch):
    whole = hostile.OK + b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000
    parts = [whole[n : n + 10_000] for n in range(0, len(whole), 10_000)]
    monkeypatch.setitem(hostile.KINDS, "slow", lambda: ((each, 0.5) for each in parts))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with hostile.listening(port, "slow"):
        # Each part comes well within the timeout on a busy machine too, and all of them take four times as long.
        client, file = Client({}, timeout=1.25, attempts=1), io.BytesIO()
        assert client.download(f"http://127.0.0.1:{port}/", file, limit=200_000).size == 100_000


def test_an_upload_that_is_hardly_taken_is_given_up():
    with socket.socket() as listener, contextlib.ExitStack() as held:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        over = threading.Event()

        def take():
            connection = held.enter_context(listener.accept()[0])
            with contextlib.suppress(OSError):
                while not over.wait(0.1):
                    connection.recv(1)

        thread = threading.Thread(target=take)
        thread.start()
        url, body = f"http://127.0.0.1:{listener.getsockname()[1]}/", io.BytesIO(bytes(30 << 20))
        since = time.monotonic()
        with pytest.raises(ServerUnreachable):
            Client({}, timeout=0.4).send("POST", url, body=body, headers={"Content-Length": str(30 << 20)})
        assert time.monotonic() - since < 30
        over.set()
        thread.join()


@pytest.fixture
def answering(monkeypatch):
    """`answering(b"HTTP/1.1 …")` serves these bytes to each connection and returns the address."""
    with contextlib.ExitStack() as held:

        def serve(data, pause=0.0):
            monkeypatch.setitem(hostile.KINDS, "said", lambda: iter([(data, pause)]))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            held.enter_context(hostile.listening(port, "said"))
            return f"http://127.0.0.1:{port}/"

        yield serve


NUMBERS = ["\u00b2", "\u0663", "-1", "1e9", "", " ", "9" * 400, "9" * 5000, "0x10"]


@pytest.mark.parametrize("value", NUMBERS)
def test_numbers_of_headers_are_digits_or_nothing(answering, value):
    header = value.encode("utf-8")
    url = answering(b"HTTP/1.1 503 Busy\r\nRetry-After: " + header + b"\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(ServerFailing):
        Client({}, attempts=2, wait=0.01).get(url, limit=10)


@pytest.mark.parametrize("value", NUMBERS)
def test_a_length_that_is_no_number_is_an_unknown_length(answering, value):
    url = answering(b"HTTP/1.1 200 OK\r\nContent-Length: " + value.encode() + b"\r\n\r\nhello")
    file = io.BytesIO()
    try:
        assert Client({}, attempts=1).download(url, file, limit=10).status == 200
        assert file.getvalue() in (b"hello", b"")
    except (ServerUnreachable, DownloadTooLarge):
        pass


@pytest.mark.parametrize(
    "location",
    [
        "http://[::1",
        "http://[::1]:x/",
        "http://h:99999/",
        "http://h:\u00b2/",
        "//[",
        "http://\u2100.test/",
        "http://a..b/",
        "http://" + "x" * 70 + "/",
        "ftp://h/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://h/\x7f",
        "http:///x",
    ],
)
def test_a_redirect_to_nowhere_is_an_error_of_its_own(answering, location):
    url = answering(b"HTTP/1.1 302 Found\r\nLocation: " + location.encode() + b"\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises((RedirectRefused, ServerUnreachable)) as caught:
        Client({}, attempts=1).get(url, limit=10)
    assert "\x7f" not in caught.value.what


@pytest.mark.parametrize("proxy", ["http://[::1", "http://h:x", "ftp://h", "http://"])
def test_a_proxy_that_is_no_address_is_named(proxy):
    with pytest.raises(AddressInvalid, match="HTTPS_PROXY or HTTP_PROXY"):
        Client({"HTTPS_PROXY": proxy}).get("https://a.test/x", limit=1)


def test_what_a_server_says_about_a_failure_is_no_download(answering):
    file = io.BytesIO(b"before")
    file.seek(6)
    told = []
    url = answering(b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nnot yours")
    client = Client({}, attempts=1)
    found = client.download(url, file, limit=5, progress=lambda got, total: told.append((got, total)))
    assert (found.status, found.body, file.getvalue(), told) == (403, b"not yours", b"before", [])


def test_a_disk_that_is_full_is_no_network_that_does_not_answer(answering):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    url = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    with pytest.raises(DownloadUnwritable, match="No space left"):
        Client({}, wait=0.01).download(url, Full(), limit=10)


def test_what_was_fast_before_does_not_buy_time(monkeypatch):
    """A server that sends much at once and then a byte now and then: each span has its own least."""
    parts = [hostile.OK + b"Content-Length: 9000000\r\n\r\n" + b"x" * 1_000_000, *[b"x"] * 1000]
    monkeypatch.setitem(hostile.KINDS, "begins well", lambda: ((each, 0.1) for each in parts))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with hostile.listening(port, "begins well"):
        since = time.monotonic()
        with pytest.raises(ServerUnreachable, match="too slow"):
            Client({}, timeout=0.4, attempts=1).download(f"http://127.0.0.1:{port}/", io.BytesIO(), limit=9_000_000)
        assert time.monotonic() - since < 8


def test_a_request_has_an_end_as_a_whole(monkeypatch):
    """Redirects and attempts each within their own time, without end."""
    hop = b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"
    monkeypatch.setitem(hostile.KINDS, "hops slowly", lambda: iter([(hop[:20], 0.3), (hop[20:], 0.0)]))
    monkeypatch.setattr(http_client, "WHOLE", 1.0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with hostile.listening(port, "hops slowly"):
        since = time.monotonic()
        with pytest.raises(ServerUnreachable, match="given up after 1 s"):
            Client({}, timeout=5, attempts=50, wait=0.01).download(f"http://127.0.0.1:{port}/", io.BytesIO(), limit=10)
        assert time.monotonic() - since < 4
