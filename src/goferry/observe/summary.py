"""The job summary: what a run came to, as Markdown for GitHub's summary page; a renderer of the event stream.

`record` is the report's (observe.report) with the keys of observe.outcome; an artifact may also have `change` (bytes
against the last release, None when it is new there) and `proven` (where it was seen to run), and the record `go_back`
(the command of the way back). All of it is untrusted and escaped. A long table ends with "and N more": the files that
carry the whole are the release's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from goferry.kernel.errors import GoferryError
from goferry.observe import figures
from goferry.observe.events import Event
from goferry.observe.markdown import code, escape, fence, table
from goferry.observe.outcome import sentence, stopped, warnings
from goferry.observe.timeline import LABELS, TAIL, WIDTH, Bar, lay_out

ROWS = 60
"""How many rows of a table are shown."""
TIMES = 30
"""How many rows of the timeline are shown."""
_COLUMNS = 28
_DASH = "—"


def render(record: Mapping[str, Any], events: Sequence[Event] = ()) -> str:
    """Return the summary of a run that has ended; sections without facts are left out."""
    title = escape(str(record.get("sentence") or sentence(record)), 400)
    parts = [
        f"## {title}\n",
        _origin(record),
        _section("What needs a person", _attention(record, events)),
        _section("Hosts", _hosts(record)),
        _section("Timeline", timeline(events)),
        _section("Artifacts", _artifacts(record)),
        _section("Trust", _trust(record)),
    ]
    return "\n".join(part for part in parts if part)


def failure(error: GoferryError) -> str:
    """Return the section that tells a failure: name, what happened, state, and what to type."""
    lines = error.what.splitlines()
    parts = [f"## ❌ {escape(error.name)} (exit {error.exit_code})\n"]
    parts.append(fence(error.what, 6000) if len(lines) > 1 else escape(error.what, 2000) + "\n")
    if error.state:
        parts.append(f"**{escape(error.state)}**\n")
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


def _origin(record: Mapping[str, Any]) -> str:
    """Return the line under the title: version, commit, and what kind of version it is."""
    parts = []
    if record.get("release"):
        parts.append(f"release {code(str(record['release']), 300)}")
    if record.get("commit"):
        parts.append(f"commit {code(str(record['commit'])[:12])}")
    parts += [word for key, word in (("snapshot", "snapshot"), ("dirty", "changed work tree")) if record.get(key)]
    if record.get("run"):
        parts.append(f"run {code(str(record['run']))}")
    return " · ".join(parts) + "\n" if parts else ""


def _attention(record: Mapping[str, Any], events: Sequence[Event]) -> str:
    lines = [f"{_about(event)}: {event.outcome}" for event in stopped(events)]
    return _list([*lines, *warnings(record, events)])


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


def _hosts(record: Mapping[str, Any]) -> str:
    """Return hosts and services with the version before and now, and the way back."""
    rows = [_host(name, host) for name, host in sorted((record.get("hosts") or {}).items())]
    rows += [_service(service) for service in record.get("services", [])]
    if not rows:
        return ""
    head = ("where", "before", "now", "switched in", "lost", "outcome")
    parts = [_table(head, rows, right=("switched in", "lost"))]
    commands = [record.get("go_back"), *(service.get("rollback_command") for service in record.get("services", []))]
    back = list(dict.fromkeys(str(command) for command in commands if command))
    if back:
        parts.append("To go back:\n\n" + fence("\n".join(back)))
    return "\n".join(parts)


def _host(name: str, host: Mapping[str, Any]) -> dict[str, str]:
    switch = host.get("switch_ms")
    return {
        "where": escape(name, 100),
        "before": escape(str(host.get("previous") or "none"), 100),
        "now": escape(str(host.get("version") or "none"), 100),
        "switched in": figures.seconds(switch / 1000) if switch else "",
        "lost": _lost(host),
        "outcome": escape(str(host.get("outcome") or ""), 60),
    }


def _service(service: Mapping[str, Any]) -> dict[str, str]:
    switch = service.get("switch_seconds")
    place = f"{service.get('name', '')} on {service['host']}" if service.get("host") else str(service.get("name", ""))
    return {
        "where": escape(place, 100),
        "before": escape(str(service.get("before") or "none"), 100),
        "now": escape(str(service.get("now") or "none"), 100),
        "switched in": figures.seconds(switch) if switch else "",
        "lost": _lost(service),
        "outcome": "",
    }


def _lost(row: Mapping[str, Any]) -> str:
    return f"{figures.count(row.get('lost') or 0)} of {figures.count(row['sent'])}" if row.get("sent") else ""


def _artifacts(record: Mapping[str, Any]) -> str:
    """Return the table of files and images, and the digests as `sha256sum` takes them."""
    files = record.get("artifacts", [])
    rows = [_artifact(each) for each in files] + [_image(each) for each in record.get("images", [])]
    if not rows:
        return ""
    head = ("artifact", "target", "size", "change", "SHA-256", "proven to run")
    parts = [_table(head, rows, right=("size", "change"))]
    if files:
        sums = "\n".join(f"{each.get('sha256', '')}  {each.get('name', '')}" for each in files[:ROWS])
        parts.append(f"<details><summary>Whole digests</summary>\n\n{fence(sums)}\n</details>\n")
    return "\n".join(parts)


def _artifact(each: Mapping[str, Any]) -> dict[str, str]:
    return {
        "artifact": code(str(each.get("name", "")), 200),
        "target": escape(str(each.get("target") or "any"), 60),
        "size": figures.size(each.get("size") or 0),
        "change": _change(each),
        "SHA-256": code(figures.short_digest(str(each.get("sha256", "")))),
        "proven to run": escape(str(each.get("proven") or ""), 100),
    }


def _image(each: Mapping[str, Any]) -> dict[str, str]:
    return {
        "artifact": code(str(each.get("name", "")), 200) + " (image)",
        "target": escape(", ".join(map(str, each.get("platforms", []))), 200),
        "size": "",
        "change": "",
        "SHA-256": code(figures.short_digest(str(each.get("digest", "")))),
        "proven to run": escape(str(each.get("proven") or ""), 100),
    }


def _change(each: Mapping[str, Any]) -> str:
    if "change" not in each:
        return ""
    change = each["change"]
    if change is None:
        return "new"
    return ("+" if change > 0 else "") + figures.size(change) if change else "none"


def _trust(record: Mapping[str, Any]) -> str:
    """Return who signed, what built it, and what a user types to verify it."""
    trust, toolchain = record.get("trust") or {}, record.get("toolchain") or {}
    lines = [f"- signed by the {escape(each['format'])} key {code(each['id'])}" for each in trust.get("signers", [])]
    if toolchain:
        proven = toolchain.get("proof") == "checksum-database"
        how = "proven against the signed tree of the checksum database" if proven else "**unproven**"
        lines.append(f"- built with Go {escape(str(toolchain.get('version', '')))}, {how}")
    if trust.get("provenance"):
        lines.append(f"- provenance: {escape(str(trust['provenance']))}")
    lines += [f"- refused: {escape(each['what'])} ({code(each['refusal'])})" for each in trust.get("refused", [])]
    parts = ["\n".join(lines) + "\n"] if lines else []
    if trust.get("commands"):
        parts.append("To verify it yourself:\n\n" + fence("\n".join(map(str, trust["commands"]))))
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Mapping[str, str]], *, right: Sequence[str] = ()) -> str:
    """Return a table of the columns that have a value somewhere, with at most ROWS rows."""
    used = [column for column in head if any(row[column] for row in rows)]
    cells = [[row[column] or _DASH for column in used] for row in rows[:ROWS]]
    text = table(used, cells, right=[index for index, column in enumerate(used) if column in right])
    return text + (f"\nand {len(rows) - ROWS} more\n" if len(rows) > ROWS else "")
