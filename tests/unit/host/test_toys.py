"""The seams hold: a switch, a guard, a kind of service and a target that nobody knew are found in a deploy.

Each is one file under tests/toys, and passed on in a longer table; nothing else is touched.
"""

from collections import Counter
from dataclasses import replace

import pytest
import simulated
from simulated import change, engine, recover, wanted
from toys.apart import Apart, Killed
from toys.bare import Bare
from toys.hashed import Hashed
from toys.silent import Silent

from goferry.host import control, journal, slots, tables
from goferry.host.agent import AgentSession
from goferry.host.engine import rolled_back
from goferry.host.nginx import Nginx
from goferry.host.tables import TABLES
from goferry.kernel import machine
from goferry.kernel.errors import RolledBack
from goferry.kernel.hostfile import HostFile, HostFileInvalid, Place
from goferry.kernel.outcomes import HostFailed
from goferry.kernel.routing import NOBODY, Routing

host = simulated.host


def longer(host, **more):
    """Return the tables of an agent, with the simulated systemd in the place of a real one."""
    made = TABLES._replace(guards={**TABLES.guards, "systemd": lambda *_: simulated.driver(host)})
    return made._replace(**{name: {**getattr(made, name), **table} for name, table in more.items()})


def opened(host, known, place=simulated.PLACE, **names):
    """Open the target by a host file with these names, as an agent with these tables does."""
    path = host.root.path.parent / "host.json"
    path.write_bytes(HostFile(projects={"shop": {"api": place}}, **names).to_bytes())
    host.root = tables.open_target(host.root.path, path, known)
    return host.root.service("shop", "api")


def test_a_switch_that_nobody_knew_routes_a_share_and_is_read_back(host):
    folder = opened(host, longer(host, switches={"hashed": Hashed}), switch="hashed")
    assert change(host, "deploy", "v1", "").failure is None
    made = engine(host, "v2")
    made.begin(wanted(host, "deploy", "v2", "v1"))
    share = Routing(live=0, candidate=1, percent=30, salt="v2")
    host.switch.route(folder, share)
    assert host.switch.switch.read_back(folder) == share
    reached = [host.switch.switch.slot_of(folder, f"user {number}") for number in range(1000)]
    assert 250 < Counter(reached)[1] < 350
    assert reached == [host.switch.switch.slot_of(folder, f"user {number}") for number in range(1000)]
    assert host.serving() == "v1"  # whom no share draws
    made.advance("switch")
    assert host.switch.switch.read_back(folder).settled == Routing(1)
    made.advance("abort")
    assert host.switch.switch.read_back(folder).settled == Routing(0)


@pytest.mark.parametrize("routing", [Routing(0, 1, 30), Routing(0, 1, 0, header="X-Candidate")])
def test_what_a_link_can_not_carry_is_refused_before_anything_is_done(host, routing):
    folder = opened(host, longer(host))
    change(host, "deploy", "v1", "")
    assert (
        Nginx.carries(Routing(0, 1, 100)) == Nginx.carries(routing.undone()) == Hashed.carries(Routing(0, 1, 30)) == ""
    )
    assert Nginx.carries(routing)
    with pytest.raises(HostFailed, match="one version"):
        host.switch.route(folder, routing)
    assert slots.live(folder) == 0


def test_one_slot_s_routing_has_one_form():
    assert Routing(0, 1, 100).settled == Routing(1, 0, 0).settled == Routing(1)
    assert Routing(NOBODY, 1, 0).settled == Routing()
    assert Routing(0, 1, 30).divided
    assert not Routing(0, 1, 100).divided


def test_a_guard_that_nobody_knew_starts_and_ends_the_versions(host, monkeypatch):
    bare = Bare()
    folder = opened(
        host,
        longer(host, guards={"bare": lambda *_: bare}, switches={"hashed": Hashed}),
        guard="bare",
        switch="hashed",
    )

    def health(path, *_):
        slot = slots.read(folder, int(path.name))
        return control.Health(200, pid=bare.running(folder, slot.slot).pid, version=slot.version, digest=slot.sha256)

    monkeypatch.setattr(control, "health", health)
    try:
        assert change(host, "deploy", "v1", "").failure is None
        assert change(host, "deploy", "v2", "v1").failure is None
        assert bare.started.keys() == {("api", 1)}
        assert not host.processes  # of the simulated systemd
    finally:
        for number in (0, 1):
            bare.stop(folder, slots.Slot(slot=number), 0)


def test_a_kind_of_service_that_nobody_knew_is_deployed_and_shown(host):
    known = longer(host, kinds={"silent": Silent()})
    folder = opened(host, known, Place("shop", "api", 8080, "nothing", kinds={"silent": Silent.shape}))
    host.declared = {"listen": {"nothing": "it has no say"}}
    shown = []
    for version, old in (("v1", ""), ("v2", "v1")):
        made = engine(host, version)
        begun = wanted(host, "deploy", version, old)
        made.begin(replace(begun, changes=tuple(replace(each, mode="silent") for each in begun.changes)))
        made.advance("switch")
        made.advance("commit")
        assert (made.failure, made.transaction.phase) == (None, machine.IDLE)
        session = AgentSession(host.root, None, {})
        shown.append(session.answer({"request": "status"})["live"]["api"])
    assert [(each["version"], each["mode"], each["state"]) for each in shown] == [
        ("v1", "silent", "healthy"),
        ("v2", "silent", "healthy"),
    ]
    assert slots.read(folder, 1).env["SILENT_BECAUSE"] == "it has no say"
    assert folder.pointer(1) == "/run/goferry/shop-api/1.sock"


LINES = ["begin", "staged", "started", "proven", "switch", "pointed", "routed", "baked", "commit", "retired"]


@pytest.mark.parametrize("line", LINES)
def test_a_target_that_nobody_knew_survives_a_kill_between_two_lines(host, monkeypatch, line):
    (host.root.path / "journals").mkdir(parents=True)
    folder = opened(host, longer(host)._replace(targets=(Apart, *TABLES.targets)))
    assert (type(host.root), host.root.client) == (Apart, "--target apart")
    monkeypatch.setattr(simulated, "engine", on_target)
    assert change(host, "deploy", "v1", "").failure is None
    host.root.ends_after = line
    with pytest.raises(Killed):
        change(host, "deploy", "v2", "v1")
    host.root.ends_after = ""
    recover(host)
    assert host.serving() == ("v2" if line in ("commit", "retired") else "v1")
    assert recover(host) == []
    assert len(list(journal.journals(host.root.path / "journals" / "shop"))) == 2
    assert not (folder.path.parent / ".journal").exists()


def on_target(host, version):
    """Return the engine of a transaction, whose journal is the target's own."""
    made = engine(host, version)
    made.journal = host.root.journal("shop", "deploy-" + version, "deploy")
    return made


def test_an_agent_with_shorter_tables_refuses_what_it_does_not_know(host):
    for names in ({"switch": "hashed"}, {"guard": "bare"}):
        with pytest.raises(HostFileInvalid, match="knows no such guard or switch"):
            opened(host, TABLES, **names)
    with pytest.raises(HostFileInvalid, match="listen is none of socket, env, flag"):
        opened(host, TABLES, Place("shop", "api", 8080, "nothing"))


def test_how_a_client_names_the_target_is_the_target_s(host):
    opened(host, longer(host))
    made = change(host, "deploy", "v1", "")
    told = rolled_back(made, HostFailed("as the test wants"), host.root.client)
    assert isinstance(told, RolledBack)
    assert told.advice[-1] == "what is live:  goferry status --target ssh --host HOST"
