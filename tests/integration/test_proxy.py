"""A real host whose nginx serves a site already, and services by domain, path and TLS: each key of the proxy shows.

The tests of this file go on from each other, as a host does.
"""

import base64
import contextlib
import http.client
import json
import os
import shutil
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from hosts import docker
from pages import script
from provisioned import ROOT, Site
from traffic import Named, Traffic, nothing_lost

from goferry.config.load import load

SOURCE = ROOT / "tests/parts/proxied"
FILES = "tls: {certificate: /etc/ssl/ours/shop.pem, key: /etc/ssl/ours/shop.key}"
CONFIG = """project: shop
services:
  web:
    main: .
    listen: {env: ADDR}
    port: 8080
    domain: shop.example
    FILES
    proxy: {timeout: 3, buffering: false}
  api:
    main: .
    listen: {env: ADDR}
    domain: shop.example
    path: /api/
    proxy: {timeout: 1, body-size: 1KB, websockets: false}
  rpc:
    main: .
    listen: {env: ADDR}
    domains: [rpc.shop.example, '*.rpc.shop.example']
    FILES
    proxy: {grpc: true, timeout: 3}
  old:
    main: .
    listen: {env: ADDR}
    port: 8081
    domain: old.example
""".replace("FILES", FILES)
OTHER = "server { listen 80; server_name _; location / { return 200 'the other site'; } }"
RELOAD = "nginx -t && systemctl reload nginx && sleep 0.7"


class Proxied(Site):
    """A site of four services, all of one program."""

    config = CONFIG

    def released(self, number):
        self.sequence += 1
        binary = self.workshop.binary(self.go, f"v{number}.0.0", source=SOURCE)
        return self.workshop.release(
            self.folder / f"dist-{self.sequence}",
            dict.fromkeys(("web", "api", "rpc", "old"), binary),
            f"v{number}.0.0",
            self.sequence,
            listen={"env": "ADDR"},
            ready_within_ms=30_000,
        )


@pytest.fixture(scope="module")
def authority(part, tmp_path_factory):
    """A folder with a certificate authority and a certificate of it for our domains."""
    folder, openssl = tmp_path_factory.mktemp("authority"), part("openssl")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    made = ["-x509", "-subj", "/CN=Ours", "-keyout", "ca.key", "-out", "ca.pem"]
    subprocess.run([openssl, "req", *key, *made], cwd=folder, check=True, capture_output=True)
    names = "subjectAltName=DNS:shop.example,DNS:rpc.shop.example,DNS:*.rpc.shop.example"
    made = ["-CA", "ca.pem", "-CAkey", "ca.key", "-subj", "/CN=shop.example", "-addext", names]
    out = ["-keyout", "shop.key", "-out", "shop.pem"]
    subprocess.run([openssl, "req", "-x509", *key, *made, *out], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def context(authority):
    return ssl.create_default_context(cafile=authority / "ca.pem")


@pytest.fixture(scope="module")
def site(shared_host, workshop, part, authority, tmp_path_factory):
    made = Proxied(shared_host, workshop, part("go"), tmp_path_factory.mktemp("site"))
    host = shared_host
    host.run(f'echo "{OTHER}" >/etc/nginx/sites-enabled/other; systemctl start nginx; {RELOAD}')
    (made.folder / "goferry.yml").write_text(CONFIG)
    refused = json.loads(made.run_provision().stdout)
    assert (refused["error"], refused["exit_code"]) == ("certificate-unusable", 2)
    assert "/etc/ssl/ours/shop.pem: No such file or directory" in refused["what"]
    assert host.run("ls /etc/goferry /etc/nginx/goferry 2>/dev/null", check=False) == ""
    host.run("mkdir /etc/ssl/ours")
    for name in ("shop.pem", "shop.key"):
        docker("cp", authority / name, f"{host.name}:/etc/ssl/ours/{name}")
    (record,) = made.provision()["hosts"].values()
    assert all(each["ok"] for each in record["checks"]), record["checks"]
    assert record["services"]["web"] == {"port": 8080, "listen": "env", "domains": ["shop.example"]}
    made.deploy(made.released(1))
    return made


def by_name(site, context, name, port=443):
    reached = site.host.ports[port]
    return (
        Named(reached, name, context, 20)
        if port == 443
        else http.client.HTTPConnection("127.0.0.1", reached, timeout=20)
    )


def ask(site, context, url, method="GET", body=None, **headers):
    """Return status, headers and text of a request to a URL of one of our domains."""
    scheme, _, rest = url.partition("://")
    name, slash, path = rest.partition("/")
    with contextlib.closing(by_name(site, context, name, 443 if scheme == "https" else 80)) as connection:
        connection.request(method, slash + path, body, {"Host": name, **headers})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()


def test_domains_and_paths_lead_to_their_services_beside_another_site(site, context):
    found = ask(site, context, "https://shop.example/a?b=c")[2].split()
    assert found == ["v1.0.0", "web", "GET", "/a?b=c", "HTTP/1.1", "shop.example", "https", "0"]
    assert ask(site, context, "https://shop.example/api/x%2Fy")[2].split()[1:4] == ["api", "GET", "/api/x%2Fy"]
    assert ask(site, context, "https://shop.example/apis")[2].split()[1] == "web"
    status, headers, _ = ask(site, context, "https://shop.example/api?q=1")
    assert (status, headers["Location"]) == (308, "/api/?q=1")
    status, headers, _ = ask(site, context, "http://shop.example/a?b=c")
    assert (status, headers["Location"]) == (308, "https://shop.example/a?b=c")
    assert ask(site, context, "http://old.example/")[2].split()[1::5] == ["old", "http"]
    assert ask(site, context, "http://nobody.example/")[2] == "the other site"
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        ask(site, context, "https://nobody.example/")
    site.host.run("mkdir -p /var/lib/goferry-acme/.well-known/acme-challenge")
    site.host.run("echo proof >/var/lib/goferry-acme/.well-known/acme-challenge/token")
    assert ask(site, context, "http://shop.example/.well-known/acme-challenge/token")[2] == "proof\n"


def test_a_port_that_is_not_named_is_for_the_host_itself(site):
    ports = json.loads(site.host.run("cat /etc/goferry/host.json"))["projects"]["shop"]["services"]
    assert (ports["web"]["port"], ports["old"]["port"], ports["api"]["port"]) == (8080, 8081, 8082)
    assert site.fetch(8081, "GET").split()[1] == "old"
    assert "403 Forbidden" in site.fetch(8082, "GET")
    assert "api" in site.host.run("curl -s http://127.0.0.1:8082/")
    own = "/etc/goferry/nginx/shop-api"  # what an operator allows is who may use the domain
    site.host.run(f"echo 'allow all; location /api/more {{ return 200 more; }}' >{own}/open.conf; {RELOAD}")
    assert "403 Forbidden" in site.fetch(8082, "GET")
    assert "403 Forbidden" in site.host.run("curl -s http://$(hostname -i | cut -d' ' -f1):8082/api/more")
    assert site.host.run("curl -s http://127.0.0.1:8082/api/more") == "more"
    site.host.run(f"rm {own}/open.conf; {RELOAD}")


def test_a_request_may_take_as_long_as_its_service_s_timeout(site, context):
    assert ask(site, context, "https://shop.example/?ms=2000")[0] == 200
    assert ask(site, context, "https://shop.example/api/?ms=2000")[0] == 504


def test_an_upload_may_be_as_large_as_its_service_says(site, context):
    assert ask(site, context, "https://shop.example/api/", "POST", b"x" * 2000)[0] == 413
    assert ask(site, context, "https://shop.example/", "POST", b"x" * 200_000)[2].split()[-1] == "200000"


def test_events_come_one_by_one(site, context):
    with contextlib.closing(by_name(site, context, "shop.example")) as connection:
        connection.request("GET", "/events?ms=700")
        answer, came = connection.getresponse(), []
        while line := answer.readline():
            came += [time.monotonic()] if line.startswith(b"data") else []
    assert len(came) == 3
    assert came[1] - came[0] > 0.3, "held back until there were more"


def web_socket(connection, path):
    """Return what a server answers to the beginning of a WebSocket, and the connection."""
    key = base64.b64encode(os.urandom(16)).decode()
    words = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    connection.request("GET", path, headers=words)
    return connection.sock, connection.response_class(connection.sock, method="GET")


def echoed(sock, text):
    masked = bytes(byte ^ 7 for byte in text)
    sock.sendall(b"\x81" + bytes([0x80 | len(text)]) + b"\x07\x07\x07\x07" + masked)
    return sock.recv(100)


def test_a_web_socket_stays_open_where_it_may(site, context):
    connection = by_name(site, context, "shop.example")
    sock, answer = web_socket(connection, "/ws")
    answer.begin()
    assert (answer.status, answer.headers["Upgrade"]) == (101, "websocket")
    assert echoed(sock, b"one") == b"\x81\x03one"
    time.sleep(2)
    assert echoed(sock, b"two") == b"\x81\x03two"
    connection.close()
    connection = by_name(site, context, "shop.example")
    connection.request("GET", "/api/ws", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    assert connection.getresponse().status == 200
    connection.close()


def test_grpc_s_streams_and_trailers_come_through(site, context, authority):
    program = site.workshop.binary(site.go, "v1.0.0", source=SOURCE)
    reached = {**os.environ, "REACHED": f"127.0.0.1:{site.host.ports[443]}"}
    for name in ("rpc.shop.example", "eu.rpc.shop.example"):
        words = [program, "call", f"https://{name}/echo.Echo/Stream", authority / "ca.pem"]
        done = subprocess.run(words, env=reached, capture_output=True, text=True, check=False, timeout=30)
        assert done.stdout == "HTTP/2.0 one two 0\n", done.stderr
    assert ask(site, context, "https://rpc.shop.example/x")[2].split()[1:5:3] == ["rpc", "HTTP/2.0"]


def test_what_an_operator_adds_holds_and_stays_and_keeps_no_deploy_back(site, context):
    own = "/etc/goferry/nginx"
    site.host.run(
        f"printf 'auth_basic ours; auth_basic_user_file /etc/nginx/users;\\n' >{own}/shop-web/password.conf;"
        "touch /etc/nginx/users;"
        f"printf 'proxy_read_timeout 9s; location /api/static/ {{ return 200 file; }}\\n' >{own}/shop-api/more.conf;"
        f"printf 'add_header X-Ours yes always;\\n' >{own}/shop-api/server/header.conf; {RELOAD}"
    )
    before = site.host.run(f"find {own} -type f | sort | xargs sha256sum")
    assert ask(site, context, "https://shop.example/")[0] == 401
    status, headers, _ = ask(site, context, "https://shop.example/api/?ms=2000")
    assert (status, headers["X-Ours"]) == (200, "yes")
    assert ask(site, context, "https://shop.example/api/static/x")[2] == "file"
    assert site.deploy(site.released(2))["services"]["web"]["version"] == "v2.0.0"
    assert site.provision()["unchanged"]
    assert site.run_provision("--check").returncode == 0
    assert site.host.run(f"find {own} -type f | sort | xargs sha256sum") == before
    site.host.run(f"rm {own}/shop-web/password.conf {own}/shop-api/more.conf; {RELOAD}")


def test_whoever_else_has_the_domain_is_told(site):
    taken = "server { listen 443 ssl; server_name shop.example; return 403; FILES }".replace(
        "FILES", "ssl_certificate /etc/ssl/ours/shop.pem; ssl_certificate_key /etc/ssl/ours/shop.key;"
    )
    site.host.run(f"echo '{taken}' >/etc/nginx/conf.d/taken.conf; {RELOAD}")
    try:
        told = json.loads(site.run_provision("--check").stdout)
        error = site.refused(site.released(3))
    finally:
        site.host.run(f"rm /etc/nginx/conf.d/taken.conf; {RELOAD}")
    what = "shop.example: another server answers on port 443 (HTTP 403"
    assert (told["error"], what in told["state"]) == ("host-differs", True)
    assert what in error.what
    assert any("nginx -T | grep -n 'server_name.*shop.example'" in line for line in error.advice)


@contextlib.contextmanager
def going_on(act):
    """Repeat something until the block ends; give what came of it."""
    over, came = threading.Event(), []

    def work():
        while not over.is_set():
            came.append(act())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield came
    finally:
        over.set()
        thread.join()


def test_keys_change_under_traffic_and_nothing_is_lost(site, context):
    """Also what is on its way while nginx is reloaded: long requests and a WebSocket go on in the workers of before."""
    changed = CONFIG.replace("timeout: 3,", "timeout: 30,").replace("body-size: 1KB", "body-size: 2KB")
    changed = changed.replace("domain: old.example", "domains: [old.example, older.example]")
    connection = by_name(site, context, "shop.example")
    sock, answer = web_socket(connection, "/ws")
    answer.begin()

    def long():
        return ask(site, context, "https://shop.example/?ms=2500")[0]

    def talk():
        time.sleep(0.2)
        return echoed(sock, b"still")

    paths = {443: "/api/", 80: "/", 8080: "/", 8081: "/"}
    names = {443: "shop.example", 80: "old.example"}
    with Traffic(site.host, paths, names, context) as traffic, going_on(long) as longs, going_on(talk) as talks:
        time.sleep(1)
        site.config = changed
        (record,) = site.provision()["hosts"].values()
        assert {Path(path).name for path in record["changed"]} == {
            "host.json", "shop-web.conf", "shop-web.location", "shop-api.conf", "shop-api.location", "zz-goferry.conf",
        }  # fmt: skip
        assert "systemctl reload nginx.service" in record["ran"]
        assert ask(site, context, "http://older.example/")[2].split()[1] == "old"
        site.config = CONFIG
        site.provision()
        time.sleep(1)
    connection.close()
    assert (set(longs), set(talks)) == ({200}, {b"\x81\x05still"})
    assert len(longs) > 1
    nothing_lost(traffic)


def test_a_renewed_certificate_needs_a_reload_alone(site, context, authority, tmp_path):
    before = served(site, context)
    shutil.copytree(authority, tmp_path / "renewed")
    words = ["openssl", "req", "-x509", "-key", "shop.key", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "3"]
    names = ["-subj", "/CN=shop.example", "-addext", "subjectAltName=DNS:shop.example", "-out", "shop.pem"]
    subprocess.run([*words, *names], cwd=tmp_path / "renewed", check=True, capture_output=True)
    docker("cp", tmp_path / "renewed/shop.pem", f"{site.host.name}:/etc/ssl/ours/shop.pem")
    site.host.run(RELOAD)
    assert served(site, context) != before
    assert site.run_provision("--check").returncode == 0


def served(site, context):
    """Return the certificate that a domain is served by."""
    with contextlib.closing(by_name(site, context, "shop.example")) as connection:
        connection.connect()
        return connection.sock.getpeercert(binary_form=True)


def test_the_page_s_commands(site, context, tmp_path):
    """docs/proxy.md with the first goferry.yml that it shows; `web-1` is what a user's ssh_config would say."""
    page, host = (ROOT / "docs/proxy.md").read_text(), site.host
    shown = [block.partition("```")[0] for block in page.split("```yaml\n")[1:]]
    for number, text in enumerate(shown):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "goferry.yml").write_text("project: shop\n" + text)
        assert load(tmp_path / str(number)).project.services
    live = "/etc/letsencrypt/live/shop.example"
    host.run(f"mkdir -p {live}; ln -s /etc/ssl/ours/shop.pem {live}/fullchain.pem")
    host.run(f"ln -s /etc/ssl/ours/shop.key {live}/privkey.pem")
    options = f"--identity {host.root_key} --known-hosts {host.known_hosts} --trust {site.workshop.keys}/goferry.trust"
    (tmp_path / "goferry").write_text(f"#!/bin/sh\nexec {ROOT}/.venv/bin/goferry $1 {host.address} {options}\n")
    (tmp_path / "goferry").chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    words = ["bash", "-xc", script(page)]
    done = subprocess.run(
        words, cwd=tmp_path / "0", env=environ, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "web will be served at https://shop.example/" in done.stdout
    assert ask(site, context, "https://shop.example/api/")[2].split()[1] == "api"
