"""The figures of software delivery as one HTML file: no script, no network, dark and light, printable."""

from __future__ import annotations

from collections.abc import Sequence

from goferry.observe.delivery import ROWS, Delivery, long, window
from goferry.observe.report import pages

TEMPLATE = "delivery.html.j2"


def render(projects: Sequence[Delivery], *, environment: str, now: str) -> str:
    """Return the page; `environment` is its name or empty, `now` the time at which the figures were computed."""
    template = pages().get_template(TEMPLATE)
    return template.render(projects=projects, rows=ROWS, environment=environment, now=now, long=long, window=window)
