"""How deploys of a project do: figures of software delivery, as table and as Prometheus' text. Types and drawing alone.

What is measured is in docs/metrics.md; who computes it is `pipeline.delivery_figures`. A figure without data is None,
and is said to be missing. All text is untrusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from goferry.kernel.errors import printable
from goferry.observe import humanize

SHOWN = 10
"""Deploys of which the trend shows the outcome."""
DAY = 86_400


class Spread(Struct, frozen=True):
    """Times in seconds: how many, their median, and what nine of ten do not exceed (nearest rank)."""

    count: int
    median: float
    p90: float

    def as_json(self) -> dict[str, object]:
        """Return `{"count", "median", "p90"}`."""
        return {"count": self.count, "median": self.median, "p90": self.p90}


class DeliveryEntry(Struct, frozen=True):
    """A deploy: when it ended (RFC 3339), what it brought, on how many hosts, and what came of it.

    Attributes:
        outcome: `committed`, `rolled-back` or `aborted`. failed: whether it counts as a failed change.
        lead_seconds, recovery_seconds: None where they are not known, or there was nothing to recover from.
    """

    at: str
    what: str
    hosts: int
    outcome: str
    failed: bool
    lead_seconds: float | None = None
    recovery_seconds: float | None = None

    def as_json(self) -> dict[str, object]:
        """Return all fields."""
        return {
            "at": self.at,
            "what": self.what,
            "hosts": self.hosts,
            "outcome": self.outcome,
            "failed": self.failed,
            "lead_seconds": self.lead_seconds,
            "recovery_seconds": self.recovery_seconds,
        }


class Totals(Struct, frozen=True):
    """Deploys by what they came to, and rollbacks that somebody asked for."""

    committed: int = 0
    rolled_back: int = 0
    aborted: int = 0
    rollbacks: int = 0

    @property
    def deployments(self) -> int:
        """Those that had traffic."""
        return self.committed + self.rolled_back

    def as_json(self) -> dict[str, object]:
        """Return `{"committed", "rolled_back", "aborted", "rollbacks"}`."""
        return {
            "committed": self.committed,
            "rolled_back": self.rolled_back,
            "aborted": self.aborted,
            "rollbacks": self.rollbacks,
        }


class Delivery(Struct, frozen=True):
    """A project's figures.

    Attributes:
        seconds: the length of the window, which ends now. window: what is in it. ever: what the record reaches back to.
        failed: deployments of the window that failed. lead_time, recovery_time: of the window.
        last: when a deployment ended last, seconds since the epoch, 0 for never. recent: the newest last.
    """

    project: str
    seconds: float
    window: Totals
    ever: Totals
    failed: int = 0
    lead_time: Spread | None = None
    recovery_time: Spread | None = None
    last: float = 0.0
    recent: tuple[DeliveryEntry, ...] = ()

    @property
    def per_day(self) -> float | None:
        """Committed deployments a day; None without any."""
        return self.window.committed / (self.seconds / DAY) if self.window.committed else None

    @property
    def failure_rate(self) -> float | None:
        """The share of deployments that failed, 0 to 1; None without any."""
        return self.failed / self.window.deployments if self.window.deployments else None

    def as_json(self) -> dict[str, object]:
        """Return the figures, in seconds and shares; null where there are no data."""
        return {
            "window_seconds": self.seconds,
            "deploys": self.window.as_json(),
            "ever": self.ever.as_json(),
            "deployments_per_day": self.per_day,
            "lead_time_seconds": _or_none(self.lead_time),
            "change_failure_rate": self.failure_rate,
            "failed": self.failed,
            "recovery_time_seconds": _or_none(self.recovery_time),
            "recent": [each.as_json() for each in self.recent],
        }


def _or_none(found: Spread | None) -> dict[str, object] | None:
    return None if found is None else _json_of(found)


def _json_of(found: Spread) -> dict[str, object]:
    return found.as_json()


def window(seconds: float) -> str:
    """Return how long a window is, as a person says it."""
    return f"{seconds / DAY:.0f} days" if seconds >= 2 * DAY else humanize.seconds(seconds)


def long(seconds: float) -> str:
    """Return a time that may be days: `3 d 04 h`."""
    if seconds < DAY:
        return humanize.seconds(seconds)
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24:02d} h"


def frequency(each: Delivery) -> str:
    """Return how often it is deployed, as a person says it."""
    count = each.window.committed
    if each.per_day is None:
        return "none"
    rate = f"{each.per_day:.1f} a day" if each.per_day >= 1 else f"{each.per_day * 7:.1f} a week"
    return f"{count} ({rate})"


def failures(each: Delivery) -> str:
    """Return how many of the deployments failed."""
    if each.failure_rate is None:
        return "no deployments"
    return f"{each.failure_rate:.0%} ({each.failed} of {each.window.deployments})"


def spread(found: Spread | None, none: str) -> str:
    """Return a median with its ninth decile, or why there is none."""
    if found is None:
        return none
    return f"{long(found.median)} (median of {found.count}; nine of ten within {long(found.p90)})"


ROWS = (
    ("deployment frequency", frequency),
    ("lead time for changes", lambda each: spread(each.lead_time, "not known")),
    ("change failure rate", failures),
    ("failed deployment recovery time", lambda each: spread(each.recovery_time, "nothing to recover from")),
)
"""The four figures: what each is called, and how it is written."""


def trend(entries: Sequence[DeliveryEntry]) -> str:
    """Return the last deploys as marks, the newest last."""
    marks = {"committed": "✓", "rolled-back": "✗", "aborted": "·"}
    return "".join("✗" if each.failed else marks.get(each.outcome, "?") for each in entries[-SHOWN:])


def table(projects: Iterable[Delivery]) -> list[str]:
    """Return the lines that a person reads."""
    lines = []
    for each in projects:
        lines += [f"{each.project}, the last {window(each.seconds)}"]
        lines += [f"  {name:<32} {value(each)}" for name, value in ROWS]
        if each.recent:
            lines.append(f"  {'the last deploys':<32} {trend(each.recent)}")
    return lines


def prometheus(projects: Sequence[Delivery], environment: str = "") -> str:
    """Return the figures in Prometheus' text format, as node_exporter's textfile collector takes them."""
    lines: list[str] = []
    for name, kind, about, samples in _FAMILIES:
        found = [(each, labels, value) for each in projects for labels, value in samples(each) if value is not None]
        if found:
            lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
        for each, labels, value in found:
            given = {"project": each.project, **({"environment": environment} if environment else {}), **labels}
            inside = ",".join(f'{key}="{_label(text)}"' for key, text in given.items())
            lines.append(f"{name}{{{inside}}} {int(value) if value == int(value) else value!r}")
    return "".join(line + "\n" for line in lines)


def _label(text: str) -> str:
    return printable(text, 200).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


_Samples = list[tuple[dict[str, str], float | None]]


def _alone(value: float | None) -> _Samples:
    return [({}, value)]


def _median(found: Spread | None) -> _Samples:
    return [] if found is None else [({}, found.median)]


def _p90(found: Spread | None) -> _Samples:
    return [] if found is None else [({}, found.p90)]


# Gauges alone: a host's record drops its oldest, so what is counted in it may fall, and Prometheus would take that of a
# counter for a restart from zero, and add the whole count to its rates.
_FAMILIES = (
    (
        "goferry_recorded_deploys", "gauge", "Deploys by what they came to, as far as the hosts' records reach.",
        lambda each: [
            ({"outcome": "committed"}, each.ever.committed),
            ({"outcome": "rolled_back"}, each.ever.rolled_back),
            ({"outcome": "aborted"}, each.ever.aborted),
        ],
    ),
    (
        "goferry_recorded_rollbacks", "gauge", "Rollbacks that somebody asked for, as far as the hosts' records reach.",
        lambda each: _alone(each.ever.rollbacks),
    ),
    (
        "goferry_window_seconds", "gauge", "The length of the window of the figures below.",
        lambda each: _alone(each.seconds),
    ),
    (
        "goferry_window_deployments", "gauge", "Deployments of the window that stayed in service.",
        lambda each: _alone(each.window.committed),
    ),
    (
        "goferry_change_failure_ratio", "gauge", "Share of the window's deployments that failed, from 0 to 1.",
        lambda each: _alone(each.failure_rate),
    ),
    (
        "goferry_lead_time_median_seconds", "gauge", "From a commit to its traffic: the median of the window.",
        lambda each: _median(each.lead_time),
    ),
    (
        "goferry_lead_time_p90_seconds", "gauge", "From a commit to its traffic: what nine of ten do not exceed.",
        lambda each: _p90(each.lead_time),
    ),
    (
        "goferry_recovery_time_median_seconds", "gauge", "From a failed deployment's traffic to a good one's: median.",
        lambda each: _median(each.recovery_time),
    ),
    (
        "goferry_recovery_time_p90_seconds", "gauge", "From a failed deployment's traffic to a good one's: 9 of 10.",
        lambda each: _p90(each.recovery_time),
    ),
    (
        "goferry_last_deployment_timestamp_seconds", "gauge", "When a deployment ended last.",
        lambda each: _alone(each.last or None),
    ),
)  # fmt: skip
"""Each family: its name, type, help, and its samples of a project."""
