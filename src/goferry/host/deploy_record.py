r"""What came of each transaction of a project, in one line that outlives its journal: `.deploys.jsonl`.

Journals say everything and are removed after 30 days; who asks for a year's deploys reads this. A line is made from the
settled journal alone, and by the journal's number each is there once: whoever ends a transaction, or recovers, adds
what is missing. So a line needs no wait for the disk: one that a power cut took is made again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from goferry.host import bounded_lines, engine
from goferry.host.journal import Journal, JournalLine
from goferry.kernel import extension, machine
from goferry.kernel.errors import GoferryError, printable
from goferry.kernel.fields import Fields
from goferry.kernel.manifest import COMMIT_TIME, Manifest
from goferry.kernel.times import parse_time

if TYPE_CHECKING:
    from goferry.host.target import HostTarget

FILE = ".deploys.jsonl"
MOST = 2 << 20
"""Bytes of a project's file: some thousand deploys."""
TAIL = 256 << 10
"""Bytes of its end in which the last number is looked for; a line is much shorter."""
PAGE, ROOM = 500, 512 << 10
"""Lines of one answer, and their bytes."""
NOTED = ("by", "run", "environment", "commit", "commit-time", "key")
"""What a journal's first line notes of a transaction besides what it does."""
_NUMBER = re.compile(r"_([0-9]{10,})-[0-9a-f]{16}\.jsonl")


class DeployLine(NamedTuple):
    """One transaction that is over.

    Attributes:
        number: its journal's; 0 for one of the first agents. id, trace, kind, project: the transaction's.
        changes: `{"service", "from", "to", "sequence", "from_sequence"}` each.
        begun, switched, ended: milliseconds since the epoch; 0 where that is not known, or nothing was switched.
        outcome: `committed`, `aborted` or `rolled-back`. error, what: why it was undone, by name and in words.
        noted: who, from which run and of which commit, as NOTED.
        numbers: what was measured on the way.
    """

    number: int
    id: str
    trace: str
    kind: str
    project: str
    changes: list[dict[str, object]]
    begun: int
    switched: int
    ended: int
    outcome: str
    error: str
    what: str
    noted: Mapping[str, object]
    numbers: Mapping[str, int]

    def record(self) -> dict[str, object]:
        """Return the line's record; JSON types."""
        return {"schema": 1, **self._asdict(), "noted": dict(self.noted), "numbers": dict(self.numbers)}


def notes_of(release: Manifest | None, environment: str, asked: Mapping[str, object], key: str) -> dict[str, object]:
    """Return what is noted with a transaction's beginning.

    Args:
        release: what comes into service, where that is one release.
        environment: the one that the client named.
        asked: the notes of its request, in which it says who it is.
        key: the fingerprint of its key, where the host knows it.
    """
    told = Fields(dict(asked), "notes")
    found: dict[str, object] = {
        **{name: (told.maybe(name, str) or "")[:200] for name in ("by", "run")},
        "environment": environment[:200],
        "key": key,
    }
    if release is not None:
        found["commit"] = release.commit
        committed = release.notes.get(COMMIT_TIME)
        with contextlib.suppress(TypeError, ValueError):
            found["commit-time"] = parse_time(committed) if isinstance(committed, str) else 0
    return {name: value for name, value in found.items() if value}


def path(root: HostTarget, project: str) -> Path:
    """Return a project's file."""
    return root.project(project) / FILE


def catch_up(root: HostTarget, project: str) -> None:
    """Add the lines that are missing, under the project's lock; a disk that is full keeps nothing from going on."""
    with contextlib.suppress(OSError, ValueError):
        file = path(root, project)
        last = _last(file)
        for number, entry in _numbered(root.journals(project)):
            line = of_journal(entry, number) if number > last else None
            if line is not None:
                bounded_lines.append(file, line.record(), MOST)


def _last(file: Path) -> int:
    """Return the newest number; nearly always it is in the last few lines."""
    found = bounded_lines.read(file, TAIL // 32) or bounded_lines.read(file, TAIL)
    return max(map(_number_of, found), default=0)


def _number_of(record: dict[str, object]) -> int:
    return Fields(record, "a deploy").maybe("number", int) or 0


def _numbered(folder: Path) -> list[tuple[int, Journal]]:
    """Return the journals that have a number, the oldest first."""
    names = os.listdir(str(folder)) if folder.is_dir() else []
    found = [(int(match[1]), folder / match[0]) for match in map(_NUMBER.fullmatch, names) if match]
    return [(number, Journal(each)) for number, each in sorted(found)]


def of_journal(entry: Journal, number: int) -> DeployLine | None:
    """Return a journal's line, or None while its transaction is not over, or when it can't be read."""
    # Another version of the agent may have written fields of other types, which keeps no transaction from its end.
    with contextlib.suppress(GoferryError, AttributeError, TypeError, ValueError):
        lines = entry.lines()
        return _of_lines(lines, entry, number) if lines and lines[-1].event == "settled" else None
    return None


def _of_lines(lines: Sequence[JournalLine], entry: Journal, number: int) -> DeployLine:
    begun = engine.begun(lines[0])
    notes = Fields(dict(extension.read(lines[0].more, "a journal").notes), "notes")
    result = lines[-1].result
    failure = Fields(dict(result.error or {}), "the error")
    switched = next((line for line in lines if line.phase == machine.SWITCHING), None)
    return DeployLine(
        number=number,
        id=begun.id,
        trace=begun.trace,
        kind=begun.kind,
        project=begun.project,
        changes=[
            {
                "service": change.service, "from": change.old_version, "to": change.version,
                "sequence": change.sequence, "from_sequence": change.old_sequence,
            }
            for change in begun.changes
        ],
        begun=_at(lines[0]),
        switched=_at(switched) if switched is not None else 0,
        # An older agent wrote no times; the file was last written when it was over.
        ended=_at(lines[-1]) or entry.path.stat().st_mtime_ns // 1_000_000,
        outcome=result.outcome,
        error=failure.maybe("name", str) or "",
        what=printable((failure.maybe("what", str) or "").split("\n")[0], 300),
        noted={name: notes.value(name) for name in NOTED if type(notes.value(name)) in (str, int)},
        numbers=dict(result.numbers),
    )  # fmt: skip


def _at(line: JournalLine) -> int:
    return Fields(dict(line.more), "a line").maybe("at", int) or 0


def history(root: HostTarget, project: str) -> Iterator[dict[str, object]]:
    """Yield a project's lines, the newest first: those of the file, and of journals that are not in it.

    A host whose agent has just been upgraded has journals alone; so has one in which nobody has changed anything since.
    """
    known = bounded_lines.read(path(root, project))
    last = max(map(_number_of, known), default=0)
    newer = [(number, entry) for number, entry in _numbered(root.journals(project)) if number > last]
    for number, entry in reversed(newer):
        with contextlib.suppress(OSError):
            line = of_journal(entry, number)
            if line is not None:
                yield line.record()
    yield from reversed(known)


def page(root: HostTarget, project: str, since_ms: int, skip: int, limit: int) -> dict[str, object]:
    """Return `{"deploys": [line], "more": bool}`: the newest lines of a project, or of all, that ended since then."""
    projects = [name for name in root.projects() if project in ("", name)]
    lines = [line for name in projects for line in history(root, name)]
    if len(projects) > 1:
        lines.sort(key=lambda line: -(Fields(line, "a deploy").maybe("ended", int) or 0))
    wanted = [line for line in lines if (Fields(line, "a deploy").maybe("ended", int) or 0) >= since_ms]
    found: list[dict[str, object]] = []
    room, most = ROOM, min(PAGE, limit or PAGE)
    for line in wanted[max(0, skip) :]:
        room -= len(json.dumps(line))
        if room < 0 or len(found) == most:
            break
        found.append(line)
    return {"deploys": found, "more": len(wanted) > max(0, skip) + len(found)}
