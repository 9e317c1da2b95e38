"""Services that do their worst, on the embedded target and on a real systemd host: each phase ends within its limit.

The service is a real one. What it does is in its environment: READY (milliseconds until it is ready), DEAF (SIGTERM is
ignored), ILL (its health drips after so many milliseconds); a file `ill-VERSION` in its folder makes it drip too.
"""

import contextlib
import shutil
import threading
import time

import embedded
import provisioned
import pytest

from goferry.deploy import _client as client
from goferry.deploy._session import transaction_id
from goferry.host import control
from goferry.kernel.errors import GoferryError

BUSY = 1.5
"""Seconds that a machine with more to do may add to a limit."""
SERVICE = r"""package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

var version string

func millis(name string) time.Duration {
	n, _ := strconv.Atoi(os.Getenv(name))
	return time.Duration(n) * time.Millisecond
}

func drip(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nX: ")
	for {
		if _, err := conn.Write([]byte("x")); err != nil {
			return
		}
		time.Sleep(300 * time.Millisecond)
	}
}

func main() {
	begun, state := time.Now(), os.Getenv("STATE_DIRECTORY")
	if os.Getenv("DEAF") != "" {
		signal.Ignore(syscall.SIGTERM)
	}
	data, _ := os.ReadFile("/proc/self/exe")
	sum := sha256.Sum256(data)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, version) })
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		_, err := os.Stat(state + "/ill-" + version)
		if ill := millis("ILL"); err == nil || ill > 0 && time.Since(begun) > ill {
			drip(w)
			return
		}
		if time.Since(begun) < millis("READY") {
			w.WriteHeader(503)
		}
		json.NewEncoder(w).Encode(map[string]any{
			"status": "ok", "version": version, "digest": hex.EncodeToString(sum[:]), "pid": os.Getpid(),
		})
	})
	var listener net.Listener
	var err error
	if os.Getenv("LISTEN_FDS") != "" {
		listener, err = net.FileListener(os.NewFile(3, "socket"))
	} else {
		listener, err = net.Listen("tcp", os.Getenv("ADDR"))
	}
	if err == nil {
		err = http.Serve(listener, mux)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
"""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """Builds the service and seals releases of it."""
    made = embedded.Workshop(tmp_path_factory.mktemp("workshop"))
    shutil.rmtree(made.source / "ferry")
    (made.source / "main.go").write_text(SERVICE)
    return made


class Acts:
    """What the agent does, each act with the time at which it began; `watch` is called when the bake begins."""

    def __init__(self, watch=lambda: None):
        self.heard, self.watch = [], watch

    def __call__(self, text):
        self.heard.append((text.split()[0], time.monotonic()))
        if text.startswith("watch"):
            self.watch()

    def between(self, first, then):
        begun = next(at for name, at in self.heard if name == first)
        return next(at for name, at in self.heard if name == then and at >= begun) - begun


class Watcher:
    """Somebody who asks a port all the while and knows the gaps that he finds."""

    def __init__(self, port):
        self.port, self.good, self.over = port, [], threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self):
        while not self.over.is_set():
            with contextlib.suppress(OSError):
                if control.ask_port(self.port, "/healthz", 1.0)[0] == 200:
                    self.good.append(time.monotonic())
            time.sleep(0.005)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    @property
    def longest(self):
        """The longest time without a good answer, in milliseconds."""
        return max(later - earlier for earlier, later in zip(self.good, self.good[1:], strict=False)) * 1000


def status(site):
    """Ask a target for its status; return the answer and the seconds that it took."""
    with site.opened() as agent:
        agent.ask("hello")  # it is there: what its start takes is not the services' doing
        since = time.monotonic()
        answer = agent.ask("status")
        return answer, time.monotonic() - since


class Local:
    """The embedded target with a plain service."""

    def __init__(self, workshop, go, folder):
        self.site = embedded.Site(workshop, go, folder, folder / "root")
        self.data = self.site.root / "shop/api/data"

    def ill(self, version):
        """Let a version's health drip from now on."""
        (self.data / f"ill-{version}").write_text("")

    def release(self, number, **service):
        return self.site.release(number, **{"listen": {"env": "ADDR"}, "ready_within_ms": 15_000, **service})

    def opened(self):
        argv = client.agent_argv(self.site.root, self.site.workshop.keys / "goferry.trust")
        return client.opened(argv, embedded.SETTINGS.environ)

    def deploy(self, dist, acts):
        with self.opened() as agent:
            agent.ask("prepare", acts, dist=str(dist), id=transaction_id(), services=[])
            agent.ask("switch", acts)
            return agent.ask("commit", acts)


@pytest.fixture
def local(workshop, part, tmp_path):
    made = Local(workshop, part("go"), tmp_path)
    yield made
    made.site.down()
    assert made.site.pids() == []


def refused(target, dist, acts):
    with pytest.raises(GoferryError) as caught:
        target.deploy(dist, acts)
    return caught.value


def test_a_service_that_is_slow_to_start_and_deaf_is_replaced_once_and_the_gap_told_is_the_one_found(local):
    deaf = {"env": {"DEAF": "1", "READY": "2000"}, "ready_within_ms": 5500, "drain_ms": 3000}
    local.deploy(local.release(1, **deaf), Acts())
    port = local.site.live()["api"]["port"]
    with Watcher(port) as watcher:
        done = local.deploy(local.release(2, **deaf), Acts())  # stopping takes longer than the rest of ready-within
    assert done["services"]["api"]["version"] == "v2.0.0"
    assert watcher.longest >= 1900
    assert abs(done["gap_ms"]["api"] - watcher.longest) < 1000
    assert done["switch_ms"] >= 5000 + 2000  # the deaf one served on until it was killed: no gap, but no switch yet


def test_a_drip_in_the_bake_goes_back_in_time_and_says_how_long_nobody_was_served(local):
    local.deploy(local.release(1), Acts())
    port, acts = local.site.live()["api"]["port"], Acts(lambda: local.ill("v2.0.0"))
    dist = local.release(2, bake_ms=1500)
    with Watcher(port) as watcher:
        error = refused(local, dist, acts)
    assert (error.name, error.exit_code, error.facts["cause"]) == ("rolled-back", 4, "candidate-unhealthy")
    assert acts.between("watch", "unpoint") < 1.5 + 1 + BUSY
    assert embedded.get(port, "/").strip() == "v1.0.0"
    assert watcher.longest - 400 < error.facts["gap_ms"]["api"]
    assert "starting" not in error.state


def test_a_version_before_that_drips_ends_the_way_back_and_the_next_deploy_goes_on(local):
    quick = {"ready_within_ms": 8000, "drain_ms": 300}
    local.deploy(local.release(1, **quick), Acts())
    acts = Acts(lambda: local.ill("v2.0.0"))
    local.ill("v1.0.0")
    answer, lasted = status(local)
    assert lasted < 5
    assert answer["live"]["api"]["state"] == "unhealthy"
    assert "no whole answer" in answer["live"]["api"]["why"]
    error = refused(local, local.release(2, bake_ms=1500, **quick), acts)
    assert (error.name, error.exit_code) == ("rollback-failed", 4)
    assert "v1.0.0 is live again, and nobody is served" in error.state
    assert acts.between("return", "stop") < 5 + 2 * (0.3 + 4) + 8 + 1 + BUSY
    answer, lasted = status(local)
    assert lasted < 5
    assert (answer["busy"], answer["live"]["api"]["version"]) == (False, "v1.0.0")
    assert local.deploy(local.release(3, **quick), Acts())["services"]["api"]["version"] == "v3.0.0"


def test_while_a_drip_is_watched_status_answers_and_who_comes_second_is_told(local):
    local.deploy(local.release(1), Acts())
    dist, later = local.release(2, ready_within_ms=4000, env={"ILL": "1"}), local.release(3)
    acts = Acts()
    deploying = threading.Thread(target=refused, args=(local, dist, acts))
    deploying.start()
    while "prove" not in [name for name, _ in acts.heard]:
        time.sleep(0.02)
    answer, lasted = status(local)
    assert (answer["busy"], answer["live"]["api"]["state"]) == (True, "healthy")
    assert lasted < 5
    local.site.deploy(later, wait=20)  # the first one ends, and does not keep its lock
    deploying.join()
    assert acts.between("prove", "stop") < 4 + 1 + BUSY
    assert local.site.live()["api"]["version"] == "v3.0.0"


class Provisioned(provisioned.Site):
    """A systemd host whose services are this module's."""

    def release(self, number, service="api", **more):
        self.sequence += 1
        listen = {"env": "ADDR"} if service == "web" else {"socket": True}
        binary = self.workshop.binary(self.go, f"v{number}.0.0")
        return self.workshop.release(
            self.folder / f"dist-{self.sequence}", {service: binary}, f"v{number}.0.0", self.sequence,
            **{"listen": listen, **more},
        )  # fmt: skip

    def timed(self, dist, acts):
        with self.opened() as agent:
            self.prepare(agent, dist)
            agent.ask("switch", acts)
            return agent.ask("commit", acts)


def ill(site, version, service="api"):
    site.host.run(f"touch /var/lib/private/goferry-data/shop-{service}/ill-{version}")


def test_on_a_systemd_host_drips_hold_nobody(shared_host, workshop, part, tmp_path):
    site = Provisioned(shared_host, workshop, part("go"), tmp_path)
    site.provision()
    quick = {"ready_within_ms": 8000, "drain_ms": 300}
    site.deploy(site.release(1, **quick))
    site.deploy(site.release(1, "web", **quick))
    acts = Acts(lambda: ill(site, "v2.0.0"))
    with pytest.raises(GoferryError) as caught:
        site.timed(site.release(2, bake_ms=4000, **quick), acts)
    assert (caught.value.name, caught.value.exit_code) == ("rolled-back", 4)
    baked = acts.between("watch", "unpoint")
    assert baked < 4 + 1 + BUSY
    assert site.fetch(8080) == "v1.0.0"

    for service in ("api", "web"):
        ill(site, "v1.0.0", service)
    answer, idle = status(site)
    assert idle < 5
    assert {each["state"] for each in answer["live"].values()} == {"unhealthy"}
    pid = answer["live"]["api"]["pid"]
    acts = Acts(lambda: ill(site, "v3.0.0"))
    with pytest.raises(GoferryError) as caught:
        site.timed(site.release(3, bake_ms=4000, **quick), acts)
    assert (caught.value.name, caught.value.exit_code) == ("rollback-failed", 4)
    back = acts.between("unpoint", "return")
    returned = acts.between("return", "stop")
    assert back < BUSY  # traffic was with the version before at once
    assert returned < 5 + 0.3 + 5 + 8 + 1 + BUSY
    assert site.fetch(8080) == "v1.0.0"  # ill, and it answers
    answer, held = status(site)
    assert held < 5
    assert answer["live"]["api"]["pid"] not in (0, pid)
    site.deploy(site.release(4, **quick))
    assert site.fetch(8080) == "v4.0.0"
    print(f"bake {baked:.2f} s, link {back:.2f} s, return {returned:.2f} s, status {idle:.2f} and {held:.2f} s")
