"""What can be made to go wrong, once or several times."""

import threading
from dataclasses import dataclass, field

KINDS = {
    "status": "answer with `status` and `headers` without doing anything",
    "lost": "do what was asked, then answer HTTP 502",
    "cut": "close the connection without an answer",
    "slow": "wait `seconds` before anything else",
    "starter": "an upload: keep a part in state starter, then answer HTTP 502",
    "race": "an upload: somebody else has uploaded the same name a moment before",
    "corrupt": "an upload is stored, or a download is sent, with one byte changed",
}


@dataclass
class Fault:
    """One fault: the operation it waits for (see server.ROUTES; `upload`, `download`, …), what happens, how often,
    `after` how many that pass."""

    operation: str
    kind: str
    times: int = 1
    status: int = 502
    headers: dict = field(default_factory=dict)
    message: str = "Server Error"
    errors: list = field(default_factory=list)
    seconds: float = 0.0
    after: int = 0

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"no such fault: {self.kind}")


class Faults:
    """The faults that wait, first come first served."""

    def __init__(self):
        self._waiting = []
        self._lock = threading.Lock()

    def add(self, fault):
        with self._lock:
            self._waiting.append(fault)

    def take(self, operation, *kinds):
        """Return the next fault for an operation, of one of `kinds` if given, and use it up."""
        with self._lock:
            for fault in self._waiting:
                if fault.operation in (operation, "*") and (not kinds or fault.kind in kinds):
                    if fault.after:
                        fault.after -= 1
                        continue
                    fault.times -= 1
                    if not fault.times:
                        self._waiting.remove(fault)
                    return fault
        return None

    def clear(self):
        with self._lock:
            self._waiting.clear()
