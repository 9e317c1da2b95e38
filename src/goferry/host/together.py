"""Several things at once, so that an ill one holds no other back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterable, List, Tuple, TypeVar

from goferry.kernel.errors import GoferryError
from goferry.kernel.outcomes import of_defect

Item = TypeVar("Item")
Result = TypeVar("Result")
AT_ONCE = 64
"""Threads at most; who waits longer than a moment waits for a process to end or to become healthy."""


def all_of(act: Callable[[Item], Result], items: Iterable[Item]) -> Tuple[List[Result], List[GoferryError]]:
    """Do `act` for every item at once; return the results and the failures, each in the items' order."""
    waiting = list(items)
    results: List[Result] = []
    failures: List[GoferryError] = []
    with ThreadPoolExecutor(max(1, min(AT_ONCE, len(waiting)))) as pool:
        for future in [pool.submit(act, item) for item in waiting]:
            try:
                results.append(future.result())
            except Exception as error:  # noqa: BLE001  whatever it is, the others go on
                failures.append(of_defect(error))
    return results, failures
