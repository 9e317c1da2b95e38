"""A fleet of real agents, each with a folder on this machine, and a program in ssh's place: what both sides say fits."""

import contextlib
import os
import sys

import pytest
from embedded import SETTINGS, Site

from goferry import deploy
from goferry.config.settings import Settings
from goferry.deploy.errors import TargetMissing
from goferry.kernel.errors import GoferryError
from goferry.observe.events import Stream

SSH = """#!{python} -ISE
import os, sys
host = sys.argv[sys.argv.index("--") + 1]
os.execv({python!r}, [{python!r}, "-I", "-m", "goferry.host", "serve", "--root", {folder!r} + "/" + host, "--trust", {trust!r}])
"""
NAMES = ("web-1", "web-2")


class Fleet:
    """Two agents, and releases for them."""

    def __init__(self, workshop, go, folder):
        self.sites = {name: Site(workshop, go, folder / "releases", folder / name) for name in NAMES}
        program = folder / "bin" / "ssh"
        program.parent.mkdir()
        trust = str(workshop.keys / "goferry.trust")
        program.write_text(SSH.format(python=sys.executable, folder=str(folder), trust=trust))
        program.chmod(0o755)
        path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
        self.asked = {"settings": Settings.from_environ({**SETTINGS.environ, "PATH": path})}
        self.target, self.events = deploy.Fleet(NAMES, wait=5.0), []

    def release(self, number, **service):
        return self.sites["web-1"].release(number, **{"ready_within_ms": 60_000, **service})

    def deploy(self, dist, **more):
        return deploy.deploy(dist, self.target, **self.asked, stream=Stream([self.events.append]), **more).as_json()

    def rollback(self, **more):
        return deploy.rollback(self.target, **self.asked, stream=Stream(), **more).as_json()

    def serving(self):
        shown = deploy.status(self.target, **self.asked).as_json()
        return [shown["live"][f"{name} api"]["version"] for name in NAMES]


@pytest.fixture
def fleet(workshop, part, tmp_path):
    made = Fleet(workshop, part("go"), tmp_path)
    yield made
    for site in made.sites.values():
        with contextlib.suppress(TargetMissing):
            site.down()
        assert site.pids() == []


def outcomes(record):
    return [host["outcome"] for host in record["hosts"].values()]


def test_two_agents_are_deployed_to_shown_and_rolled_back_together(fleet):
    first = fleet.release(1)
    planned = fleet.deploy(first, dry_run=True)
    assert [each["to"] for each in planned["hosts"]["web-2"]["changes"]] == ["v1.0.0"]
    assert planned["acts"][0] == {"act": "stage", "services": ["api"]}
    record = fleet.deploy(first)
    assert outcomes(record) == ["deployed", "deployed"]
    assert all(host["uploaded"] > 1 << 20 and host["switch_ms"] >= 1 for host in record["hosts"].values())
    again = fleet.deploy(first)
    assert (again["unchanged"], outcomes(again)) == (True, ["unchanged", "unchanged"])
    assert list(again["hosts"]["web-1"]["services"]) == ["api"]
    fleet.deploy(fleet.release(2))
    assert fleet.serving() == ["v2.0.0", "v2.0.0"]
    assert "starting v2.0.0" in deploy.logs(fleet.target, **fleet.asked).as_json()["hosts"]["web-2"]["api"]
    back = fleet.rollback(to="v1.0.0")
    assert (back["outcome"], back["previous"]) == ("deployed", "v2.0.0")
    assert fleet.serving() == ["v1.0.0", "v1.0.0"]


@pytest.mark.parametrize("fault", ["crash", "bake"])
def test_a_version_that_is_bad_leaves_the_one_before_everywhere(fleet, fault):
    fleet.deploy(fleet.release(1))
    with pytest.raises(GoferryError) as caught:
        fleet.deploy(fleet.release(2, fault=fault, bake_ms=2000))
    ends, code = set(outcomes(caught.value.facts)), caught.value.exit_code
    # On a busy machine a process can be dead before it is healthy, or between that and its switch, which is refused then.
    before_switch = ends <= {"failed", "aborted"} and code != 4
    assert before_switch or (fault == "bake" and ends == {"rolled-back"})
    assert fleet.serving() == ["v1.0.0", "v1.0.0"]
