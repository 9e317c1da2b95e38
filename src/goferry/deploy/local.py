"""Deploy, roll back, look, take down and purge on the local target; the host agent does the work and judges it."""

from __future__ import annotations

import contextlib
import secrets
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goferry.config.settings import Settings
from goferry.deploy import answers, client, serving
from goferry.deploy.errors import TargetMissing
from goferry.kernel.errors import GoferryError, printable
from goferry.observe.events import Span, Stream

OWN = (".goferry/run", "*/.journal")
"""What the agent makes in a target's folder before anything else, and what stays when all was taken down (host.layout);
a repository has none."""


@dataclass(frozen=True)
class Target:
    """Where to deploy and how.

    Attributes:
        root: the target's folder.
        trust: the trust file; None only for commands that verify nothing.
        wait: seconds to wait for another deploy to end.
        on_silence: `rollback` or `commit`, should this client fall silent before it commits.
        argv: the agent's command line; empty means the local agent's.
    """

    root: Path
    trust: Path | None = None
    wait: float = 60.0
    on_silence: str = "rollback"
    argv: Sequence[str] = ()

    def agent(self, settings: Settings, trace: str = "") -> Any:
        """Open the agent; `trace` is the run's trace id."""
        return client.opened(
            self.argv or client.agent_argv(self.root, self.trust),
            settings.environ,
            where=self.options,
            trace=trace,
            lingers=True,
        )

    @property
    def options(self) -> str:
        """What commands on this target are given."""
        return f"--target local --root {shlex.quote(str(self.root))}"


def transaction_id() -> str:
    """Return a new id; ids sort by time."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + "-" + secrets.token_hex(4)


def deploy(
    dist: Path,
    target: Target,
    *,
    services: Sequence[str] = (),
    settings: Settings,
    stream: Stream,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Bring the sealed release in `dist` into service; return the record that `--json` prints.

    `{"project", "version", "unchanged", "switch_ms", "gap_ms": {service: ms}, "seconds", "services": {name:
    {"version", "previous", "url", "digest", "pid", "gap_ms", …}}, "previous", "outcome", "hosts": {"local": {…}}}`; of
    a dry run `{"changes", "acts"}` instead.

    Raises:
        GoferryError: as the host says: refusals (exit 3), failures before the switch (1), `rolled-back` (4).
    """
    request = {"dist": client.sendable(dist), "services": list(services)}
    return _change(
        "deploy", "prepare", request=request, target=target, settings=settings, stream=stream, dry_run=dry_run
    )


def rollback(
    target: Target,
    *,
    to: str = "",
    services: Sequence[str] = (),
    project: str = "",
    settings: Settings,
    stream: Stream,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Bring the version `to`, else the version before, into service again; returns the same record as `deploy`.

    Raises:
        NothingToRollBackTo, AmbiguousProject, and what `deploy` raises.
    """
    _found(target)
    request = {"services": list(services), "project": project, **({"to": to} if to else {})}
    return _change(
        "rollback", "rollback", request=request, target=target, settings=settings, stream=stream, dry_run=dry_run
    )


def _found(target: Target) -> None:
    """Refuse a folder in which no deploy left anything, before an agent is started for it."""
    if not any(path for pattern in OWN for path in target.root.glob(pattern)) and not target.argv:
        raise TargetMissing(
            f"no deploy left anything in {printable(str(target.root), 300)}",
            state="Nothing was changed.",
            advice=["name the folder of the deploy:  --root DIR"],
        )


def _change(
    stage: str,
    verb: str,
    *,
    request: dict[str, Any],
    target: Target,
    settings: Settings,
    stream: Stream,
    dry_run: bool,
) -> dict[str, Any]:
    told = serving_told(target, settings)
    with told if not dry_run else contextlib.nullcontext():
        return _changed(stage, verb, request=request, target=target, settings=settings, stream=stream, dry_run=dry_run)


def serving_told(target: Target, settings: Settings) -> contextlib.AbstractContextManager[None]:
    """Have what ends the block say what serves on the target now; see serving.told."""
    return serving.told(lambda error: _standing(target, settings, error), local=True)


def _standing(target: Target, settings: Settings, error: GoferryError) -> dict[str, serving.Serving]:
    """Return what the target serves, as its error says or, when that says nothing, as it answers now."""
    known = error.facts.get("serving")
    if isinstance(known, dict):
        return {"local": {"serving": serving.of_services(known)}}
    try:
        return {"local": serving.of_status(status(target, settings=settings))}
    except TargetMissing:
        return {"local": {"serving": {}}}
    except (GoferryError, KeyError) as other:
        return {"local": {"unknown": str(other)}}


def _changed(
    stage: str,
    verb: str,
    *,
    request: dict[str, Any],
    target: Target,
    settings: Settings,
    stream: Stream,
    dry_run: bool,
) -> dict[str, Any]:
    start = time.monotonic()
    common = {"id": transaction_id(), "wait_ms": round(target.wait * 1000), "on_silence": target.on_silence}
    with stream.span(stage, host="local") as span, target.agent(settings, stream.trace) as agent:
        prepared = agent.ask(verb, span.progress, dry_run=dry_run, **common, **request)
        about = {key: prepared[key] for key in ("project", "version", "changes")}
        if dry_run:
            span.skip("dry run")
            return {**about, "dry_run": True, "acts": prepared.get("acts", [])}
        if prepared.get("unchanged"):
            span.skip("live already")
            live = answers.services(agent.ask("status"), "live")
            numbers = {"switch_ms": 0, "gap_ms": {}, "seconds": round(time.monotonic() - start, 3)}
            return with_host({**about, "unchanged": True, **numbers, "services": live}, "unchanged")
        for line in answers.final(prepared):
            span.note(line, "warning")
        agent.ask("switch", span.progress)
        done = agent.ask("commit", span.progress)
        return _finish(span, about, done, time.monotonic() - start)


def _finish(span: Span, about: dict[str, Any], done: dict[str, Any], seconds: float) -> dict[str, Any]:
    switch_ms, gaps = answers.milliseconds(done.get("switch_ms")), answers.gaps(done)
    services = answers.services(done)
    if switch_ms is not None:
        span.numbers["switch_ms"] = switch_ms
    for name, gap in gaps.items():
        span.note(f"{name} does not take its socket from Goferry: {gap} ms gap", "warning")
    record = {
        **about,
        "version": about["version"] or answers.versions(services.values(), "version"),
        "unchanged": False,
        "switch_ms": switch_ms,
        "gap_ms": gaps,
        "seconds": round(seconds, 3),
        "services": services,
    }
    return with_host(record, "deployed")


def with_host(record: dict[str, Any], outcome: str) -> dict[str, Any]:
    """Return the record with what a fleet's has too: `outcome`, `previous`, and `hosts`, here the one `local`."""
    previous = answers.versions(record["services"].values(), "previous")
    host = {"version": record["version"], "previous": previous, "outcome": outcome}
    host |= {key: record[key] for key in ("switch_ms", "gap_ms")}
    host |= {"serving": serving.of_services(record["services"])}
    return {**record, "previous": previous, "outcome": outcome, "hosts": {"local": host}}


def status(target: Target, *, settings: Settings) -> dict[str, Any]:
    """Return `{"live": {service: {…}}, "stopped", "recovered": [text], "busy": bool, "floors": {project: {…}}}`.

    Raises:
        TargetMissing: nothing was ever deployed there.
    """
    _found(target)
    with target.agent(settings) as agent:
        answer = agent.ask("status")
    return answers.status(answer)


def logs(target: Target, *, services: Sequence[str] = (), lines: int = 50, settings: Settings) -> dict[str, Any]:
    """Return `{"logs": {service: [line]}}` of what is live."""
    _found(target)
    with target.agent(settings) as agent:
        return {"logs": agent.ask("logs", services=list(services), lines=lines)["logs"]}


def down(target: Target, *, settings: Settings, stream: Stream, dry_run: bool = False) -> dict[str, Any]:
    """End every service of the target and its supervisor; return `{"stopped": [service]}`."""
    _found(target)
    with stream.span("down", host="local") as span, target.agent(settings, stream.trace) as agent:
        answer = agent.ask("down", span.progress, dry_run=dry_run, wait_ms=round(target.wait * 1000))
    return {"stopped": answer["stopped"], "dry_run": dry_run}


def purge(
    target: Target, project: str, service: str = "", *, settings: Settings, stream: Stream, dry_run: bool = True
) -> dict[str, Any]:
    """Remove what the target keeps of a project or of one service, data and logs too, after ending what runs of it.

    Returns `{"removed": [{"path", "files", "bytes"}], "stopped": [service], "dry_run"}`.

    Raises:
        TargetMissing: nothing was ever deployed there. GoferryError: `nothing-kept`, `deploy-busy`, as the agent says.
    """
    _found(target)
    wanted = {"project": project, "service": service, "dry_run": dry_run}
    with stream.span("purge", host="local") as span, target.agent(settings) as agent:
        answer = agent.ask("purge", span.progress, wait_ms=round(target.wait * 1000), **wanted)
    return {"removed": answer["removed"], "stopped": answer["stopped"], "dry_run": dry_run}
