"""What a failed step leaves behind: a message in the log, and a record that a later job's notification is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from goferry.kernel.errors import GoferryError, Misuse, printable
from goferry.kernel.files import write_atomically
from goferry.observe.failed_step import FailedStep
from goferry.observe.notify import redact


def message(error: GoferryError) -> list[str]:
    """Return an error as lines for the log."""
    shown = [f"error: {error.name} (exit {error.exit_code})"]
    paragraphs = [error.what.splitlines(), error.state.splitlines(), list(error.advice)]
    if error.name != Misuse.name:
        paragraphs.append([error.docs])
    for paragraph in paragraphs:
        if paragraph:
            shown += ["", *(printable(f"  {line}") for line in paragraph)]
    return shown


def record(
    error: GoferryError, *, stage: str, lines: Sequence[str], action: str, secrets: Sequence[str] = ()
) -> FailedStep:
    """Return what a notification needs, all of it printable and without the secrets: nobody masks an artifact."""

    def safe(text: str, limit: int = 2000) -> str:
        return redact(printable(text, limit), secrets)

    return FailedStep(
        error=error.name,
        what=safe(error.what, 4000),
        state=safe(error.state),
        advice=tuple(safe(line) for line in error.advice),
        exit_code=error.exit_code,
        docs=error.docs,
        stage=safe(stage, 200),
        lines=tuple(safe("\n".join(printable(line) for line in lines), 100_000).split("\n")) if lines else (),
        action=action,
    )


def write(folder: Path, step: FailedStep) -> Path:
    """Write the record to `folder`/failure.json and return its path."""
    path = folder / "failure.json"
    write_atomically(path, step.as_json().encode())
    return path
