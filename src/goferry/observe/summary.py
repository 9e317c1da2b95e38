"""The job summary: what a run came to, as Markdown for GitHub's summary page."""

from __future__ import annotations

from goferry.kernel.errors import GoferryError
from goferry.observe.markdown import escape, fence


def failure(error: GoferryError) -> str:
    """Return the section that tells a failure: name, what happened, state, and what to type."""
    lines = error.what.splitlines()
    parts = [f"## ❌ {escape(error.name)} (exit {error.exit_code})\n"]
    parts.append(fence(error.what) if len(lines) > 1 else escape(error.what, 2000) + "\n")
    if error.state:
        parts.append(f"**{escape(error.state)}**\n")
    if error.advice:
        parts.append(fence("\n".join(error.advice)))
    return "\n".join(parts)
