"""Walks of the rollout machine: events as words, and hosts that remember what truly serves on them."""

from goferry.deploy._rollout import Host, Rollout, RolloutEvent, decide
from goferry.deploy._rollout_table import AskKind, EventKind, Phase, RolloutState
from goferry.deploy.answers import Committed, Prepared, ServiceChange, Switched
from goferry.deploy.live import LiveService, Status
from goferry.kernel.errors import Failed, RolledBack
from goferry.kernel.outcomes import AgentLost

OLD, NEW = 1, 2
CHANGE = ServiceChange("api", "v1", "v2", NEW, OLD, 1, 8080)
FAILURES = {EventKind.REFUSED: Failed, EventKind.UNDONE: RolledBack, EventKind.LOST: AgentLost}


def begun(names, **options):
    return Rollout(tuple(Host(name) for name in names), **options)


def failure(kind, host, cause=""):
    return FAILURES[kind](f"{host}: {kind}", **({"cause": cause} if cause else {}))


def status(sequence, busy=False):
    live = LiveService(project="shop", service="api", version=f"v{sequence}", sequence=sequence)
    return Status({"api": live}, busy=busy)


def answer(host, said=""):
    """Return what a host answers to what it was asked last; `said` is `unchanged`, `busy`, or what serves there."""
    if host.greeted:
        return None
    if host.state in (RolloutState.LOOKING, RolloutState.SHOWING):
        return status(int((said or "v2").strip("v")), busy=False) if said != "busy" else status(NEW, busy=True)
    return {
        RolloutState.UPLOADING: 7,
        RolloutState.PREPARING: Prepared("shop", "v2", () if said == "unchanged" else (CHANGE,), said == "unchanged"),
        RolloutState.SWITCHING: Switched(3),
        RolloutState.COMMITTING: Committed(3, {}, status(NEW).live),
    }.get(host.state)


def event(fleet, words):
    """Return the event of a line as `lost web-2` or `answered web-1 busy`."""
    word, name, said = (*words.split(), "", "")[:3]
    kind = EventKind(word)
    if kind in FAILURES:
        return RolloutEvent(kind, name, failure=failure(kind, name, said))
    return RolloutEvent(kind, name, answer(fleet.host(name), said) if kind is EventKind.ANSWERED else None)


def walk(fleet, lines):
    """Return the fleet at the end, and a row for each event: `[event, phase, states, asks]`."""
    rows = []
    for line in lines:
        fleet, asks = decide(fleet, event(fleet, line))
        states = " ".join(host.state.name + ("?" if host.greeted else "") for host in fleet.hosts)
        rows.append([line, fleet.phase.name, states, ", ".join(f"{ask.act} {ask.host}".rstrip() for ask in asks)])
    return fleet, rows


class Truth:
    """A fleet whose hosts do as the agent does: what serves, what is open, and whether anybody hears us.

    `draw` chooses from a list; the fleet is driven to its end, with faults at any point.
    """

    TIMERS = (AskKind.AWAIT_LOCK, AskKind.AWAIT_RECOVERY)
    SILENT = (AskKind.WARN, AskKind.HANG_UP)
    ANEW = (AskKind.CONNECT, AskKind.LOOK, AskKind.LOOK_AGAIN, *TIMERS)

    def __init__(self, fleet, draw, live=()):
        self.fleet, self.draw = fleet, draw
        self.live = {host.name: OLD for host in fleet.hosts} | dict(live)
        self.open, self.watched, self.lost = set(), set(), set()
        self.asked, self.outstanding = [], []

    def run(self):
        self.take(RolloutEvent(EventKind.BEGIN))
        for count in range(400):
            if self.fleet.phase is Phase.END:
                return self
            self.step(calm=count > 60)
        raise AssertionError(f"it does not end: {self.fleet}")

    def take(self, happened):
        self.fleet, asks = decide(self.fleet, happened)
        self.asked += asks
        for act, working in ((AskKind.SWITCH, RolloutState.SWITCHING), (AskKind.COMMIT, RolloutState.COMMITTING)):
            if any(ask.act is act for ask in asks):
                assert {host.state for host in self.fleet.hosts} <= {working, RolloutState.UNCHANGED}, "all or none"
                assert not self.fleet.failed
        for ask in asks:
            assert ask.act in self.ANEW or ask.host not in self.lost, f"{ask} of a host that is lost"
            if ask.act is AskKind.HANG_UP:
                self.silent(ask.host)
            elif ask.act not in self.SILENT:
                self.outstanding = [each for each in self.outstanding if each != ask] + [ask]

    def step(self, calm):
        """Have one thing happen; when `calm`, nothing more goes wrong."""
        choices = [*self.outstanding, *([] if calm else ["tick"])]
        if self.fleet.hosts[0].state is RolloutState.PREPARING:
            choices.append("locked")
        choice = self.draw(choices)
        if isinstance(choice, str):
            self.take(RolloutEvent(EventKind(choice), self.fleet.hosts[0].name if choice == "locked" else ""))
            return
        self.outstanding.remove(choice)
        if choice.act in self.TIMERS:
            self.take(RolloutEvent(EventKind.TIMED_OUT, choice.host))
            return
        happens = getattr(self, choice.act)
        good, bad = happens(choice.host)
        self.take(self.draw([good] if calm else [good, *bad])())

    def silent(self, host):
        """The host hears us no more, and does with what is open as `on_silence` says."""
        self.lost.add(host)
        self.expire(host)

    def expire(self, host):
        commits = host in self.watched and self.fleet.on_silence == "commit"
        if host in self.open:
            self.become(host, NEW if commits else OLD, opened=False)

    def answered(self, host, said="", **truth):
        def happens():
            happened = RolloutEvent(EventKind.ANSWERED, host, answer(self.fleet.host(host), said))
            self.become(host, **truth)
            return happened

        return happens

    def fails(self, kind, host, cause="", **truth):
        def happens():
            self.become(host, **truth)
            if kind is EventKind.LOST:
                self.silent(host)
            return RolloutEvent(kind, host, failure=failure(kind, host, cause))

        return happens

    def become(self, host, live=None, opened=None, watched=False):
        self.live[host] = live or self.live[host]
        self.watched |= {host} if watched else set()
        if opened is not None:
            (self.open.add if opened else self.open.discard)(host)

    def usual(self, host):
        return [self.fails(EventKind.REFUSED, host), self.fails(EventKind.LOST, host)]

    def connect(self, host):
        return self.answered(host), [self.fails(EventKind.REFUSED, host)]

    def upload(self, host):
        return self.answered(host), self.usual(host)

    def prepare(self, host):
        if self.live[host] == NEW:
            return self.answered(host, "unchanged"), self.usual(host)
        return self.answered(host, opened=True), self.usual(host)

    def hello(self, host):
        return self.answered(host), self.usual(host)

    def show(self, host):
        return self.answered(host, f"v{self.live[host]}"), self.usual(host)

    def switch(self, host):
        if host in self.lost:  # we hung up meanwhile
            went = self.fails(EventKind.UNDONE, host, "client-silent")
            return went, [self.answered(host), self.fails(EventKind.LOST, host)]
        undone = self.fails(EventKind.UNDONE, host, live=OLD, opened=False)
        lost = [self.fails(EventKind.LOST, host), self.fails(EventKind.LOST, host, live=NEW, watched=True)]
        return self.answered(host, live=NEW, watched=True), [undone, *lost]

    def commit(self, host):
        done = {"live": NEW, "opened": False}
        lost = [self.fails(EventKind.LOST, host), self.fails(EventKind.LOST, host, **done)]
        undone = self.fails(EventKind.UNDONE, host, live=OLD, opened=False)
        return self.answered(host, **done), [*lost, undone, self.fails(EventKind.REFUSED, host, **done)]

    def abort(self, host):
        return self.answered(host, live=OLD, opened=False), [self.fails(EventKind.LOST, host)]

    def look(self, host):
        self.expire(host)  # its own deadline has passed by now
        seen = self.answered(host, f"v{self.live[host]}")
        return seen, [self.answered(host, "busy"), self.fails(EventKind.LOST, host)]

    look_again = look

    def bring_back(self, host):
        went = self.answered(host, live=OLD)
        return went, [*self.usual(host), self.fails(EventKind.LOST, host, live=OLD)]
