"""Secrets: masked in the log before they are used, and given to programs as files that end with the block.

GitHub replaces a masked value in every later line of the log. A secret of several lines is masked whole and line by
line, because programs print lines. Lines of fewer than four characters are left alone: masking them would riddle the
log and hide nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from goferry.runner._workflow_commands import command

_LEAST = 4


def commands(secret: str) -> list[str]:
    """Return the commands that mask a secret; none for one that is blank."""
    if not secret.strip():
        return []
    lines = [line.strip() for line in secret.splitlines()]
    values = [secret.strip(), *(line for line in lines if len(line) >= _LEAST)]
    return [command("add-mask", value) for value in dict.fromkeys(values)]


@contextlib.contextmanager
def as_file(secret: str, temp: Path) -> Iterator[Path]:
    """Yield a file (0600, in a folder of its own, 0700) with the secret; it is gone when the block ends.

    Line ends become LF and the last line gets one: OpenSSH reads no key without it.
    """
    folder = Path(tempfile.mkdtemp(prefix="goferry-secret-", dir=temp))
    try:
        path = folder / "secret"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(secret.replace("\r\n", "\n").replace("\r", "\n").strip("\n") + "\n")
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)
