"""Run steps as their needs and the machine's tokens allow: processors and memory are held while a step runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from goferry.build.machine import Machine
from goferry.build.plan import Step


def run(steps: Sequence[Step], machine: Machine, work: Callable[[Step], None], stop: Callable[[], None]) -> None:
    """Do every step once, in the given order where needs and tokens leave a choice.

    The first failure (or KeyboardInterrupt) starts nothing more and calls `stop`, which must end what runs; it is
    raised when everything has ended. A step that wants more tokens than the machine has runs alone.
    """
    waiting = list(steps)
    done: set[str] = set()
    running: dict[Future[None], Step] = {}
    with ThreadPoolExecutor(max(1, len(steps))) as pool:
        try:
            while waiting or running:
                for step in _startable(waiting, done, list(running.values()), machine):
                    waiting.remove(step)
                    running[pool.submit(work, step)] = step
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    done.add(running.pop(future).id)
                    future.result()
        except BaseException:
            stop()
            raise


def _startable(waiting: Sequence[Step], done: set[str], running: list[Step], machine: Machine) -> list[Step]:
    """Return the steps that can start now, together."""
    chosen: list[Step] = []
    for step in sorted(waiting, key=lambda step: step.kind != "archive"):
        busy = [*running, *chosen]
        cpus = sum(other.cpus for other in busy) + step.cpus
        memory = sum(other.memory for other in busy) + step.memory
        if all(need in done for need in step.needs) and (
            not busy or (cpus <= machine.cpus and memory <= machine.memory)
        ):
            chosen.append(step)
    return chosen
