"""The one event stream: every stage reports what it does here, and nothing prints on its own.

An event is one change of a span: it started, made progress, or ended.

    stream = Stream([renderer, …])
    with stream.span("build", target="linux/amd64") as span:
        span.progress("compiling 141 of 268 packages")
        span.numbers["bytes"] = 7_900_000

The block's end closes the span with outcome `done`, or with the raised error's name (`failed` for a foreign exception,
`interrupted` for KeyboardInterrupt). `span.skip(reason)` closes it as `skipped`.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from goferry.kernel.errors import GoferryError

Number = int | str


# A Struct: dataclasses write and compile code at import, and a build with nothing to do would pay for it.
class Event(Struct, frozen=True, forbid_unknown_fields=True):
    """One change of a span.

    Attributes:
        kind: `start`, `progress`, `note` or `end`.
        trace, span, parent: hex ids of 16, 8 and 8 bytes (W3C Trace Context); parent is empty at the root.
        stage: `setup-go`, `test`, `build`, `image`, `sign`, `verify`, `deploy`, … or a step within it.
        target: `linux/arm64`, or empty. host: host name, or empty.
        start, end: seconds since the epoch; end is 0 until the span ends.
        outcome: empty until the end; then `done`, `skipped`, or an error's name.
        message: progress or note in the field's words; untrusted parts are made printable by renderers.
        level: of a note: `info` or `warning`.
        numbers: sizes in bytes, times in milliseconds, counts, digests; keys are stable.
    """

    kind: str
    trace: str
    span: str
    parent: str
    stage: str
    target: str = ""
    host: str = ""
    start: float = 0.0
    end: float = 0.0
    outcome: str = ""
    message: str = ""
    level: str = "info"
    numbers: dict[str, Number] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long the span took, or 0 while it runs."""
        # The system's clock can be set back in between.
        return max(0.0, self.end - self.start) if self.end else 0.0


Renderer = Callable[[Event], None]


class Span:
    """A running piece of work; made by `Stream.span`."""

    def __init__(self, stream: Stream, event: Event) -> None:
        self._stream = stream
        self.event = event
        self.numbers: dict[str, Number] = dict(event.numbers)
        self.outcome = "done"
        self.message = ""

    def progress(self, message: str, **numbers: Number) -> None:
        """Report progress; renderers may drop all but the newest."""
        self.numbers.update(numbers)
        self._stream.emit(replace(self.event, kind="progress", message=message, numbers=dict(self.numbers)))

    def note(self, message: str, level: str = "info") -> None:
        """Report something worth reading later; a `warning` needs attention."""
        self._stream.emit(replace(self.event, kind="note", message=message, level=level))

    def skip(self, reason: str) -> None:
        """Close as skipped (done before and unchanged, or not wanted)."""
        self.outcome, self.message = "skipped", reason


class Stream:
    """Fans events out to renderers; safe to use from several threads."""

    def __init__(self, renderers: Sequence[Renderer] = (), trace: str = "") -> None:
        self.renderers = list(renderers)
        self.trace = trace or os.urandom(16).hex()
        self._lock = threading.Lock()
        # Each thread has spans of its own; work that is handed to another one names its parent.
        self._local = threading.local()

    def emit(self, event: Event) -> None:
        """Hand one event to every renderer, one at a time."""
        # A renderer that emits an event would wait for itself here: none may.
        with self._lock:
            for renderer in self.renderers:
                renderer(event)

    @contextlib.contextmanager
    def span(
        self, stage: str, *, target: str = "", host: str = "", parent: Span | None = None, **numbers: Number
    ) -> Iterator[Span]:
        """Open a span; without `parent` it is a child of the span open in this thread."""
        stack: list[str] = self._local.__dict__.setdefault("stack", [])
        above = parent.event.span if parent else (stack[-1] if stack else "")
        # The wall clock: events are read in other jobs and drawn beside those of other processes.
        event = Event("start", self.trace, os.urandom(8).hex(), above, stage, target, host, time.time())
        span = Span(self, replace(event, numbers=dict(numbers)))
        self.emit(span.event)
        stack.append(event.span)
        try:
            yield span
        except BaseException as error:
            # Also an interrupt: a span that never ended would be drawn as one that still runs.
            span.outcome = _outcome(error)
            span.message = span.message or str(error)
            if isinstance(error, KeyboardInterrupt) and not error.args:
                error.args = (" ".join(word for word in (stage, target, host) if word),)  # where it was stopped
            raise
        finally:
            stack.pop()
            self.emit(
                replace(
                    span.event,
                    kind="end",
                    end=time.time(),
                    outcome=span.outcome,
                    message=span.message,
                    numbers=dict(span.numbers),
                )
            )


def _outcome(error: BaseException) -> str:
    if isinstance(error, GoferryError):
        return error.name
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
