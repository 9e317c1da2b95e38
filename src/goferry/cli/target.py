"""The options that every command on a target shares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_DAY = 86_400


def _seconds(_context: click.Context, _option: click.Parameter, value: float) -> float:
    if not 0 <= value <= _DAY:  # neither is NaN
        raise click.BadParameter(f"{value} is not from 0 to {_DAY} seconds")
    return value


target_option = click.option("--target", default="local", show_default=True, help="Where to: `local`.")
root_option = click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The local target's folder; everything that is deployed lives in it.",
)
wait_option = click.option(
    "--wait",
    default=60.0,
    show_default=True,
    callback=_seconds,
    help="Seconds to wait for another deploy on the target to end.",
)


def target_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --target, --root and --wait."""
    return target_option(root_option(wait_option(function)))


def lines_of(record: dict[str, Any]) -> list[str]:
    """Return what a person reads after a deploy or a rollback."""
    if record.get("dry_run"):
        return _planned(record)
    if record["unchanged"]:
        return [f"{record['project']} {record['version']} is live already; nothing was changed."]
    lines = []
    for name, service in sorted(record["services"].items()):
        before = f" (before: {service['previous']})" if service["previous"] else ""
        lines.append(f"{name} {service['version']} is live at {service['url']}{before}")
        if service["gap_ms"]:
            lines.append(f"  this service does not take its socket from Goferry: {service['gap_ms']} ms gap")
    return [*lines, f"switched in {record['switch_ms']} ms, committed after {record['seconds']:.1f} s"]


def _planned(record: dict[str, Any]) -> list[str]:
    lines = [
        f"{step['service']}: {step['from'] or 'nothing'} → {step['to']} (slot {step['slot']}, port {step['port']})"
        for step in record["changes"]
    ]
    acts = [f"  {act['act']} {', '.join(act['services'])}" for act in record["acts"]]
    return [*lines, *acts] or ["nothing to do: it is live already"]
