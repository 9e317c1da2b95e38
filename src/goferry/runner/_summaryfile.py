"""The step's part of the job summary: at most 1 MiB a step, or GitHub drops all of it.

So Markdown is added by whole sections (a heading and what follows it), and when one doesn't fit, a last line says how
many were left out. Room is kept for what a failure has to say at the end. Other steps have files of their own.
"""

from __future__ import annotations

import re
from pathlib import Path

LIMIT = 1024 * 1024
"""Bytes that GitHub takes of a step."""
KEPT = 32 * 1024
"""Bytes that only urgent sections may use."""
_NOTE = "\n_… and {} more of this step's sections were left out: a summary ends at 1 MiB._\n"
_ROOM = len(_NOTE.encode()) + 8
_HEADING = re.compile(r"^(?=#{1,6} )", re.MULTILINE)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)


class SummaryFile:
    """Appends to the file that GITHUB_STEP_SUMMARY names; without one it does nothing."""

    def __init__(self, path: Path | None, limit: int = LIMIT, kept: int = KEPT) -> None:
        """Append to `path`; `limit` and `kept` are bytes."""
        self._path = path
        self._limit = limit
        self._kept = kept
        self._left_out = 0

    def add(self, markdown: str, *, urgent: bool = False) -> None:
        """Append Markdown, section by section while they fit; never an error."""
        if self._path is None:
            return
        written: list[bytes] = []
        try:
            size = self._path.stat().st_size
        except OSError:
            return
        room = self._limit - _ROOM - size - (0 if urgent else self._kept)
        for section in sections(markdown):
            data = section.encode("utf-8", "replace")
            if (self._left_out and not urgent) or len(data) > room:
                self._left_out += 1
                continue
            room -= len(data)
            written.append(data)
        self._append(b"".join(written))

    def close(self) -> None:
        """Say how many sections were left out."""
        if self._left_out:
            self._append(_NOTE.format(self._left_out).encode())
            self._left_out = 0

    def _append(self, data: bytes) -> None:
        if self._path and data:
            with self._path.open("ab") as file:
                file.write(data)


def sections(markdown: str) -> list[str]:
    """Split Markdown before every heading that is not in a code block; each part ends with an empty line."""
    parts: list[str] = []
    fence = ""
    for part in _HEADING.split(markdown):
        if fence and parts:
            parts[-1] += part
        elif part.strip():
            parts.append(part)
        fence = _open_fence(part, fence)
    return [part.rstrip("\n") + "\n\n" for part in parts]


def _open_fence(text: str, fence: str) -> str:
    """Return the fence that is still open after `text`, or nothing."""
    for found in _FENCE.findall(text):
        if not fence:
            fence = found
        elif found[0] == fence[0] and len(found) >= len(fence):
            fence = ""
    return fence
