"""What dead agents left unfinished comes to its end, and what is live is started where nobody else starts it.

Each project and each service goes its own way at the same time: one that is ill, or slow to end, holds no other back.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Iterable, Sequence
from typing import Callable, NamedTuple, TypeVar

from goferry.host import deploy_record, incoming, journal
from goferry.host.engine import Engine, JournalUnreadable, resume
from goferry.host.gather import gather
from goferry.host.guard import Guard
from goferry.host.layout import ServiceFolder
from goferry.host.target import HostTarget
from goferry.host.traffic import TrafficActs
from goferry.kernel.errors import GoferryError
from goferry.kernel.extension import CriticalUnknown
from goferry.kernel.outcomes import of_defect

Item = TypeVar("Item")
OnProgress = Callable[[str], None]


class RecoveryFailure(NamedTuple):
    """What could not be recovered of a project; it keeps that project alone from changing."""

    project: str
    error: GoferryError


def refuse(failures: Sequence[RecoveryFailure], project: str) -> None:
    """Raise the first failure of a project that is to change; those of others are theirs."""
    for failure in failures:
        if failure.project == project:
            raise failure.error


def recover(
    root: HostTarget, guard: Guard, traffic: TrafficActs, on_progress: OnProgress, *, restore: bool = True
) -> tuple[list[str], list[RecoveryFailure]]:
    """Recover a target whose lock is held; return what was done, for people, and what failed.

    `restore` also starts what is live and does not run; nothing is waited for then.
    """
    speaking = threading.Lock()

    def report(text: str) -> None:
        # Projects are ended side by side, and a frame must not be cut by another one.
        with speaking:
            on_progress(text)

    def finish(project: str) -> list[str]:
        return _finish(root, project, lambda entry: Engine(entry, root.store(), guard, traffic, report))

    def start(folder: ServiceFolder) -> list[str]:
        return [folder.name] if guard.restore(folder) else []

    incoming.prune(root)
    _, failed = _each(_close, root.services(), _project_of)
    ended, more = _each(finish, root.projects(), str)
    done = [f"ended the unfinished transaction {name}" for names in ended for name in names]
    failed += more
    # Afterwards: which slot is live is settled when no transaction is open.
    if restore:
        started, more = _each(start, root.services(), _project_of)
        done += [f"started {name} again" for names in started for name in names]
        failed += more
    return done, failed


def _each(
    act: Callable[[Item], list[str]], items: Iterable[Item], whose: Callable[[Item], str]
) -> tuple[list[list[str]], list[RecoveryFailure]]:
    """Do `act` for every item, side by side; return the results and the failures, each with its project."""
    listed = list(items)
    # Without a deadline, as what is late would go on without the lock. Each act has limits of its own.
    outcomes = gather([functools.partial(act, item) for item in listed], math.inf)
    results = [outcome.value for outcome in outcomes if outcome.value is not None]
    pairs = zip(listed, outcomes)
    return results, [
        RecoveryFailure(whose(item), of_defect(each.error)) for item, each in pairs if each.error is not None
    ]


def _project_of(folder: ServiceFolder) -> str:
    return folder.project


def _close(folder: ServiceFolder) -> list[str]:
    """Make a service's folders what they should be: what an older agent made may be open to all."""
    folder.prepare()
    return []


def _finish(root: HostTarget, project: str, engine: Callable[[journal.Journal], Engine]) -> list[str]:
    """Bring a project's unfinished transactions to their end; return their names."""
    done, folder = [], root.journals(project)
    for entry in journal.unsettled(folder):
        course = engine(entry)
        # Not even the first line is whole, so no act was done, and no recovery would ever settle it.
        if journal.never_begun(entry):
            entry.path.unlink()
        elif _resumed(course, entry):
            done.append(course.transaction.id)
    # Before any is removed: what came of each outlives its journal.
    deploy_record.catch_up(root, project)
    journal.prune(folder)
    return done


def _resumed(course: Engine, entry: journal.Journal) -> bool:
    try:
        return resume(course)
    except (JournalUnreadable, CriticalUnknown) as error:
        error.what = f"{entry.path}: {error.what}"
        error.state = "Nothing of this project was changed; other projects are not touched by it."
        error.advice = (*error.advice, "provision the host, or deploy, with the Goferry that wrote it, or a newer one")
        raise
