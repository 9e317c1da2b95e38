"""Several hosts as one: all are prepared before any is switched, and either all are committed or all go back.

    connect, upload, prepare   every host at once; a failure anywhere aborts everywhere, no traffic was touched
    switch                     every host at once, with its bake; a failure anywhere takes back those that switched
    commit                     every host at once; who is lost here is asked again what it came to

While one host is slow the others hear from us, so that none takes us for dead. Nothing is remembered here that the
hosts do not know: after a crash of this side they follow `on_silence`, and the same command again ends at one version.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

from goferry.deploy import answers
from goferry.deploy.fleet import Campaign
from goferry.deploy.local import transaction_id
from goferry.deploy.session import Session, connected
from goferry.kernel.errors import Failed, FleetSplit, GoferryError, RolledBack, Unreachable, printable
from goferry.kernel.outcomes import AgentLost, ClientSilent
from goferry.observe.events import Span

RECHECK = 100.0
"""Seconds in which a host that lost us has followed `on_silence`: its deadline of 60, and time to act."""
GATE = 30.0
"""Seconds that the others wait for the first host's lock, at most: fleets that share it then queue there."""


def prepare(
    campaign: Campaign, span: Span, request: Callable[[Session, Callable[[str], None]], dict[str, Any]]
) -> None:
    """Connect to every host and bring it to where only the switch is missing; else abort everywhere and raise.

    `request` asks one host. The first host takes its lock before the others are asked for theirs.
    """
    first, gate = campaign.sessions[0], Event()

    def work(session: Session) -> None:
        try:
            campaign.connect(session, span)
            if session is not first:
                gate.wait(GATE)
            if campaign.stopping.is_set():
                raise AgentLost(f"{session.name} was let go")
            heard = (lambda text: None if text == "verify" else gate.set()) if session is first else _deaf
            session.prepared = request(session, heard)
            if session.prepared.get("unchanged"):
                session.outcome = "unchanged"
        finally:
            if session is first:
                gate.set()

    campaign.each(campaign.sessions, work)
    if not campaign.failed():
        _tell_final(campaign)
        return
    take_back(campaign, [session for session in campaign.sessions if session.open], "aborted")
    raise _with_hosts(campaign, campaign.failed(), "nothing was switched on any host")


def _tell_final(campaign: Campaign) -> None:
    """Say before the switch on which hosts a commit can't be taken back."""
    divides = "; should another host fail at its commit, the hosts will serve two versions"
    for session in campaign.sessions:
        if session.open and session.span is not None:
            for line in answers.final(session.prepared, f" on {session.name}"):
                session.span.note(line + (divides if len(campaign.sessions) > 1 else ""), "warning")


def _deaf(_text: str) -> None:
    """Hear nothing."""


def take_back(campaign: Campaign, sessions: Sequence[Session], outcome: str) -> None:
    """Undo what is open on these hosts; who can't be asked is left to its own silence.

    Such a host is `unknown` after the switch; before it, it will be `aborted` whatever happens.
    """

    def work(session: Session) -> None:
        session.outcome = "aborted" if outcome == "aborted" else "unknown"
        session.ask("abort")
        session.outcome = outcome

    earlier = {session.name: session.failure for session in sessions}
    campaign.each(sessions, work)
    for session in campaign.sessions:
        if earlier.get(session.name) is not None:
            session.failure = earlier[session.name]
        if session.failure is not None and not session.outcome:
            session.outcome = "failed"


def switch(campaign: Campaign) -> None:
    """Bring traffic to the candidates on every host and watch them; else take all back and raise.

    When one host fails, those that still watch theirs are let go at once, so that none serves a version to the end of
    its bake that was found bad elsewhere.
    """
    changing = [session for session in campaign.sessions if session.open]
    let_go: set[str] = set()

    def work(session: Session) -> None:
        try:
            session.switched = session.ask("switch")
        except GoferryError:
            if campaign.fleet.on_silence == "rollback":  # else silence may commit
                let_go.update(_let_go(changing, session))
            raise

    campaign.each(changing, work)
    if not campaign.failed():
        return
    for session in campaign.failed():
        session.outcome = _after_switch(session.failure)
        if (
            session.name in let_go
            and session.failure is not None
            and session.failure.facts.get("cause") == ClientSilent.name
        ):
            session.failure = None
    take_back(campaign, [session for session in changing if session.open], "rolled-back")
    look_again(campaign)
    raise _went_back(campaign)


def _let_go(sessions: Sequence[Session], failed: Session) -> list[str]:
    """End our side of the others' streams while they bake: each goes back by itself and still says so."""
    baking = [each for each in sessions if each is not failed and each.switched is None and each.failure is None]
    for session in baking:
        if session.agent is not None:
            session.agent.hang_up()
    return [session.name for session in baking]


def _after_switch(failure: GoferryError | None) -> str:
    """Return what a host's failure in the switch means: its own word that it went back, or that nobody knows."""
    return "rolled-back" if isinstance(failure, RolledBack) else "unknown"


def commit(campaign: Campaign) -> None:
    """Make it so on every host; else bring all to one version, or say that they are divided."""
    changing = [session for session in campaign.sessions if session.open]

    def work(session: Session) -> None:
        session.done = session.ask("commit")
        session.outcome = "deployed"

    campaign.each(changing, work)
    if not campaign.failed():
        return
    for session in campaign.failed():
        session.outcome = session.outcome or "unknown"
    look_again(campaign)
    if all(session.outcome in ("deployed", "unchanged") for session in campaign.sessions):
        return
    if all(session.outcome != "unknown" for session in campaign.sessions):
        bring_back(campaign)
    raise _went_back(campaign)


def bring_back(campaign: Campaign) -> None:
    """Bring what served before back on the hosts that committed while another could not, from what they hold."""
    committed = [session for session in campaign.sessions if session.outcome == "deployed"]
    earlier = {session.name: session.failure for session in committed}

    def work(session: Session) -> None:
        for sequence, services in _before(session).items():
            fields = {"project": (session.prepared or {})["project"], "services": services}
            if sequence:
                fields["sequence"] = sequence
            if campaign.fleet.environment:  # the host may refuse who says none
                fields["environment"] = campaign.fleet.environment
            session.ask("rollback", id=transaction_id(), on_silence="rollback", wait_ms=60_000, **fields)
            session.ask("switch")
            session.ask("commit")
        session.outcome = "rolled-back"

    campaign.each(committed, work)
    for session in committed:
        if isinstance(session.failure, Unreachable):
            session.outcome = "unknown"
        session.failure = session.failure or earlier[session.name]
    look_again(campaign)


def _before(session: Session) -> dict[int, list[str]]:
    """Return the releases that served before, by sequence, each with its services; 0 where an older agent said none."""
    found: dict[int, list[str]] = {}
    for change in (session.prepared or {})["changes"]:
        found.setdefault(int(change.get("from_sequence") or 0), []).append(change["service"])
    return found


def look_again(campaign: Campaign) -> None:
    """Ask hosts of which nobody knows what came of them, over a new connection; that also lets them recover."""
    unknown = [session for session in campaign.sessions if session.outcome == "unknown"]
    before = {session.name: session.failure for session in unknown}

    def work(session: Session) -> None:
        environ, trace = campaign.settings.environ, campaign.stream.trace
        with connected(session.address, campaign.fleet.access, environ, trace) as agent:
            answer = agent.ask("status")
            while answer.get("busy") is True and time.monotonic() < until:
                time.sleep(1)
                answer = agent.ask("status")
        if answer.get("busy") is True:
            return  # whoever has the lock may be our own transaction, which is about to go back
        session.outcome = _seen(session, answer["live"])
        if session.outcome == "deployed":
            session.done, before[session.name] = (
                {**(session.switched or {}), "services": _changed(session, answer)},
                None,
            )

    until = time.monotonic() + RECHECK
    campaign.each(unknown, work)
    for session in unknown:
        session.failure = before[session.name]


def _changed(session: Session, answer: dict[str, Any]) -> dict[str, Any]:
    names = {change["service"] for change in (session.prepared or {})["changes"]}
    return {
        name: live
        for name, live in answer["live"].items()
        if live["project"] == (session.prepared or {})["project"] and live["service"] in names
    }


def _seen(session: Session, live: dict[str, Any]) -> str:
    """Return a host's outcome by which release serves there now."""
    prepared = session.prepared or {}
    found = {each["service"]: each for each in live.values() if each["project"] == prepared["project"]}
    new = [found.get(each["service"], {}).get("sequence") == each["sequence"] for each in prepared["changes"]]
    return "deployed" if all(new) else "rolled-back"


def _went_back(campaign: Campaign) -> GoferryError:
    """Return the error of a switch that failed somewhere: rolled back everywhere, divided, or of one host unknown."""
    if len(campaign.sessions) == 1 and campaign.sessions[0].outcome == "unknown":
        return _lost(campaign, campaign.sessions[0])
    if any(session.outcome in ("unknown", "deployed") for session in campaign.sessions):
        return _divided(campaign)
    return _with_hosts(campaign, campaign.failed() or campaign.sessions, "every host serves the version before")


def _lost(campaign: Campaign, session: Session) -> GoferryError:
    """Return the failure of the only host when nobody knows what serves there."""
    error = session.failure or AgentLost(f"{session.name} did not answer")
    error.state = f"{session.name}: {_told(session)}"
    error.advice = tuple(_advice(campaign))
    error.facts = {**error.facts, "hosts": campaign.hosts(), "outcome": "unknown"}
    return error


def _divided(campaign: Campaign) -> FleetSplit:
    return FleetSplit(
        "the hosts came to different ends: " + ", ".join(sorted({session.outcome for session in campaign.sessions})),
        state="\n".join(f"{session.name}: {_told(session)}" for session in campaign.sessions),
        advice=_advice(campaign),
        hosts=campaign.hosts(),
        outcome="split",
    )


def _advice(campaign: Campaign) -> list[str]:
    """Return what to type; a rollback is named, for without `--to` those that went back would go back again."""
    hosts = "".join(f" --host {session.name}" for session in campaign.sessions)
    again = "bring all to one version: run the same command again"
    if campaign.stage == "rollback":
        versions = {str(each.get("to")) for session in campaign.sessions for each in _changes(session)}
        to = printable(versions.pop(), 80) if len(versions) == 1 else "VERSION"
        again = f"bring all to one version:  goferry rollback --to {to} --target ssh{hosts}"
    return [again, f"see what serves on each:  goferry status --target ssh{hosts}"]


def _changes(session: Session) -> list[dict[str, Any]]:
    return [each for each in (session.prepared or {}).get("changes") or [] if isinstance(each, dict)]


def _told(session: Session) -> str:
    """Return what came of a host, and what serves there."""
    why = f" ({session.failure.what})" if session.failure is not None else ""
    return f"{session.outcome}, {_serving(session)}{why}"


def _serving(session: Session) -> str:
    changes = _changes(session)
    old = ", ".join(sorted({str(each.get("from") or "nothing") for each in changes}))
    new = ", ".join(sorted({str(each.get("to")) for each in changes}))
    if not changes:
        return "what served before serves"
    return {"deployed": f"{new} serves", "unknown": f"{old} or {new} serves"}.get(session.outcome, f"{old} serves")


def _with_hosts(campaign: Campaign, failed: Sequence[Session], rest: str) -> GoferryError:
    """Return the first failed host's error, with the fleet's whole story; the gravest exit code decides."""
    worst = max(failed, key=lambda session: (isinstance(session.failure, RolledBack), _weight(session.failure)))
    error = worst.failure or AgentLost(f"{worst.name} did not commit")
    if len(campaign.sessions) > 1:
        lines = [f"{session.name}: {_told(session)}" for session in campaign.sessions]
        error.what = error.what if worst.name in error.what else f"{worst.name}: {error.what}"
        error.state = "\n".join([error.state, *lines, f"So {rest}."]).lstrip("\n")
    error.facts = {**error.facts, "hosts": campaign.hosts(), "outcome": worst.outcome or "failed"}
    return error


def _weight(failure: GoferryError | None) -> int:
    """Order failures: what the host judged before what the line did."""
    return 0 if isinstance(failure, Unreachable) else 1 if isinstance(failure, Failed) else 2
