"""The job summary: a run's result as Markdown for GitHub's summary page; a renderer of the event stream.

All of the record (observe.record) is untrusted and escaped. A long table ends with "and N more": the files that carry
the whole are the release's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from goferry.kernel.errors import GoferryError
from goferry.observe import humanize
from goferry.observe._outcome import sentence, stopped, warnings
from goferry.observe._timeline import LABELS, TAIL, WIDTH, Bar, lay_out
from goferry.observe.events import Event
from goferry.observe.markdown import code, escape, fence, table
from goferry.observe.record import Run, RunCompiled, RunGate, RunHost, RunTrend

ROWS = 60
"""How many rows of a table are shown."""
TIMES = 30
"""How many rows of the timeline are shown."""
_COLUMNS = 28
_DASH = "—"
T = TypeVar("T")


class Column(Struct, Generic[T], frozen=True):
    """A column of a table: its title, and what it shows of a row as Markdown; `right` sets it to the right."""

    title: str
    cell: Callable[[T], str]
    right: bool = False


def render(run: Run, events: Sequence[Event] = ()) -> str:
    """Return the summary of a run that has ended; sections without facts are left out."""
    parts = [
        f"## {escape(sentence(run), 400)}\n",
        _origin(run),
        _section("What needs a person", _attention(run, events)),
        _section("Hosts", _hosts(run)),
        _section("Timeline", timeline(events)),
        _section("Tests", _gate(run)),
        _section("Artifacts", _artifacts(run)),
        _section("Trust", _trust(run)),
        _section(f"Deploys of the last {run.trend.window}", _trend(run.trend)) if run.trend else "",
    ]
    return "\n".join(part for part in parts if part)


def failure(error: GoferryError) -> str:
    """Return the section of a failure: name, what happened, state, and what to type."""
    lines = error.what.splitlines()
    parts = [f"## ❌ {escape(error.name)} (exit {error.exit_code})\n"]
    parts.append(fence(error.what, 6000) if len(lines) > 1 else escape(error.what, 2000) + "\n")
    if error.state:
        parts.append(fence(error.state, 4000) if "\n" in error.state else f"**{escape(error.state)}**\n")
    if error.advice:
        parts.append(fence("\n".join(error.advice), 2000))
    return "\n".join(parts)


def timeline(events: Sequence[Event]) -> str:
    """Return the stages and targets over time as a block of text."""
    bars = lay_out(events).bars
    if not bars:
        return ""
    lines = [_bar(bar) for bar in bars[:TIMES]]
    if len(bars) > TIMES:
        lines.append(f"and {len(bars) - TIMES} more")
    return fence("\n".join(lines))


def _section(title: str, body: str) -> str:
    return f"### {title}\n\n{body}" if body else ""


def _origin(run: Run) -> str:
    """Return the line under the title: version, commit, and what kind of version it is."""
    parts = []
    if run.release:
        parts.append(f"release {code(run.release, 300)}")
    if run.commit:
        parts.append(f"commit {code(run.commit[:12])}")
    parts += [word for word, holds in (("snapshot", run.snapshot), ("changed work tree", run.dirty)) if holds]
    return " · ".join(parts) + "\n" if parts else ""


def _attention(run: Run, events: Sequence[Event]) -> str:
    lines = [f"{_about(event)}: {event.outcome}" for event in stopped(events)]
    return _list([*lines, *warnings(run, events)])


def _list(lines: Sequence[str]) -> str:
    shown = [f"- {escape(line)}" for line in lines[:ROWS]]
    if len(lines) > ROWS:
        shown.append(f"- and {len(lines) - ROWS} more")
    return "\n".join(shown) + "\n" if shown else ""


def _about(event: Event) -> str:
    return " ".join(part for part in (event.stage, event.target, event.host) if part)


def _bar(bar: Bar) -> str:
    scale = _COLUMNS / (WIDTH - LABELS - TAIL)
    start = min(_COLUMNS - 1, int((bar.x - LABELS) * scale))
    length = max(1, min(_COLUMNS - start, round(bar.width * scale)))
    drawn = {"done": "█", "skipped": "·"}.get(bar.outcome, "▒") * length
    label = f"{'  ' * bar.depth}{bar.label}"
    failed = "" if bar.outcome in {"done", "skipped"} else "  failed"
    return f"{label:<30} {' ' * start + drawn:<{_COLUMNS}}  {bar.time:>12}{failed}"


def _hosts(run: Run) -> str:
    """Return hosts with the version before and now, and the way back."""
    if not run.hosts:
        return ""
    parts = [_table(_HOSTS, run.hosts)]
    if run.go_back:
        parts.append("To go back:\n\n" + fence("\n".join(run.go_back)))
    return "\n".join(parts)


def _nothing(host: RunHost) -> str:
    """Return what stands for no version: `none`, or nothing where the outcome leaves it unknown."""
    return "none" if host.outcome in {"deployed", "rolled-back"} else ""


def _time(milliseconds: int | None) -> str:
    return humanize.seconds(milliseconds / 1000) if milliseconds else ""


_HOSTS = (
    Column[RunHost]("where", lambda host: escape(host.name, 100)),
    Column[RunHost]("before", lambda host: escape(host.previous or _nothing(host), 100)),
    Column[RunHost]("now", lambda host: escape(host.version or _nothing(host), 100)),
    Column[RunHost]("switched in", lambda host: _time(host.switch_ms), right=True),
    Column[RunHost]("gap", lambda host: _time(host.gap_ms), right=True),
    Column[RunHost]("uploaded", lambda host: "" if host.uploaded is None else humanize.size(host.uploaded), right=True),
    Column[RunHost]("outcome", lambda host: escape(host.outcome, 60)),
)


def _gate(run: Run) -> str:
    """Return what was tested, and how much of it ran in this run and how much in an earlier one."""
    return _table(_GATE, [run.gate]) if run.gate else ""


_GATE = (
    Column[RunGate]("tests", lambda gate: humanize.count(gate.tests), right=True),
    Column[RunGate]("packages", lambda gate: humanize.count(gate.packages), right=True),
    Column[RunGate]("ran", lambda gate: humanize.count(gate.packages - gate.cached), right=True),
    Column[RunGate]("cached", lambda gate: humanize.count(gate.cached), right=True),
)


def _artifacts(run: Run) -> str:
    """Return the table of files and images, and the digests as `sha256sum` takes them."""
    files = [
        _Made(code(each.name, 200), escape(each.target or "any", 60), each.sha256, each.size) for each in run.artifacts
    ]
    images = [
        _Made(f"{code(each.name, 200)} (image)", escape(", ".join(each.platforms), 200), each.digest)
        for each in run.images
    ]
    if not (files or images):
        return ""
    parts = [_table(_ARTIFACTS, [*files, *images])]
    if run.artifacts:
        sums = "\n".join(f"{each.sha256}  {each.name}" for each in run.artifacts[:ROWS])
        parts.append(f"<details><summary>Whole digests</summary>\n\n{fence(sums)}\n</details>\n")
    return "\n".join(parts)


class _Made(Struct, frozen=True):
    """A row of the table of artifacts: `name` and `target` are Markdown; an image index has no size of its own."""

    name: str
    target: str
    digest: str
    size: int | None = None


_ARTIFACTS = (
    Column[_Made]("artifact", lambda made: made.name),
    Column[_Made]("target", lambda made: made.target),
    Column[_Made]("size", lambda made: "" if made.size is None else humanize.size(made.size), right=True),
    Column[_Made]("SHA-256", lambda made: code(humanize.short_digest(made.digest))),
)


def _trend(trend: RunTrend) -> str:
    """Return how deploys do, in one line."""
    return _table(_TREND, [trend])


_TREND = (
    Column[RunTrend]("the last deploys", lambda trend: escape(trend.recent)),
    Column[RunTrend]("frequency", lambda trend: escape(trend.frequency)),
    Column[RunTrend]("lead time", lambda trend: escape(trend.lead_time)),
    Column[RunTrend]("change failure rate", lambda trend: escape(trend.failure_rate)),
    Column[RunTrend]("recovery time", lambda trend: escape(trend.recovery_time)),
)


def _compiled(each: RunCompiled) -> str:
    """Return what the programs of a slot were compiled from."""
    packs = [
        f"{escape(pack.kind, 30)} {code(humanize.short_digest(pack.sha256))}{'' if pack.signed else ' (not signed)'}"
        for pack in each.packs
    ]
    source = "from packs: " + ", ".join(packs) if packs else escape(each.source, 30)
    return f"- {code(each.slot, 100)} compiled {source}"


def _trust(run: Run) -> str:
    """Return who signed, what built it, and what a user types to verify it."""
    trust, toolchain = run.trust, run.toolchain
    lines = [f"- signed by the {escape(each.format)} key {code(each.id)}" for each in trust.signers]
    if toolchain:
        proven = toolchain.proof == "checksum-database"
        how = "proven against the signed tree of the checksum database" if proven else "**unproven**"
        lines.append(f"- built with Go {escape(toolchain.version)}, {how}")
    lines += [_compiled(each) for each in run.compiled[:ROWS] if each.source != "gocache"]
    lines += [f"- refused: {escape(each.what)} ({code(each.refusal)})" for each in trust.refused]
    parts = ["\n".join(lines) + "\n"] if lines else []
    if trust.commands:
        parts.append("To verify it yourself:\n\n" + fence("\n".join(trust.commands)))
    return "\n".join(parts)


def _table(columns: Sequence[Column[T]], rows: Sequence[T]) -> str:
    """Return a table of the columns that have a value somewhere, with at most ROWS rows."""
    cells = [[column.cell(row) for column in columns] for row in rows]
    # Judged by all rows, also those that are not shown: columns must not depend on where the table is cut.
    used = [index for index in range(len(columns)) if any(line[index] for line in cells)]
    text = table(
        [columns[index].title for index in used],
        [[line[index] or _DASH for index in used] for line in cells[:ROWS]],
        right=[place for place, index in enumerate(used) if columns[index].right],
    )
    return text + (f"\nand {len(rows) - ROWS} more\n" if len(rows) > ROWS else "")
