"""A provisioned host boots with services of which half are ill: the other half serves at once, on real systemd.

Two projects of ten services each share one binary: those of `shop` are given their socket, those of `tool` a port. What
is written into a service's own folder makes it ill, as a database that is not there makes it.
"""

import json
import subprocess
import time
from pathlib import Path

import provisioned
import pytest

pytestmark = pytest.mark.alone  # twenty services start at once, and how long that takes is the subject
ROOT = Path(__file__).resolve().parents[2]

SERVICE = """package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"example.com/service/ferry"
)

var version string

func ill() string {
	text, _ := os.ReadFile("ill")
	return string(text)
}

func main() {
	switch ill() {
	case "exit":
		os.Exit(1)
	case "hang":
		time.Sleep(time.Hour)
	}
	answer := func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, version) }
	if address := os.Getenv("ADDR"); address != "" {
		http.HandleFunc("/", answer)
		http.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
			if ill() != "" {
				w.WriteHeader(503)
			}
		})
		fmt.Fprintln(os.Stderr, http.ListenAndServe(address, nil))
		os.Exit(1)
	}
	service := &ferry.Service{Handler: http.HandlerFunc(answer), Version: version}
	service.Ready = func() error {
		if ill() != "" {
			return errors.New("no database")
		}
		return nil
	}
	if err := service.Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
"""

LISTENS = {"shop": {"socket": True}, "tool": {"env": "ADDR"}}
NAMES = [f"s{number}" for number in range(10)]
ILL = dict(zip(NAMES, ("exit", "hang", "sick", "exit", "hang"), strict=False))

AWAIT = """
import http.client, json, sys, time
waiting, found, end = json.loads(sys.argv[1]), {}, time.monotonic() + float(sys.argv[2])
while waiting and time.monotonic() < end:
    for port in list(waiting):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", "/")
            answer = connection.getresponse()
            said = answer.read()
            if answer.status == 200:
                waiting.remove(port)
                found[port] = float(open("/proc/uptime").read().split()[0])
        except (OSError, http.client.HTTPException):
            pass
    time.sleep(0.02)
first = open("/proc/1/stat").read().rpartition(")")[2].split()[19]
print(json.dumps([waiting, max(found.values(), default=0) - int(first) / 100]))
"""


class Site(provisioned.Site):
    """A host with the two projects."""

    def provision(self):
        places = {}
        for project, listen in LISTENS.items():
            (how,) = listen.items()
            services = "".join(f"  {name}: {{main: ., listen: {json.dumps(dict([how]))}}}\n" for name in NAMES)
            self.config = f"project: {project}\nservices:\n{services}"
            super().provision()
            places[project] = json.loads(self.host.run("cat /etc/goferry/host.json"))["projects"][project]["services"]
        self.ports = {(project, name): places[project][name]["port"] for project in LISTENS for name in NAMES}

    def opened(self):
        return super().opened("--project", self.project)

    def states(self):
        found = {}
        for self.project in LISTENS:
            found.update({(self.project, name): one["state"] for name, one in self.live().items()})
        return found

    def deploy_all(self):
        (self.workshop.source / "main.go").write_text(SERVICE)
        binary = self.workshop.binary(self.go, "v1.0.0")
        for sequence, (project, listen) in enumerate(LISTENS.items(), 1):
            dist = self.folder / f"dist-{project}"
            binaries = dict.fromkeys(NAMES, binary)
            self.workshop.release(
                dist, binaries, "v1.0.0", sequence, project, listen=listen, ready_within_ms=60_000, bake_ms=1
            )
            self.project = project
            assert len(self.deploy(dist)["services"]) == len(NAMES)

    def answer(self, ports, seconds):
        """Wait until the ports answer well; return those that don't, and the seconds since PID 1 was started."""
        script = "/tmp/await.py"
        self.host.run(f"cat >{script} <<'EOF'{AWAIT}EOF")
        return json.loads(self.host.run(f"python3 {script} '{json.dumps(ports)}' {seconds}"))

    def boot(self):
        """Cut the power, and switch it on again without waiting for anything."""
        self.host.cut_power()
        subprocess.run(["docker", "start", self.host.name], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def site(shared_host, workshop, part, tmp_path_factory):
    made = Site(shared_host, workshop, part("go"), tmp_path_factory.mktemp("site"))
    made.provision()
    made.deploy_all()
    return made


def data(project, name):
    return f"/var/lib/private/goferry-data/{project}-{name}/ill"


def test_ten_ill_services_hold_ten_healthy_ones_not_back_at_boot(site):
    ill = [(project, name) for project in LISTENS for name in ILL]
    for project, name in ill:
        site.host.run(f"printf {ILL[name]} >{data(project, name)}")
    healthy = [port for place, port in site.ports.items() if place not in ill]
    assert len(healthy) == len(ill) == 10
    site.boot()
    left, seconds = site.answer(healthy, 60)
    assert left == []
    assert seconds < 50  # a few on a machine that has nothing else to do; each ill one may take 60 to become ready
    site.host.start()
    for unit in ("goferry.target", "goferry-recover.service"):
        assert site.host.run(f"systemctl is-failed {unit}", check=False) != "failed"
    assert site.states() == {
        (project, name): "unhealthy" if name in ILL else "healthy" for project in LISTENS for name in NAMES
    }


def test_what_a_service_needs_may_come_later_and_nobody_need_start_it(site):
    ports = [port for (_, name), port in site.ports.items() if ILL.get(name) in ("exit", "sick")]
    for project in LISTENS:
        for name, how in ILL.items():
            if how != "hang":
                site.host.run(f"rm {data(project, name)}")
    left, _ = site.answer(ports, 30)
    assert left == []


def test_a_binary_that_cannot_be_opened_for_a_while_is_started_when_it_can(site):
    unit, store = "goferry-shop-s9@0.service", "/var/lib/goferry/shop/s9/store"
    site.host.run(f"chmod 0 {store}/* && systemctl kill -s KILL {unit}")
    deadline = time.monotonic() + 20
    restarts = "systemctl show -p NRestarts --value " + unit
    while int(site.host.run(restarts)) < 3 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert int(site.host.run(restarts)) >= 3
    assert "cannot start" in site.host.run(f"journalctl --no-pager -o cat -u {unit}")
    site.host.run(f"chmod 0555 {store}/*")
    assert site.answer([site.ports["shop", "s9"]], 20)[0] == []


def test_neither_the_lock_nor_the_recovery_is_needed_for_a_start(site):
    units = "'goferry-*@*.service' 'goferry-*@*.socket' goferry.target goferry-recover.service"
    site.host.run(f"systemctl stop {units}")
    docker = ["docker", "exec", site.host.name, "flock", "/var/lib/goferry/.goferry/lock"]
    with subprocess.Popen([*docker, "sh", "-c", "echo held; exec sleep 60"], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        site.host.run("systemctl start goferry.target")
        healthy = [port for (_, name), port in site.ports.items() if ILL.get(name) != "hang"]
        assert site.answer(healthy, 40)[0] == []
        site.host.run("pkill -x sleep")
    tried = site.host.run("systemctl list-units --no-legend --state=active 'goferry-*@*.service' | grep -c @0")
    assert tried == "20"
    assert "@1.service" not in site.host.run("systemctl list-units --no-legend --failed")  # free slots are skipped
