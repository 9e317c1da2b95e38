"""A candidate that dies or hangs while it waits for its client's commit, and what services can write in /run.

The real host, under traffic: what was lost is counted. The version before runs until the commit, so what is lost is
what arrives until somebody notices.
"""

import contextlib
import http.client
import threading
import time

import pytest
from provisioned import Site

from goferry.kernel.errors import GoferryError

PORTS = {"api": 8080, "web": 8081}
ASKED = {"api": ("POST", "/"), "web": ("GET", "/hello/you")}
CASES = {("api", "KILL"): 2.0, ("web", "KILL"): 2.0, ("web", "STOP"): 7.0}
"""Seconds after which nothing that is sent is lost any more; 0.2 and 3.5 on an idle machine. One that takes its socket
and hangs loses nothing: the signal that ends it lets it answer first."""


@pytest.fixture(scope="module")
def site(shared_host, workshop, part, tmp_path_factory):
    made = Site(shared_host, workshop, part("go"), tmp_path_factory.mktemp("site"))
    made.provision()
    for service in PORTS:
        made.deploy(made.release(1, service))
    return made


class Load:
    """A request every 20 ms, whatever becomes of those before it: what arrives while nobody answers counts in full."""

    def __init__(self, site, service):
        self.port, (self.method, self.path) = site.host.ports[PORTS[service]], ASKED[service]
        self.over, self.sent, self.lost = threading.Event(), 0, []
        self.threads = [threading.Thread(target=self.begin)]

    def __enter__(self):
        self.threads[0].start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def begin(self):
        while not self.over.wait(0.02):
            self.sent += 1
            self.threads.append(threading.Thread(target=self.ask, args=(time.monotonic(),)))
            self.threads[-1].start()

    def ask(self, since):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            try:
                connection.request(self.method, self.path)
                if connection.getresponse().status != 200:
                    self.lost.append(since)
            except (OSError, http.client.HTTPException):
                self.lost.append(since)


@pytest.mark.parametrize(("service", "signal"), CASES)
def test_a_candidate_that_ends_while_its_client_waits_loses_traffic_for_a_moment(site, service, signal):
    before = site.live()[service]["version"]
    with site.opened() as agent:
        site.prepare(agent, site.release(3, service))
        agent.ask("switch")
        candidate = site.live()[service]
        assert candidate["version"] != before
        with Load(site, service) as load:
            time.sleep(1.0)
            assert load.lost == []
            sent, since = load.sent, time.monotonic()
            site.host.run(f"kill -{signal} {candidate['pid']}")
            while site.live()[service]["version"] != before:
                assert time.monotonic() - since < 30
                time.sleep(0.1)
            time.sleep(0.5)
        with pytest.raises(GoferryError) as told:
            agent.ask("commit")
    last = max((at - since for at in load.lost), default=0)
    print(f"{service} {signal}: {len(load.lost)} of {load.sent - sent} lost, the last one sent after {last:.2f} s")
    assert last < CASES[service, signal]
    assert told.value.name == "rolled-back"
    assert site.live()[service]["version"] == before


@pytest.mark.parametrize("harm", ["KILL", ""])
def test_a_recovery_commits_no_candidate_that_died_with_its_agent(site, harm):
    before = site.live()["api"]
    with contextlib.suppress(GoferryError), site.opened() as agent:
        site.prepare(agent, site.release(4), on_silence="commit")
        agent.ask("switch")
        candidate = site.live()["api"]
        site.host.run("systemctl kill --signal=STOP 'goferry-agent@*'")
        if harm:
            site.host.run(f"kill -{harm} {candidate['pid']}")
        site.host.run("systemctl kill --signal=KILL 'goferry-agent@*'")
        agent.ask("commit")
    wanted, deadline = before["version"] if harm else "v4.0.0", time.monotonic() + 60
    newest = "ls /var/lib/goferry/shop/.journal/_*.jsonl | tail -n 1 | xargs tail -n 1"
    while '"event":"settled"' not in site.host.run(newest):  # no command is given
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert site.fetch(8080) == wanted
    live = site.live()["api"]
    assert (live["version"], live["state"]) == (wanted, "healthy")


LOOK = """
import os
for place, _, files in os.walk("/run"):
    for name in files:
        path = os.path.join(place, name)
        if os.path.isfile(path) and not os.path.islink(path) and os.access(path, os.W_OK):
            print(path)
    try:
        os.close(os.open(os.path.join(place, "w"), os.O_WRONLY | os.O_CREAT))
    except OSError:
        continue
    print(place)
"""


@pytest.mark.parametrize("service", PORTS)
def test_a_service_can_write_nothing_to_run_which_systemd_needs_too(site, service):
    live = site.live()[service]
    user = site.host.run(f"stat -c '%u %g' /proc/{live['pid']}").split()
    inside = f"nsenter -m -t {live['pid']} setpriv --reuid {user[0]} --regid {user[1]} --clear-groups"
    assert site.host.run(f"{inside} python3 -c '{LOOK}'") == ""
    assert "goferry-slots" not in site.host.run("ls /run /run/private 2>/dev/null", check=False)
