"""Run steps as their needs and the machine's tokens allow: processors and memory are held while a step runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from goferry.gobuild.build_plan import BuildStep
from goferry.gobuild.resources import Machine


def run(
    steps: Sequence[BuildStep], machine: Machine, work: Callable[[BuildStep], None], stop: Callable[[], None]
) -> None:
    """Do every step once, in the given order where needs and tokens leave a choice.

    The first failure (or KeyboardInterrupt) starts nothing more and calls `stop`, which must end what runs; it is
    raised when everything has ended. A step that wants more tokens than the machine has runs alone.
    """
    waiting = list(steps)
    done: set[str] = set()
    running: list[BuildStep] = []
    threads: list[threading.Thread] = []
    ended: SimpleQueue[tuple[BuildStep, BaseException | None]] = SimpleQueue()

    def one(step: BuildStep) -> None:
        try:
            work(step)
        except BaseException as error:  # noqa: BLE001  it is raised below
            ended.put((step, error))
        else:
            ended.put((step, None))

    try:
        while waiting or running:
            for step in _startable(waiting, done, running, machine):
                waiting.remove(step)
                running.append(step)
                threads.append(threading.Thread(target=one, args=(step,)))
                threads[-1].start()
            step, error = ended.get()
            running.remove(step)
            done.add(step.id)
            if error is not None:
                raise error  # noqa: TRY301  the step's own error is what ended the run
    except BaseException:
        stop()
        raise
    finally:
        for thread in threads:
            thread.join()


def _startable(
    waiting: Sequence[BuildStep], done: set[str], running: list[BuildStep], machine: Machine
) -> list[BuildStep]:
    """Return the steps that can start now, together."""
    chosen: list[BuildStep] = []
    for step in sorted(waiting, key=lambda step: step.kind != "archive"):
        busy = [*running, *chosen]
        cpus = sum(other.cpus for other in busy) + step.cpus
        memory = sum(other.memory for other in busy) + step.memory
        if all(need in done for need in step.needs) and (
            not busy or (cpus <= machine.cpus and memory <= machine.memory)
        ):
            chosen.append(step)
    return chosen
