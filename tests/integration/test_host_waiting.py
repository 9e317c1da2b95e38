"""A candidate that dies or hangs while it waits for its client's commit, and what services can write in /run.

The real host, under traffic: what was lost is counted. The version before runs until the commit, so what is lost is
what arrives until somebody notices.
"""

import importlib.util
import time
from pathlib import Path

import pytest

from goferry.kernel.errors import GoferryError

SYSTEMD = Path(__file__).with_name("test_host_systemd.py")
spec = importlib.util.spec_from_file_location("provisioned_systemd", SYSTEMD)
provisioned = importlib.util.module_from_spec(spec)
spec.loader.exec_module(provisioned)
workshop, Site = provisioned.workshop, provisioned.Site

PORTS = {"api": 8080, "web": 8081}
ASKED = {"api": ("POST", "/"), "web": ("GET", "/hello/you")}
NOTICED = {"KILL": 1.0, "STOP": 4.0}
"""Seconds after which no request is lost any more; 0.1 and 3 on an idle machine."""


@pytest.fixture(scope="module")
def site(shared_host, workshop, part, tmp_path_factory):
    made = Site(shared_host, workshop, part("go"), tmp_path_factory.mktemp("site"))
    made.provision()
    for service in PORTS:
        made.deploy(made.release(1, service))
    return made


class Clients(provisioned.Clients):
    """Clients that remember when they lost a request."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.lost = Times()


class Times(list):
    """What was lost, each with the time at which it was sent, or failed where that was at once."""

    def append(self, what):
        super().append((time.monotonic() - (5.0 if "timed out" in what else 0.0), what))


@pytest.mark.parametrize("signal", NOTICED)
@pytest.mark.parametrize("service", PORTS)
def test_a_candidate_that_ends_while_its_client_waits_loses_traffic_for_a_moment(site, service, signal):
    before = site.live()[service]["version"]
    method, path = ASKED[service]
    with site.opened() as agent:
        site.prepare(agent, site.release(3, service))
        agent.ask("switch")
        candidate = site.live()[service]
        assert candidate["version"] != before
        with Clients(site.host.ports[PORTS[service]], 4, method=method, path=path) as clients:
            time.sleep(1.0)
            assert clients.lost == []
            sent, since = clients.sent, time.monotonic()
            site.host.run(f"kill -{signal} {candidate['pid']}")
            time.sleep(NOTICED[signal] + 4)
            late = [what for at, what in clients.lost if at - since > NOTICED[signal] + 1]
        seconds = max((at - since for at, _ in clients.lost), default=0)
        print(f"{service} {signal}: {len(clients.lost)} of {clients.sent - sent} lost, the last after {seconds:.2f} s")
        with pytest.raises(GoferryError) as told:
            agent.ask("commit")
    assert late == []
    assert told.value.name == "rolled-back"
    assert site.live()[service]["version"] == before


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
