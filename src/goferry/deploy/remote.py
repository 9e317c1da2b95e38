"""Deploy, roll back, look and read logs on a fleet; the hosts do the work and judge it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from goferry.config.settings import Settings
from goferry.deploy import answers, phases, serving, upload
from goferry.deploy.errors import HostOutdated
from goferry.deploy.fleet import Campaign, Fleet, ask_all, standing
from goferry.deploy.local import transaction_id
from goferry.deploy.session import NO_POLICY, Session, send_release, understood
from goferry.kernel.errors import printable
from goferry.observe.events import Span, Stream

Request = Callable[[Session, Callable[[str], None]], dict[str, Any]]
"""Brings one host to where only the switch is missing; hears the host's progress."""


def deploy(
    dist: Path,
    fleet: Fleet,
    *,
    services: Sequence[str] = (),
    settings: Settings,
    stream: Stream,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Bring the sealed release in `dist` into service on every host; return the record that `--json` prints.

    As `local.deploy`'s, with `"hosts": {host: {"version", "previous", "switch_ms", "gap_ms", "outcome", "uploaded",
    "services"}}`, `uploaded` in bytes; `switch_ms` and `gap_ms` are the slowest host's, `services` the first changed
    host's.

    Raises:
        GoferryError: a host's own, with every host's outcome in its facts; FleetSplit when they differ.
    """
    with serving.untouched():
        release = upload.read_release(dist)
    common = _common(fleet, dry_run=dry_run, services=services)

    def request(session: Session, heard: Callable[[str], None]) -> dict[str, Any]:
        send_release(session, dist, release, services, common["id"])
        return session.ask("prepare", heard, dist="incoming", **common)

    return _change("deploy", fleet, request, settings=settings, stream=stream, dry_run=dry_run)


def rollback(
    fleet: Fleet,
    *,
    to: str = "",
    services: Sequence[str] = (),
    project: str = "",
    settings: Settings,
    stream: Stream,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Bring the version `to`, else the version before, into service again on every host; see `deploy` for the record.

    Raises:
        HostOutdated: a host's agent knows no `to`. And what `deploy` raises.
    """
    common = _common(fleet, dry_run=dry_run, services=services)

    def request(session: Session, heard: Callable[[str], None]) -> dict[str, Any]:
        answer = session.ask("rollback", heard, project=project, **common, **({"to": to} if to else {}))
        if to and any(change["to"] != to for change in answer["changes"]):  # an agent of before `to` ignores it
            session.ask("abort")
            raise HostOutdated(
                f"{session.name} would go back one step instead of to {printable(to, 80)}",
                state="No traffic was touched.",
                advice=["provision it again with this version:  goferry provision HOST"],
            )
        return answer

    return _change("rollback", fleet, request, settings=settings, stream=stream, dry_run=dry_run)


def _common(fleet: Fleet, *, dry_run: bool, services: Sequence[str]) -> dict[str, Any]:
    environment = {"environment": fleet.environment} if fleet.environment else {}
    return {
        **environment,
        "id": transaction_id(),
        "wait_ms": round(fleet.wait * 1000),
        "on_silence": fleet.on_silence,
        "services": list(services),
        "dry_run": dry_run,
    }


def _change(
    stage: str, fleet: Fleet, request: Request, *, settings: Settings, stream: Stream, dry_run: bool
) -> dict[str, Any]:
    start = time.monotonic()
    with serving.untouched():
        campaign = Campaign(fleet, settings, stream, stage)
    told = serving.told(lambda _: standing(fleet, settings) if campaign.reached else {})
    with told if not dry_run else contextlib.nullcontext():
        return _changed(campaign, request, start, dry_run=dry_run)


def _changed(campaign: Campaign, request: Request, start: float, *, dry_run: bool) -> dict[str, Any]:
    with campaign.running() as span:
        phases.prepare(campaign, span, request)
        with understood("a host"):
            if dry_run:
                span.skip("dry run")
                return _planned(campaign)
            if not any(session.open for session in campaign.sessions):
                span.skip("live already")
                return _unchanged(campaign, time.monotonic() - start)
        phases.switch(campaign)
        phases.commit(campaign)
        with understood("a host"):
            return _finish(campaign, span, time.monotonic() - start)


def _planned(campaign: Campaign) -> dict[str, Any]:
    hosts = {session.name: session.prepared or {} for session in campaign.sessions}
    first = next(iter(hosts.values()))
    plans = {name: answers.plan(answer) for name, answer in hosts.items()}
    about = {key: answers.text(first[key]) for key in ("project", "version")}
    changes = max((plan["changes"] for plan in plans.values()), key=len)
    acts = max((plan["acts"] for plan in plans.values()), key=len)
    return {**about, "changes": changes, "dry_run": True, "acts": acts, "hosts": plans}


def _unchanged(campaign: Campaign, seconds: float) -> dict[str, Any]:
    for session in campaign.sessions:
        _look(session)
    return _record(campaign, seconds)


def _look(session: Session) -> None:
    """Ask what serves on a host where nothing changed."""
    live = answers.services(session.ask("status"), "live")
    project = (session.prepared or {})["project"]
    session.done = {"services": {name: each for name, each in live.items() if each.get("project") == project}}


def _finish(campaign: Campaign, span: Span, seconds: float) -> dict[str, Any]:
    record = _record(campaign, seconds)
    span.numbers["hosts"] = len(campaign.sessions)
    for each, told in [(span, record), *((each.span, each.record()) for each in campaign.sessions)]:
        if each is not None and told["switch_ms"] is not None:
            each.numbers["switch_ms"] = told["switch_ms"]
    for name, gap in record["gap_ms"].items():
        span.note(f"{name} does not take its socket from Goferry: {gap} ms gap", "warning")
    return record


def _record(campaign: Campaign, seconds: float) -> dict[str, Any]:
    hosts = campaign.hosts()
    lead = next((each for each in campaign.sessions if each.outcome == "deployed"), campaign.sessions[0])
    prepared, mine, unchanged = lead.prepared or {}, hosts[lead.name], lead.outcome == "unchanged"
    gaps: dict[str, int] = {}
    for host in hosts.values():
        for name, gap in host["gap_ms"].items():
            gaps[name] = max(gaps.get(name, 0), gap)
    times = [host["switch_ms"] for host in hosts.values() if host["switch_ms"] is not None]
    return {
        "project": answers.text(prepared["project"]),
        "version": answers.text(prepared["version"]) or mine["version"],
        "changes": answers.changes(prepared),
        "previous": mine["previous"],
        "unchanged": unchanged,
        "switch_ms": max(times, default=0 if unchanged else None),
        "gap_ms": gaps,
        "seconds": round(seconds, 3),
        "services": mine["services"],
        "outcome": lead.outcome,
        "hosts": hosts,
    }


def status(fleet: Fleet, *, settings: Settings) -> dict[str, Any]:
    """Return `{"hosts": {host: {"live": {service: {…}}, "recovered": [text], "busy": bool, "floors"}}, "live", …}`.

    The others are all hosts' together; where there are several, a service's key is `host service`, and a floor's
    `host project`. A host of before `floors` has none.
    """
    with understood("a host"):
        return _together(ask_all(fleet, settings, "status"))


def _together(told: dict[str, dict[str, Any]]) -> dict[str, Any]:
    hosts = {name: answers.status(answer) for name, answer in told.items()}
    live, recovered, floors = {}, [], {}
    for name, host in hosts.items():
        for service, each in host["live"].items():
            live[service if len(hosts) == 1 else f"{name} {service}"] = each
        for project, floor in host["floors"].items():
            floors[project if len(hosts) == 1 else f"{name} {project}"] = floor
        recovered += [text if len(hosts) == 1 else f"{name}: {text}" for text in host["recovered"]]
    busy = any(host["busy"] for host in hosts.values())
    notes = [f"{name}: {NO_POLICY}" for name, answer in told.items() if not isinstance(answer.get("policy"), dict)]
    notes += [f"{name}: {text}" for name, answer in told.items() for text in answers.texts(answer.get("notes"))]
    return {"live": live, "recovered": recovered, "busy": busy, "floors": floors, "notes": notes, "hosts": hosts}


def logs(fleet: Fleet, *, services: Sequence[str] = (), lines: int = 50, settings: Settings) -> dict[str, Any]:
    """Return `{"logs": {service: [line]}, "hosts": {host: {service: [line]}}}` of what is live."""
    with understood("a host"):
        told = ask_all(fleet, settings, "logs", services=list(services), lines=lines)
        hosts = {name: dict(answer["logs"]) for name, answer in told.items()}
        merged = {
            service if len(hosts) == 1 else f"{name} {service}": [str(line) for line in written]
            for name, host in hosts.items()
            for service, written in host.items()
        }
    return {"logs": merged, "hosts": hosts}
