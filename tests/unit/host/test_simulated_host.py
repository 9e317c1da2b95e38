"""The deploy machine on a host that fails: an agent killed, or the power cut, before and after every line and act.

The simulated disk loses what was not synced, the process table survives the agent and not the power. After recovery
exactly one version serves, the same one for every service of the release, and recovering again changes nothing.
"""

import copy
import errno
import itertools

import pytest

from goferry.host.engine import Engine, replay, resume
from goferry.kernel import machine
from goferry.kernel.machine import Change, Transaction
from goferry.kernel.outcomes import CandidateUnhealthy, DiskFull

SERVICES = ("api", "worker")


class Crash(BaseException):
    """The agent is gone at this point."""


class Host:
    """Journal, store, guard and switch in memory; `fuse` counts down to the crash, `broken` names an act that fails."""

    def __init__(self):
        self.journal, self.fuse, self.points, self.broken = [], None, [], None
        self.cache = {"live": {}, "state": {}, "slots": {}, "blobs": set()}
        self.durable = copy.deepcopy(self.cache)
        self.processes = {}

    def point_of_failure(self, name):
        self.points.append(name)
        if self.fuse is not None and len(self.points) > self.fuse:
            raise Crash(name)

    def sync(self):
        self.durable = copy.deepcopy(self.cache)

    def power_cut(self):
        self.cache, self.processes = copy.deepcopy(self.durable), {}

    # journal
    def lines(self):
        return [*self.journal]

    def append(self, line):
        self.point_of_failure("before " + line.event)
        self.journal.append(line)
        self.point_of_failure("after " + line.event)

    # store
    def stage(self, _, c):
        self.cache["blobs"].add(c.version)
        self.sync()

    def record(self, t, c):
        state = self.cache["state"].get(c.service, {"live": None, "previous": None})
        if state["live"] != c.version:
            previous = None if t.kind == "rollback" else state["live"]
            self.cache["state"][c.service] = {"live": c.version, "previous": previous}
            self.sync()

    def prune(self, _, c):
        self.keep_named()

    def discard(self, _, c):
        self.keep_named()

    def keep_named(self):
        named = {v for s in self.cache["state"].values() for v in s.values() if v} | set(self.cache["slots"].values())
        self.cache["blobs"] &= named  # not synced: a removed file may come back

    # guard
    def start(self, _, c):
        assert c.version in self.cache["blobs"]
        self.cache["slots"][c.service, c.slot] = c.version
        self.sync()
        self.processes[c.service, c.slot] = {"version": c.version, "accepts": False}

    def prove(self, _, c):
        assert self.processes[c.service, c.slot]["version"] == c.version

    def watch(self, t):
        for c in t.changes:
            assert self.processes[c.service, c.slot]["accepts"]

    def confirm(self, t):
        for c in t.changes:
            if (c.service, c.slot) not in self.processes:
                raise CandidateUnhealthy(f"{c.service} died while it waited")

    def tend(self, t):
        self.confirm(t)

    def retire(self, _, c):
        self.empty(c.service, c.old_slot)

    def stop(self, _, c):
        self.empty(c.service, c.slot)

    def empty(self, service, slot):
        self.processes.pop((service, slot), None)
        if self.cache["slots"].pop((service, slot), None):
            self.sync()

    def tidy(self):
        pass

    def restore(self):
        for service, slot in self.cache["live"].items():
            if (service, slot) not in self.processes:
                version = self.cache["slots"][service, slot]
                assert version in self.cache["blobs"]
                self.processes[service, slot] = {"version": version, "accepts": True}

    # switch
    def point(self, _, c):
        self.cache["live"][c.service] = c.slot
        self.sync()

    def unpoint(self, _, c):
        self.cache["live"][c.service] = c.old_slot
        if c.old_slot < 0:
            del self.cache["live"][c.service]
        self.sync()

    def accept(self, _, c):
        self.processes[c.service, c.slot]["accepts"] = True

    def drain(self, _, c):
        if (c.service, c.old_slot) in self.processes:
            self.processes[c.service, c.old_slot]["accepts"] = False

    def reach(self, _, c):
        assert self.processes[c.service, self.cache["live"][c.service]]["version"] == c.version

    def give_back(self, _, c):
        if c.old_slot >= 0:
            version = self.cache["slots"][c.service, c.old_slot]
            self.processes[c.service, c.old_slot] = {"version": version, "accepts": True}

    def serving(self):
        return {
            s: [p["version"] for (name, _), p in self.processes.items() if name == s and p["accepts"]] for s in SERVICES
        }

    def settled(self):
        return copy.deepcopy((self.cache, self.processes, self.journal))


def faulty(host):
    """Wrap every act of the host with a point of failure on both sides, and the failure that is wanted."""

    def wrapped(name):
        act = getattr(host, name)

        def do(*arguments):
            host.point_of_failure("before act " + name)
            if host.broken == name:
                raise CandidateUnhealthy("as the test wants")
            act(*arguments)
            host.point_of_failure("after act " + name)

        return do

    names = (
        "stage",
        "record",
        "prune",
        "discard",
        "start",
        "prove",
        "watch",
        "confirm",
        "retire",
        "stop",
        "point",
        "unpoint",
        "accept",
        "drain",
        "reach",
        "give_back",
    )
    for name in names:
        setattr(host, name, wrapped(name))
    return host


def transaction(kind, version, old, policy="rollback"):
    slot, old_slot = {"": (0, -1), "v1": (1, 0), "v2": (0, 1)}[old]
    changes = [
        Change(s, "socket", slot, old_slot, int(version[1:]), version, version, old_version=old) for s in SERVICES
    ]
    return Transaction("t-" + version, kind, "shop", policy, "", tuple(changes))


def run(host, wanted):
    """Drive a transaction as a client does."""
    engine = Engine(host, host, host, host)
    engine.begin(wanted)
    for event in ("switch", "commit"):
        if machine.waits(engine.transaction) and engine.transaction.phase != machine.IDLE:
            engine.advance(event)
    return engine


def host_with(*versions):
    host = Host()
    old = ""
    for version in versions:
        host.journal = []
        run(host, transaction("deploy", version, old))
        old = version
    host.journal, host.points = [], []
    return host


def recover(host):
    host.fuse, host.broken = None, None
    host.points = []
    resume(Engine(host, host, host, host))
    host.restore()


CASES = {
    "first deploy": ((), ("deploy", "v1", "")),
    "second deploy": (("v1",), ("deploy", "v2", "v1")),
    "rollback": (("v1", "v2"), ("rollback", "v1", "v2")),
}


def points_of(case):
    before, wanted = CASES[case]
    host = faulty(host_with(*before))
    run(host, transaction(*wanted))
    return len(host.points)


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power cut"])
@pytest.mark.parametrize("policy", ["rollback", "commit"])
@pytest.mark.parametrize("case", CASES)
def test_from_every_crash_one_version_serves_and_recovering_again_changes_nothing(case, policy, power):
    before, wanted = CASES[case]
    old, new = wanted[2], wanted[1]
    outcomes = set()
    for fuse in range(points_of(case)):
        host = faulty(host_with(*before))
        host.fuse = fuse
        with pytest.raises(Crash):
            run(host, transaction(*wanted, policy))
        if power:
            host.power_cut()
        recover(host)
        serving = host.serving()
        assert serving["api"] == serving["worker"], (fuse, host.points, serving)
        assert serving["api"] in ([old] if old else [], [new]), (fuse, serving)
        outcomes.add(tuple(serving["api"]))
        assert {s: host.cache["slots"][s, n] for s, n in host.cache["live"].items()} == {
            s: v[0] for s, v in serving.items() if v
        }
        noted = {s: host.cache["state"].get(s, {"live": None})["live"] for s in SERVICES}
        assert noted == {s: v[0] if v else None for s, v in serving.items()}
        assert set(host.processes) == set(host.cache["slots"]) == set(host.cache["live"].items())
        assert replay(host.journal).phase == machine.IDLE
        once = host.settled()
        recover(host)
        assert host.settled() == once
    assert outcomes == {(old,) if old else (), (new,)}  # the crashes fell on both sides of the commit


@pytest.mark.parametrize("second", [1, 3, 6, 9])
@pytest.mark.parametrize("case", CASES)
def test_a_crash_in_the_recovery_is_recovered_too(case, second):
    before, wanted = CASES[case]
    for fuse in range(points_of(case)):
        host = faulty(host_with(*before))
        host.fuse = fuse
        with pytest.raises(Crash):
            run(host, transaction(*wanted))
        host.fuse, host.points = second, []
        try:
            resume(Engine(host, host, host, host))
        except Crash:
            host.power_cut()
        recover(host)
        serving = host.serving()
        assert serving["api"] == serving["worker"]
        assert serving["api"] in ([wanted[2]] if wanted[2] else [], [wanted[1]])


@pytest.mark.parametrize(
    ("case", "act"),
    list(itertools.product(CASES, ("stage", "start", "prove", "point", "accept", "drain", "reach", "watch"))),
)
def test_whatever_fails_the_version_before_serves(case, act):
    before, wanted = CASES[case]
    host = faulty(host_with(*before))
    host.broken = act
    engine = run(host, transaction(*wanted))
    assert engine.failure is not None
    host.broken = None
    assert host.serving() == {s: [wanted[2]] if wanted[2] else [] for s in SERVICES}
    assert host.journal[-1].result.outcome == ("aborted" if act in ("stage", "start", "prove") else "rolled-back")
    if not wanted[2]:
        assert host.cache == {"live": {}, "state": {}, "slots": {}, "blobs": set()}
        assert not host.processes


@pytest.mark.parametrize("policy", ["rollback", "commit"])
@pytest.mark.parametrize("event", ["switch", "commit", "silence"])
def test_a_candidate_that_died_while_it_waited_for_the_client_is_not_gone_on_with(event, policy):
    host = host_with("v1")
    engine = Engine(host, host, host, host)
    engine.begin(transaction("deploy", "v2", "v1", policy))
    if event != "switch":
        engine.advance("switch")
    del host.processes["worker", 1]
    engine.advance(event)
    assert replay(host.journal).phase == machine.IDLE
    assert host.journal[-1].result.outcome == ("aborted" if event == "switch" else "rolled-back")
    assert host.serving() == {"api": ["v1"], "worker": ["v1"]}
    if (event, policy) != ("silence", "rollback"):
        assert "died while it waited" in engine.failure.what
    if event == "switch":
        assert "switch" not in [line.event for line in host.journal]  # no traffic was touched


@pytest.mark.parametrize("policy", ["rollback", "commit"])
@pytest.mark.parametrize("harm", ["none", "dead", "ill", "power cut"])
def test_recovery_commits_no_candidate_that_is_dead_or_ill(harm, policy):
    host = host_with("v1")
    engine = Engine(host, host, host, host)
    engine.begin(transaction("deploy", "v2", "v1", policy))
    engine.advance("switch")
    assert engine.transaction.baked  # and its agent is killed
    if harm == "dead":
        del host.processes["worker", 1]
    elif harm == "ill":
        host.confirm = lambda _: (_ for _ in ()).throw(CandidateUnhealthy("worker is ill"))
    elif harm == "power cut":
        host.power_cut()
    again = Engine(host, host, host, host)
    resume(again)
    host.restore()
    goes_on = policy == "commit" and harm == "none"
    assert host.serving() == {service: ["v2" if goes_on else "v1"] for service in SERVICES}
    result = host.journal[-1].result
    assert result.outcome == ("committed" if goes_on else "rolled-back")
    assert (again.failure is not None) == (policy == "commit" and not goes_on)
    if again.failure is not None:
        assert result.error["name"] == "candidate-unhealthy"  # the journal says why it was not committed


@pytest.mark.parametrize("event", ["commit", "abort", "silence", "switch"])
def test_a_candidate_that_dies_while_its_client_takes_its_time_goes_back_before_it_says_more(event):
    host = host_with("v1")
    engine = Engine(host, host, host, host)
    engine.begin(transaction("deploy", "v2", "v1", "commit"))
    engine.advance("switch")
    engine.tend()
    assert engine.transaction.phase == machine.BAKING
    del host.processes["worker", 1]
    engine.tend()
    assert (engine.transaction.phase, host.serving()) == (machine.IDLE, {"api": ["v1"], "worker": ["v1"]})
    lines = list(host.journal)
    engine.advance(event)
    assert host.journal == lines
    assert lines[-1].result.outcome == "rolled-back"


@pytest.mark.parametrize("defect", [TypeError, KeyError, OverflowError, AttributeError])
def test_a_defect_is_a_failure_like_any_other(defect):
    host = faulty(host_with("v1"))
    host.accept = lambda *_: (_ for _ in ()).throw(defect("x"))
    engine = run(host, transaction("deploy", "v2", "v1"))
    assert engine.failure is not None
    assert engine.failure.name == "host-failed"
    assert host.serving() == {"api": ["v1"], "worker": ["v1"]}
    assert host.journal[-1].result.outcome == "rolled-back"


def test_an_ending_that_fails_is_tried_again_by_the_next_recovery():
    host = faulty(host_with("v1"))
    host.broken = "watch"
    original, host.give_back = host.give_back, lambda *_: (_ for _ in ()).throw(CandidateUnhealthy("still down"))
    with pytest.raises(CandidateUnhealthy):
        run(host, transaction("deploy", "v2", "v1"))
    assert replay(host.journal).phase == machine.ROLLING_BACK
    host.give_back = original
    recover(host)
    assert host.serving() == {"api": ["v1"], "worker": ["v1"]}


def test_silence_before_the_commit_follows_the_policy():
    for policy, serves in (("rollback", "v1"), ("commit", "v2")):
        host = host_with("v1")
        engine = Engine(host, host, host, host)
        engine.begin(transaction("deploy", "v2", "v1", policy))
        engine.advance("switch")
        engine.advance("silence")
        assert host.serving() == {"api": [serves], "worker": [serves]}


@pytest.mark.parametrize("event", ["begin", "staged", "started", "proven", "switch", "pointed", "routed", "baked"])
def test_a_line_that_finds_no_room_is_a_failure_and_going_back_has_room(event):
    host = faulty(host_with("v1"))
    append = host.append

    def full(line):
        if line.event == event:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(line)

    host.append = full
    if event == "begin":
        with pytest.raises(OSError, match="No space"):
            run(host, transaction("deploy", "v2", "v1"))
        return
    engine = run(host, transaction("deploy", "v2", "v1"))
    assert engine.failure.name == "disk-full"
    assert host.serving() == {"api": ["v1"], "worker": ["v1"]}
    assert host.journal[-1].event == "settled"
    assert set(host.processes) == set(host.cache["live"].items())


def test_a_disk_that_is_full_at_the_commit_does_not_say_that_nothing_was_switched():
    host = host_with("v1")
    host.record = lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "no space"))
    engine = Engine(host, host, host, host)
    engine.begin(transaction("deploy", "v2", "v1"))
    engine.advance("switch")
    with pytest.raises(DiskFull) as told:
        engine.advance("commit")
    assert "switched" not in told.value.state
