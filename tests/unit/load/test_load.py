"""What the load refuses, how it reports, and that its process ends."""

import dataclasses
import http.server
import json
import subprocess
import sys
import threading
import time

import load
import pytest
from load import Load, Report, check


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1:80",
        "http://example.com",
        "http://10.0.0.1",
        "https://127.0.0.1",
        "127.0.0.1:8080",
        "http://",
        "http://127.0.0.1:80/orders",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com",
        "http://[2001:db8::1]:80",
        "ftp://127.0.0.1",
    ],
)
def test_only_this_machine_is_loaded(url):
    with pytest.raises(ValueError, match="loopback"):
        check(url)
    with pytest.raises(ValueError, match="loopback"):
        Load.start(url)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("http://localhost:81/", ("127.0.0.1", 81)),
        ("http://[::1]:82", ("::1", 82)),
        ("http://127.8.8.8", ("127.8.8.8", 80)),
    ],
)
def test_loopback_addresses(url, address):
    assert check(url) == address


@pytest.mark.parametrize("bound", [{"rate": 5001}, {"connections": 0}, {"seconds": -1}, {"seconds": 601}])
def test_bounds_are_kept(bound):
    with pytest.raises(ValueError, match="at most"):
        check("http://127.0.0.1", **bound)


class Shop(http.server.BaseHTTPRequestHandler):
    """Takes orders; `forget` of them are answered and not stored."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    forget = 0

    def do_POST(self):
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            if self.server.forget:
                self.server.forget -= 1
            else:
                self.server.ids.append(order["id"])
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        body = "".join(f"{id_}\n" for id_ in self.server.ids).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def shop():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    server.ids, server.forget, server.lock = ["someone-else's"], 0, threading.Lock()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_start_and_stop(shop):
    with Load.start(shop.url, connections=8, rate=200, seconds=30, slow_every=0) as running:
        assert len(shop.ids) > 1
        time.sleep(0.3)
        report = running.stop()
    assert report.clean
    assert report.ids_equal
    assert report.sent == report.ok == len(shop.ids) - 1
    assert report.lines()[0].startswith(f"sent: {report.sent} in ")
    assert report.lines()[1:3] == ["lost: 0", "ids: equal"]


def test_an_order_that_is_acknowledged_and_not_stored_is_found(shop):
    shop.forget = 3
    with Load.start(shop.url, connections=8, rate=100, seconds=30, slow_every=0) as running:
        time.sleep(0.2)
        report = running.stop()
    assert (report.lost, report.acknowledged_not_stored, report.ids_equal, report.clean) == (0, 3, False, False)
    assert len(report.ids["acknowledged_not_stored"]) == 3
    assert "3 acknowledged but not stored" in report.lines()[2]


def test_leaving_the_block_ends_the_process(shop):
    with Load.start(shop.url, connections=4, rate=50, seconds=30) as running:
        process = running._process
    assert process.poll() is not None
    with pytest.raises((RuntimeError, ValueError)):
        running.stop()


def test_a_load_whose_parent_ends_ends(shop):
    command = [
        sys.executable,
        load.__file__,
        "--url",
        shop.url,
        "--seconds",
        "600",
        "--rate",
        "50",
        "--json",
        "--attached",
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "running\n"
    process.communicate()  # ends long before its ten minutes are over
    assert process.returncode == 0


def test_command_line(shop):
    command = [
        sys.executable,
        load.__file__,
        "--url",
        shop.url,
        "--seconds",
        "0.4",
        "--rate",
        "100",
        "--slow-every",
        "0",
    ]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    record = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert record["clean"] is record["ids_equal"] is True
    assert {field.name for field in dataclasses.fields(Report)} <= set(record)
    shop.forget = 1
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "lost: 0\nids: 1 acknowledged but not stored" in done.stdout
    done = subprocess.run([*command, "--url", "http://192.0.2.1"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "loopback" in done.stderr
