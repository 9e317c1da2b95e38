"""A run's result in words: one sentence, and what needs attention. Pure; report and summary share it."""

from __future__ import annotations

from collections.abc import Sequence

from goferry.observe import humanize
from goferry.observe.events import Event
from goferry.observe.record import Run, Traffic

_SERVING = frozenset({"deployed", "unchanged"})


def sentence(run: Run) -> str:
    """Return the run's result in one sentence: its producer's, else one made from the facts."""
    if run.sentence:
        return run.sentence
    parts = [_head(run)]
    if load := traffic(run):
        parts.append(f"{humanize.count(load.lost)} of {humanize.count(load.requests)} requests lost")
    if run.seconds is not None:
        parts.append(f"{humanize.seconds(run.seconds)} from the first step to the last")
    return "; ".join(parts) + "."


def warnings(run: Run, events: Sequence[Event]) -> list[str]:
    """Return what needs attention, each once: the record's own and the stream's warnings."""
    found = list(run.warnings)
    for event in events:
        if event.kind == "note" and event.level == "warning":
            about = " ".join(part for part in (event.stage, event.target, event.host) if part)
            found.append(f"{about}: {event.message}")
    if run.dirty:
        found.append("The work tree differed from the commit: this release cannot be built again from git alone.")
    if run.toolchain and run.toolchain.proof == "unproven":
        found.append("The Go toolchain was on the machine already and is unproven.")
    return list(dict.fromkeys(found))


def stopped(events: Sequence[Event]) -> list[Event]:
    """Return the ends of the spans that failed of themselves, not through one inside them."""
    ended = [event for event in events if event.kind == "end"]
    # An error closes every span that it passes through with its name; the innermost one is where it happened.
    through = {(event.parent, event.outcome) for event in ended}
    return [
        event
        for event in ended
        if event.outcome not in {"done", "skipped"} and (event.span, event.outcome) not in through
    ]


def traffic(run: Run) -> Traffic | None:
    """Return the load that was put on the run's services, all together; None when nobody put one on."""
    loads = [service.traffic for service in run.services if service.traffic]
    if not loads:
        return None
    return Traffic(sum(load.requests for load in loads), sum(load.lost for load in loads))


def _head(run: Run) -> str:
    subject = f"{run.project} {run.version}".strip()
    where = _where(run)
    if where and run.outcome == "rolled-back":
        return f"{run.project} went back to {run.version} on {where}"
    if where:
        return f"{subject} {'already ran' if run.outcome == 'unchanged' else 'runs'} on {where}"
    return f"{subject} is built, signed and verified" if run.trust.signers else f"{subject} is built"


def _where(run: Run) -> str:
    """Return where it runs, or nothing when it was not deployed."""
    environment = f" in {run.environment}" if run.environment else ""
    if run.hosts:
        serving = sum(host.outcome in _SERVING for host in run.hosts)
        return f"{serving} of {len(run.hosts)} host{'s' if len(run.hosts) > 1 else ''}{environment}"
    return f"this machine{environment}" if run.services else ""
