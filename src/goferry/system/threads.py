"""One piece of work beside the caller's own; concurrent.futures would load logging at every start of a command."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

Result = TypeVar("Result")


@contextlib.contextmanager
def beside(work: Callable[[], Result]) -> Iterator[Callable[[], Result]]:
    """Run `work` in a thread; the block gets a function that waits for its result, or raises what it raised.

    The thread has ended when the block has, however that ends.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001  it is raised where the result is asked for
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def result() -> Result:
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    try:
        yield result
    finally:
        thread.join()
