"""Steps as a graph: their order, what a run would execute, what it may leave out, and how it stops.

    steps = [
        Step("build", run=build, key=digest_of(configuration, sources), writes=("api_linux_amd64",)),
        Step("image", run=image, needs=("build",), reads=("api_linux_amd64",), key=…, writes=("api_oci.tar",)),
    ]
    record = Record.load(folder / "state.json")
    for choice in choose(sort_steps(steps), record, folder):   # what --dry-run prints
        …
    execute(sort_steps(steps), record, folder, stream)         # executes exactly those

A step is left out when everything that it needs was left out, its key is the recorded one, and the bytes that it reads
and wrote are the recorded ones. A key is a digest of what decides the outcome: configuration, sources, toolchain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goferry.kernel import canonical
from goferry.kernel.errors import Failed, GoferryError
from goferry.kernel.files import sha256_file
from goferry.observe.events import Stream
from goferry.pipeline._step_record import Done, StepRecord


class PlanCycle(Failed):
    """The steps of a plan depend on each other in a circle, or on a step that does not exist.

    This is a bug in Goferry, not in your repository.
    """

    name = "plan-cycle"


@dataclass(frozen=True)
class ChainStep:
    """One piece of the way.

    Attributes:
        id: unique in the graph; also the stage's name in the event stream.
        run: does it, and reports to the event stream itself.
        about: what it does, with its main values, as `--dry-run` shows it.
        needs: ids of the steps before it.
        reads: names in the folder that decide its outcome.
        writes: names in the folder that it makes; `writes_now` is asked after the run when they aren't known before.
        key: digest of everything else that decides its outcome; empty means that it runs every time.
        judge: whose cache knows what is unchanged, when the step runs every time to ask it: `go`.
        writes_now: names in the folder after the run.
    """

    id: str
    run: Callable[[], None]
    about: str = ""
    needs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    key: str = ""
    judge: str = ""
    writes_now: Callable[[], Iterable[str]] | None = None


@dataclass(frozen=True)
class Choice:
    """Whether a step runs, and why: `reason` is in a person's words."""

    step: ChainStep
    runs: bool
    reason: str


def digest_of(*facts: object) -> str:
    """Return the key of JSON-like facts (floats as text): SHA-256 of their canonical JSON, lower-case hex."""
    return hashlib.sha256(canonical.dumps(_plain(facts))).hexdigest()


def sort_steps(steps: Sequence[ChainStep]) -> list[ChainStep]:
    """Return the steps so that each comes after what it needs; otherwise in the order given (Kahn's algorithm, stable).

    Raises:
        PlanCycle: when they need each other in a circle, need an unknown step, or an id stands twice.
    """
    waiting = {step.id: step for step in steps}
    if len(waiting) != len(steps):
        raise PlanCycle("an id stands twice among " + ", ".join(step.id for step in steps))
    ordered: list[ChainStep] = []
    placed: set[str] = set()
    while waiting:
        step = next((step for step in waiting.values() if placed.issuperset(step.needs)), None)
        if step is None:
            raise PlanCycle("these steps wait for each other: " + ", ".join(waiting))
        ordered.append(waiting.pop(step.id))
        placed.add(step.id)
    return ordered


def choose(steps: Sequence[ChainStep], record: StepRecord, folder: Path) -> list[Choice]:
    """Return which of the ordered steps a run executes now; reads files, changes nothing."""
    running: set[str] = set()
    choices = []
    for step in steps:
        reason = _reason(step, record, folder, running)
        if reason and step.key and not step.judge:
            running.add(step.id)  # what comes after a step that always runs is judged by its own key
        choices.append(Choice(step, bool(reason), reason or "unchanged"))
    return choices


def execute(steps: Sequence[ChainStep], record: StepRecord, folder: Path, stream: Stream) -> list[Choice]:
    """Run the ordered steps that `choose` names; the record is saved after each. The rest is reported as skipped.

    A step that fails stops what needs it, directly or not; the others still run, and then its error is raised. An
    interruption stops everything at once: the steps done so far stay recorded.

    Raises:
        GoferryError: the first step's error.
    """
    choices = choose(steps, record, folder)
    stopped: dict[str, GoferryError] = {}
    for choice in choices:
        step = choice.step
        cause = next((stopped[name] for name in step.needs if name in stopped), None)
        if cause:
            stopped[step.id] = cause
            continue
        try:
            _take(choice, record, folder, stream)
        except GoferryError as error:
            stopped[step.id] = error
    if stopped:
        raise next(iter(stopped.values()))
    return choices


def _take(choice: Choice, record: StepRecord, folder: Path, stream: Stream) -> None:
    step = choice.step
    if not choice.runs:
        with stream.span(step.id) as span:
            span.skip(choice.reason)
        return
    record.forget(step.id)
    step.run()
    if step.key:
        names = step.writes_now() if step.writes_now else step.writes
        record.remember(step.id, Done(step.key, _digests(folder, step.reads), _digests(folder, names)))


def _reason(step: ChainStep, record: StepRecord, folder: Path, running: set[str]) -> str:
    """Return why a step must run, or an empty string."""
    done = record.steps.get(step.id)
    if step.judge:
        return f"{step.judge} decides what of it is new"
    if not step.key:
        return "runs every time"
    if done is None:
        return "not done yet"
    before = next((name for name in step.needs if name in running), "")
    if before:
        return f"{before} runs again"
    if done.key != step.key:
        return "its inputs changed"
    changed = _changed(folder, {**done.reads, **done.writes})
    return f"{changed} changed" if changed else ""


def _digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    return {name: sha256_file(folder / name) for name in sorted(names)}


def _changed(folder: Path, digests: Mapping[str, str]) -> str:
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file() or sha256_file(path) != digest:
            return name
    return ""


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    return value if isinstance(value, str | int | bool | None) else str(value)
