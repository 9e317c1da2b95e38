"""What restore-caches, save-caches and sign-caches share: the folder that entries of GitHub's cache fill, and words."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from goferry.actions import shared
from goferry.config.context import Context
from goferry.kernel.errors import GoferryError, printable
from goferry.observe.humanize import size
from goferry.observe.markdown import code, escape, table
from goferry.pipeline import caching
from goferry.pipeline.caching.scope import BUILD, TEST, WORKS
from goferry.runner.errors import InputInvalid
from goferry.runner.job import Job
from goferry.system import process

PARTS = {"all": WORKS, BUILD: (BUILD,), TEST: (TEST,)}
STEP, SECOND = "GOFERRY_STEP", "second"
"""The variable by which an action's second step knows what it is."""
_TAKE = Path(__file__).resolve().parents[2] / "take"
HEAD = ("pack", "of", "", "size", "seconds", "why")


def place(job: Job) -> Path:
    """Return the folder between GitHub's cache and Goferry, a place as any other."""
    return job.temp / "goferry" / "caches"


def taking(job: Job) -> str:
    """Return the options that keep tar from writing what is not a pack; empty where this tar or a path knows none.

    actions/cache lets an archive say where its files go, and whoever wrote an entry chose that.
    """
    tar = shutil.which("tar", path=job.environ.get("PATH"))
    known = tar is not None and b"GNU tar" in process.run([tar, "--version"], environ=job.settings.environ).stdout
    return f"--to-command=sh\\ {_TAKE}" if known and re.fullmatch(r"[\w./@+-]+", str(_TAKE)) else ""


def run(job: Job) -> str:
    """Return the run and its attempt, as names of entries end."""
    return f"{job.run_id or 0}-{job.run_attempt or 1}"


def request(job: Job) -> caching.JobRequest:
    """Return which project the job works on, and which part of its work it does.

    Raises:
        InputInvalid: `work` is none.
    """
    work = job.inputs.text("work", "all")
    if work not in PARTS:
        raise InputInvalid(
            f"the input work is {work!r}", state="Nothing was started.", advice=[f"one of  {', '.join(PARTS)}"]
        )
    return caching.JobRequest(
        shared.directory(job),
        job.inputs.text("project"),
        tuple(job.inputs.lines("targets", commas=True)),
        PARTS[work],
        job.inputs.text("go-version"),
        job.inputs.text("shard"),
    )


def names(job: Job, asked: caching.JobRequest) -> caching.Names:
    """Return what tells the job's packs apart; raises what opening a project raises."""
    with job.stream() as stream:
        return caching.names(Context(job.settings, stream), asked)


@contextlib.contextmanager
def forgiven(job: Job) -> Iterator[None]:
    """Have the job go on without caches, and say so, where something is wrong with them or with the project.

    What is wrong with the project stops the step that builds it, which says more.
    """
    try:
        yield
    except (GoferryError, OSError) as error:
        job.warning(f"This job goes on without caches: {printable(str(error), 300)}", "no caches")


def report(job: Job, title: str, rows: Sequence[caching.PackRow]) -> None:
    """Write rows to the log and, as a table, to the job's summary."""
    job.say(*caching.lines(rows))
    cells = [
        [
            row.kind,
            code(row.slot),
            row.done,
            size(row.bytes) if row.bytes else "",
            f"{row.seconds:.1f}" if row.seconds else "",
            escape(row.why),
        ]
        for row in rows
    ]
    job.summary(f"### {title}\n\n{table(HEAD, cells, right=[3, 4])}\n")
