"""HTTP connections that end when they are too slow as a whole.

A timeout on each read is renewed by every byte, so a server that sends one now and then holds its client forever. A
`Pace` looks at the whole attempt: in each span of some seconds a least number of bytes must get through, however many
did before, and there is a time at which it is over whatever came. Then the connection is shut down under whoever reads
or writes.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import IO, cast

RATE = 4 << 10
"""Bytes a second, on average over a span, that a transfer must bring."""
_now = threading.local()


class Pace:
    """One attempt's.

    Attributes:
        got: bytes of body that got through so far. cut: whether the connection was ended for being too slow.
    """

    def __init__(self, seconds: float, until: float) -> None:
        self.got, self.cut, self._seconds, self._until = 0, False, seconds, until
        self._since, self._over = time.monotonic(), threading.Event()
        self._handle: socket.socket | None = None
        self._lock = threading.Lock()

    def take(self, descriptor: int) -> None:
        """Look at this connection from now on; it is held by a descriptor of our own, whoever closes the other."""
        with self._lock:
            if self._handle is not None:
                self._handle.close()
            self._handle = socket.socket(fileno=os.dup(descriptor))

    def watch(self) -> None:
        """End the connection when a span brought too little or the time is over."""
        begun, before = self._since, 0
        while not self._over.wait(0.1):
            now, got = time.monotonic(), self.got
            late = now > self._until
            if now - begun > self._seconds:
                late |= got - before < RATE * self._seconds
                begun, before = now, got
            if late or self.cut:
                self.cut = True
                with self._lock, contextlib.suppress(OSError):
                    if self._handle is not None:
                        self._handle.shutdown(socket.SHUT_RDWR)

    def message(self) -> str:
        """Return what was too slow."""
        return f"too slow: {self.got} bytes in {time.monotonic() - self._since:.0f} s"

    def end(self) -> None:
        """Nobody waits any more."""
        self._over.set()
        with self._lock:
            if self._handle is not None:
                self._handle.close()

    def counted(self, body: IO[bytes]) -> IO[bytes]:
        """Return a body whose bytes count as they are sent."""
        return cast("IO[bytes]", _Counted(body, self))


class _Counted:
    def __init__(self, body: IO[bytes], pace: Pace) -> None:
        self._body, self._pace = body, pace

    def read(self, size: int = -1) -> bytes:
        data = self._body.read(size)
        self._pace.got += len(data)
        return data


@contextlib.contextmanager
def paced(seconds: float, until: float = math.inf) -> Iterator[Pace]:
    """Hold this thread's connections to a pace for the block: in spans of `seconds`, and until a `time.monotonic()`.

    Raises:
        TimeoutError: instead of whatever became of a connection that was cut.
    """
    pace = Pace(seconds, until)
    thread = threading.Thread(target=pace.watch, daemon=True)
    thread.start()
    _now.pace = pace
    try:
        yield pace
    except Exception as error:
        if not pace.cut:
            raise
        raise TimeoutError(pace.message()) from error
    finally:
        _now.pace = None
        pace.end()
        thread.join()
    if pace.cut:
        raise TimeoutError(pace.message())


def take(descriptor: int) -> None:
    """Hold a connection, by its descriptor, to the pace of this thread, if there is one."""
    pace = getattr(_now, "pace", None)
    if pace is not None:
        pace.take(descriptor)
