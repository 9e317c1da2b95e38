"""What dead agents left unfinished comes to its end, and what is live is started where nobody else starts it.

Each project and each service goes its own way at the same time: one that is ill, or slow to end, holds no other back.
"""

from __future__ import annotations

import functools
import math
import threading
from typing import Callable, Iterable, List, Tuple, TypeVar, Union

from goferry.host import incoming, journal
from goferry.host.engine import Engine, resume
from goferry.host.gather import gather
from goferry.host.guard import Guard
from goferry.host.layout import Root, ServiceFolder
from goferry.host.nginx import Nginx
from goferry.host.store import Store
from goferry.host.switch import Switch
from goferry.kernel.errors import GoferryError
from goferry.kernel.outcomes import of_defect

Item = TypeVar("Item")
Tell = Callable[[str], None]


def recover(
    root: Root, guard: Guard, switcher: Union[Switch, Nginx], tell: Tell, *, restore: bool = True
) -> Tuple[List[str], List[GoferryError]]:
    """Recover a target whose lock is held; return what was done, for people, and what failed.

    `restore` also starts what is live and does not run; nothing is waited for then.
    """
    speaking = threading.Lock()

    def tell_whole(text: str) -> None:
        with speaking:
            tell(text)

    def finish(project: str) -> List[str]:
        return _finish(root, project, lambda entry: Engine(entry, Store(root), guard, switcher, tell_whole))

    def start(folder: ServiceFolder) -> List[str]:
        return [folder.name] if guard.restore(folder) else []

    incoming.prune(root)
    for folder in root.services():
        folder.prepare()  # what an older agent made may be open to all
    ended, failed = _each(finish, root.projects())
    done = ["ended the unfinished transaction %s" % name for names in ended for name in names]
    if restore:
        started, more = _each(start, root.services())
        done += ["started %s again" % name for names in started for name in names]
        failed += more
    return done, failed


def _each(act: Callable[[Item], List[str]], items: Iterable[Item]) -> Tuple[List[List[str]], List[GoferryError]]:
    """Do `act` for every item, side by side; return the results and the failures."""
    outcomes = gather([functools.partial(act, item) for item in items], math.inf)
    results = [outcome.value for outcome in outcomes if outcome.value is not None]
    return results, [of_defect(outcome.error) for outcome in outcomes if outcome.error is not None]


def _finish(root: Root, project: str, engine: Callable[[journal.Journal], Engine]) -> List[str]:
    """Bring a project's unfinished transactions to their end; return their names."""
    done, folder = [], root.project(project) / ".journal"
    for entry in journal.unsettled(folder):
        course = engine(entry)
        if journal.never_begun(entry):
            entry.path.unlink()
        elif resume(course):
            done.append(course.transaction.id)
    journal.prune(folder)
    return done
