"""The public address by a domain: who answers there, by TLS too, and within a limit."""

import contextlib
import http.server
import socket
import ssl
import subprocess
import threading
import time

import pytest

from goferry.host import control, public
from goferry.host.public import FRONT, Door, PublicAddress
from goferry.kernel import probe
from goferry.kernel.hostfile import Place
from goferry.kernel.sites import CertificateFiles, Site

SECRET = probe.ProbeSecret("0" * 32, "f" * 32)


class Server(http.server.ThreadingHTTPServer):
    """nginx as the agent meets it: it serves its own port, the domains in `names`, and tells what it was asked."""

    def __init__(self, context=None):
        super().__init__(("127.0.0.1", 0), Handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.names, self.location, self.asked, self.link = [], "", [], ""

    @property
    def port(self):
        return self.server_address[1]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.headers["Host"]
        self.server.asked.append((name, self.path))
        self.send_response(308 if self.server.location else 200)
        if self.server.location:
            self.send_header("Location", self.server.location)
        elif name.startswith("localhost") or name in self.server.names:
            self.send_header(probe.ANSWERED, f"{SECRET.answered} unix:{self.server.link} 200 0.001")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def certificate(tmp_path, part):
    words = [part("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made = ["-subj", "/CN=a.example", "-keyout", tmp_path / "key", "-out", tmp_path / "certificate"]
    subprocess.run([*words, *made], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    return context


@pytest.fixture
def serving():
    made = []

    def serve(context=None):
        server = Server(context)
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        made.append(server)
        return server

    yield serve
    for server in made:
        server.shutdown()
        server.server_close()


@pytest.fixture
def asked(tmp_path, serving, monkeypatch):
    """Return a function that asks for a service with these doors, and its port's server."""
    server = serving()
    place = Place("shop", "api", server.port, "socket", site=Site(("a.example",), "/api/"))
    server.link = place.live_link
    (tmp_path / "goferry").mkdir()
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "nginx.conf").write_text("include conf.d/*.conf;\n")
    (tmp_path / "goferry/shop-api.conf").write_text(f"    listen 127.0.0.1:{server.port};\n")
    (tmp_path / probe.INCLUDE).write_text(probe.line(SECRET) + f"\ninclude {tmp_path}/goferry/*;\n")

    def ask(*doors):
        monkeypatch.setattr(public, "_doors", lambda _: list(doors))
        found = PublicAddress(lambda _: None, tmp_path).check(place, "/healthz", 2)
        return found, server.asked

    ask.server, ask.folder = server, tmp_path
    return ask


def test_a_domain_that_leads_to_the_service_is_well(asked):
    asked.server.names = ["a.example"]
    found, questions = asked(Door("127.0.0.1", asked.server.port, "a.example"))
    assert not found.where
    assert [path for _, path in questions] == ["/healthz", "/api/healthz"]
    assert questions[1][0] == "a.example"


def test_a_domain_of_another_server_is_told_by_its_name(asked):
    door = Door("127.0.0.1", asked.server.port, "a.example")
    found, _ = asked(door)
    assert (found.where, found.what) == (
        FRONT,
        f"a.example: {asked.folder}/nginx.conf leads to no server of the domain",
    )
    (asked.folder / "goferry/shop-api.location").touch()
    found, _ = asked(door)
    assert found.what.startswith(f"a.example: another server answers on port {door.port} (HTTP 200, Server: ")
    assert any("server_name.*a.example" in line for line in found.advice)


def test_a_redirect_to_https_is_followed_as_another_service_has_the_certificate(
    asked, serving, certificate, monkeypatch
):
    plain, secure = serving(), serving(certificate)
    plain.location, secure.names, secure.link = "https://a.example/api/", ["a.example"], asked.server.link
    monkeypatch.setattr(public, "HTTPS", secure.port)
    found, _ = asked(Door("127.0.0.1", plain.port, "a.example"))
    assert not found.where
    assert secure.asked == [("a.example", "/api/healthz")]


def test_tls_has_the_limits_of_every_other_question(certificate):
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,  # connections wait in its backlog
        pytest.raises(OSError, match=r"timed out|no whole answer"),
    ):
        control.fetch(Door("127.0.0.1", silent.getsockname()[1], "a.example", True).connection(0.3), "GET", "/", {})
    listener = socket.create_server(("127.0.0.1", 0))

    def drip():
        connection, _ = listener.accept()
        with certificate.wrap_socket(connection, server_side=True) as secure, contextlib.suppress(OSError):
            secure.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:  # until the client has had enough, whose limit is not renewed by what comes
                secure.sendall(b"X: x\r\n")
                time.sleep(0.05)

    thread = threading.Thread(target=drip)
    thread.start()
    with pytest.raises(OSError, match="no whole answer"):
        control.fetch(Door("127.0.0.1", listener.getsockname()[1], "a.example", True).connection(0.5), "GET", "/", {})
    thread.join()
    listener.close()


def test_where_a_person_opens_it():
    files = CertificateFiles("/c", "/k")
    assert Site(("a.example",)).url == "http://a.example/"
    assert Site(("*.a.example", "b.example"), "/api/", files).url == "https://b.example/api/"
    assert Site(("*.a.example",)).url == Site().url == ""
    assert Door("::1", 8080).url == "http://[::1]:8080"
    doors = public._doors(Site(("*.a.example",), files=files, bind="[::]"))
    assert doors == [Door("::1", 443, "goferry.a.example", True)]
