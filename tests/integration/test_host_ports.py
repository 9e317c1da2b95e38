"""The ports of plain services on a real host: squatters on all of them, in crashes, starts and deploys; and an upgrade.

The service of these tests waits on its address like any other; /try says what a unit may listen on and reach.
"""

import base64
import contextlib
import hashlib
import http.client
import os
import socket
import time

import provisioned
import pytest

from goferry.deploy.provision._systemd_guard import SHARED_PORTS
from goferry.host import start_note
from goferry.kernel.hostfile import Place
from goferry.kernel.loopback_ports import RANGE

CONFIG = """project: shop
services:
  next: {main: ., listen: {flag: --addr}, port: 8082}
  web: {main: ., listen: {env: ADDR}, port: 8081}
"""
OWN = {"next": range(23_000, 23_010), "web": range(23_010, 23_020)}
WEB = Place("shop", "web", 8081, "env", 23_010)

SERVICE = """package main

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

var version, fault string

func listens(network, address string) string {
	var one io.Closer
	var err error
	if network == "udp" {
		one, err = net.ListenPacket(network, address)
	} else {
		one, err = net.Listen(network, address)
	}
	if err != nil {
		return "denied"
	}
	one.Close()
	return "ok"
}

func main() {
	addr := flag.String("addr", os.Getenv("ADDR"), "")
	flag.Parse()
	if port := os.Getenv("PORT"); port != "" {
		*addr = ":" + port
	}
	http.HandleFunc("GET /base", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, os.Getenv("BASE")) })
	if fault == "slow" {
		time.Sleep(500 * time.Millisecond)
	}
	http.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	http.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, version) })
	http.HandleFunc("POST /sum", func(w http.ResponseWriter, r *http.Request) {
		digest := sha256.New()
		io.Copy(digest, r.Body)
		fmt.Fprintf(w, "%x\\n", digest.Sum(nil))
	})
	http.HandleFunc("GET /big", func(w http.ResponseWriter, r *http.Request) {
		count, _ := strconv.Atoi(r.FormValue("bytes"))
		w.Header().Set("Content-Length", r.FormValue("bytes"))
		block := make([]byte, 1<<16)
		for ; count > 0; count -= len(block) {
			w.Write(block[:min(count, len(block))])
		}
	})
	http.HandleFunc("GET /echo", func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, _ := http.NewResponseController(w).Hijack()
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n")
		io.Copy(conn, buffered)
	})
	http.HandleFunc("GET /try", func(w http.ResponseWriter, r *http.Request) {
		for port := 23000; port < 23030; port++ {
			fmt.Fprintln(w, port, listens("tcp", fmt.Sprint("127.0.0.1:", port)))
		}
		fmt.Fprintln(w, "second", listens("tcp", ":24999"))
		fmt.Fprintln(w, "any", listens("tcp", "127.0.0.1:0"))
		fmt.Fprintln(w, "udp", listens("udp", "127.0.0.1:0"))
		fmt.Fprintln(w, "udp-range", listens("udp", "127.0.0.1:23010"))
		answer, err := http.Get("http://127.0.0.1:" + r.FormValue("dial") + "/version")
		fmt.Fprintln(w, "dial", err == nil && answer.StatusCode == 200)
	})
	log.Fatal(http.ListenAndServe(*addr, nil))
}
"""

SQUAT = """
import select, socket, sys
first, count = map(int, sys.argv[1:])
held = {}
while True:
    for port in range(first, first + count):
        if port not in held:
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
                one.listen()
            except OSError:
                one.close()
                continue
            held[port] = one
            print("held", port, flush=True)
    for one in select.select(list(held.values()), [], [], 0.001)[0]:
        client, peer = one.accept()
        print("heard", one.getsockname()[1], flush=True)
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 8\\r\\nConnection: close\\r\\n\\r\\nsquatted")
        client.close()
"""

FOLLOW = """
import os, socket, sys, time
held, last = [], {}
while len(held) < 3:
    for slot in (0, 1):
        try:
            port = int(open("/run/goferry/shop-web/port%d" % slot).readline().partition("=")[2])
        except (OSError, ValueError):
            continue
        if last.setdefault(slot, port if not held and sys.argv[1] == str(slot) else 0) != port:
            last[slot] = port
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
                one.listen()
            except OSError:
                continue
            held.append(one)
            print("held", port, flush=True)
    time.sleep(0.0005)
time.sleep(100)
"""


class Site(provisioned.Site):
    """The same, with the service above."""

    config = CONFIG

    def release(self, number, service="web", fault="", **more):
        self.sequence += 1
        source = self.folder / "source"
        if not source.exists():
            source.mkdir()
            (source / "go.mod").write_text("module example.com/web\n\ngo 1.25\n")
            (source / "main.go").write_text(SERVICE)
        binary = self.workshop.binary(self.go, f"v{number}.0.0", fault, source)
        listen = {"env": "ADDR"} if service == "web" else {"flag": "--addr"}
        folder = self.folder / f"dist-{self.sequence}"
        more = {"listen": listen, "ready_within_ms": 20_000, **more}
        return self.workshop.release(folder, {service: binary}, f"v{number}.0.0", self.sequence, **more)

    def note(self, slot):
        """What the slot's last start was given."""
        path = self.folder / "note"
        path.write_text(self.host.run(f"cat {WEB.port_note(slot)}") + "\n")
        return start_note.read(str(path))

    def put(self, name, text):
        data = base64.b64encode(text.encode()).decode()
        self.host.run(f"echo {data} | base64 -d >/usr/local/bin/{name} && chmod 755 /usr/local/bin/{name}")

    @contextlib.contextmanager
    def squatters(self):
        """A hardened unit and an ordinary user, each of which loops over all ports of web; yields what they say."""
        self.put("squat", SQUAT)
        words = f"/usr/bin/python3 /usr/local/bin/squat {OWN['web'].start} {len(OWN['web'])}"
        hardened = "-p DynamicUser=yes -p NoNewPrivileges=yes -p CapabilityBoundingSet= -p ProtectSystem=strict"
        user = "-p User=nobody"
        for name, how in (("squat-unit", hardened), ("squat-user", user)):
            self.host.run(f"systemd-run --unit={name} {how} -p StandardOutput=file:/tmp/{name} {words}")
        try:
            self.wait(lambda: "held" in self.host.run("cat /tmp/squat-*"))
            yield lambda: self.host.run("cat /tmp/squat-*").splitlines()
        finally:
            self.host.run("systemctl stop squat-unit squat-user; rm -f /tmp/squat-*")

    @staticmethod
    def wait(holds, seconds=30):
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def said(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.fetch(8081, "GET", "/version")
        return ""


@pytest.fixture(scope="module")
def site(shared_host, workshop, part, tmp_path_factory):
    made = Site(shared_host, workshop, part("go"), tmp_path_factory.mktemp("site"))
    made.record = made.provision()
    made.deploy(made.release(1))
    return made


def test_squatters_hear_no_request_and_keep_nobody_from_starting(site):
    second = site.release(2)
    with site.squatters() as said:
        with site.clients(8081, method="GET", path="/version") as clients:
            assert site.deploy(second)["services"]["web"]["version"] == "v2.0.0"
            assert site.rollback()["services"]["web"]["version"] == "v1.0.0"
        assert (clients.lost, clients.heard) == ([], {"v1.0.0", "v2.0.0"})
        slot = site.live()["web"]["slot"]
        taken = set()
        with site.clients(8081, method="GET", path="/version") as clients:  # what is lost here the crashes lost
            for _ in range(4):
                port = site.note(slot).port
                site.host.run(f"systemctl kill --signal=SIGKILL goferry-shop-web@{slot}.service")
                site.wait(lambda before=port: site.note(slot).port != before and site.said() == "v1.0.0")
                taken.add(port)
        assert clients.heard - {"v1.0.0"} <= {body for body in clients.heard if "502" in body}
        assert site.deploy(second)["services"]["web"]["version"] == "v2.0.0"
        lines = said()
    assert [line for line in lines if line.startswith("heard")] == []
    assert {int(line.split()[1]) for line in lines} >= taken & set(OWN["web"])  # so they were waited for


def test_a_port_that_is_taken_before_the_service_listens_is_another_one_s_turn(site):
    """Who sees the port before the service has it, as of a flag in /proc/PID/cmdline, can't end its deploy either."""
    live = site.live()["web"]["slot"]
    site.put("follow", FOLLOW)
    words = f"/usr/bin/python3 /usr/local/bin/follow {live}"
    site.host.run(f"systemd-run --unit=follow -p User=nobody -p StandardOutput=file:/tmp/follow {words}")
    try:
        site.deploy(site.release(3, fault="slow", ready_within_ms=60_000))
        held = site.host.run("cat /tmp/follow").splitlines()
    finally:
        site.host.run("systemctl stop follow")
    assert len(held) == 3
    assert site.said() == "v3.0.0"


@pytest.mark.parametrize(
    "told",
    [
        {"listen": {"port_env": "PORT"}, "env": {"BASE": "{url}"}},
        {"listen": {}, "args": ["--addr={address}"], "env": {"BASE": "http://{host}:{port}"}},
    ],
    ids=["variable", "argument"],
)
def test_each_start_is_told_the_port_that_was_drawn_for_it(site, told):
    site.deploy(site.release(4, **told))
    for _ in range(2):
        slot = site.live()["web"]["slot"]
        port = site.note(slot).port
        assert site.fetch(8081, "GET", "/base") == f"http://127.0.0.1:{port}"
        site.host.run(f"systemctl kill --signal=SIGKILL goferry-shop-web@{slot}.service")
        site.wait(lambda before=port, slot=slot: site.note(slot).port != before and site.said() == "v4.0.0")
    site.deploy(site.release(5))
    assert site.said() == "v5.0.0"


def test_a_unit_may_listen_on_its_own_ports_and_elsewhere_but_not_on_its_neighbour_s(site):
    site.deploy(site.release(1, "next"))
    tried = dict(line.split() for line in site.fetch(8082, "GET", "/try?dial=8081").splitlines())
    denied = {port for port in range(23_000, 23_030) if tried[str(port)] == "denied"}
    own = set(OWN["next"])
    assert denied & own == {int(site.host.run("sed -n s/GOFERRY_PORT=//p /run/goferry/shop-next/port0"))}  # in use
    holds = SHARED_PORTS not in site.record["hosts"][site.host.address]["notes"]
    assert denied - own == (set(range(23_000, 23_030)) - own if holds else {site.note(site.live()["web"]["slot"]).port})
    assert {name: tried[name] for name in ("second", "any", "udp", "udp-range", "dial")} == {
        "second": "ok", "any": "ok", "udp": "ok", "udp-range": "ok", "dial": "true"
    }  # fmt: skip
    assert RANGE.start <= min(own)


def test_bodies_upgrades_and_long_connections_pass(site):
    body = os.urandom(1 << 20) * 48
    connection = http.client.HTTPConnection("127.0.0.1", site.host.ports[8081], timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", "/sum", body)
        assert connection.getresponse().read().decode().strip() == hashlib.sha256(body).hexdigest()
        connection.request("GET", "/big?bytes=50000000")
        assert len(connection.getresponse().read()) == 50_000_000
    with socket.create_connection(("127.0.0.1", site.host.ports[8081]), timeout=20) as client:
        client.sendall(b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        assert b" 101 " in client.recv(4096)
        for number in range(20):
            client.sendall(b"message %d" % number)
            assert client.recv(100) == b"message %d" % number
            time.sleep(0.02)


PROXYD = """[Unit]
PartOf=goferry-shop-web@%i.socket
[Service]
ExecStart=/lib/systemd/systemd-socket-proxyd 127.0.0.1:PORT
DynamicUser=yes
"""


def test_a_host_with_systemd_s_proxy_before_its_services_is_upgraded_under_traffic(site):
    """What an older Goferry left: a socket of the slot's own name, systemd-socket-proxyd, and a link to that socket."""
    live, new = site.live()["web"], WEB.socket_path(site.live()["web"]["slot"])
    slot = live["slot"]
    old, link = WEB.serving("socket"), WEB.live_link
    unit = PROXYD.replace("PORT", str(site.note(slot).port))
    data = base64.b64encode(unit.encode()).decode()
    site.host.run(f"echo {data} | base64 -d >'/etc/systemd/system/goferry.door-shop-web@.service'")
    site.host.run(
        f"systemctl daemon-reload; systemctl start {old.socket_unit(slot)}; ln -sfn {old.socket_path(slot)} {link}"
    )
    assert site.said() == live["version"]
    file = f"/var/lib/goferry/shop/web/slots/{slot}.json"
    change = f's/"listen":[0-9]*/"listen":{site.note(slot).port}/'
    site.host.run(
        f"systemctl stop {WEB.socket_unit(slot)} {WEB.door_unit(slot)}; rm {WEB.port_note(slot)}; sed -i '{change}' {file}"
    )
    with site.clients(8081, method="GET", path="/version") as clients:
        site.provision()
        site.wait(lambda: site.host.run(f"readlink {link}") == new)
        time.sleep(0.3)
    assert (clients.lost, clients.heard) == ([], {live["version"]})
    assert site.live()["web"]["pid"] == live["pid"]
    for name in (old.socket_unit(slot), old.door_unit(slot)):
        assert site.host.run(f"systemctl is-active {name}", check=False) == "inactive"
    with site.clients(8081, method="GET", path="/version") as clients:
        site.deploy(site.release(9))
    assert (clients.lost, clients.heard) == ([], {live["version"], "v9.0.0"})
