"""Services whose answers do not end, over TCP or a unix socket.

    with hostile.listening(path_or_port, "head drips") as server: ...
    with hostile.listening(path_or_port, "well", body=b"…") as server: server.kind = "body drips"

Each kind is a generator of (bytes, pause after them in seconds); the connection is closed when it ends.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

PAUSE = 0.2
Parts = Iterator[tuple[bytes, float]]


def _dripped(begin: bytes, each: bytes) -> Parts:
    yield begin, PAUSE
    while True:
        yield each, PAUSE


def _flood(begin: bytes, each: bytes) -> Parts:
    yield begin, 0
    while True:
        yield each, 0


def _silent() -> Parts:
    yield b"", 3600


OK = b"HTTP/1.1 200 OK\r\n"
KINDS: dict[str, Callable[[], Parts]] = {
    "nothing is said": _silent,
    "status drips": lambda: ((bytes([letter]), PAUSE) for letter in itertools.cycle(b"HTTP/1.1 200 OK ")),
    "head drips": lambda: _dripped(OK + b"X: ", b"x"),
    "headers drip": lambda: _dripped(OK, b"X: x\r\n"),
    "headers without end": lambda: _flood(OK, b"X: x\r\n" * 1000),
    "a header without end": lambda: _flood(OK + b"X: ", b"x" * 65536),
    "continues drip": lambda: _dripped(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "continues without end": lambda: _flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "body drips": lambda: _dripped(OK + b"Content-Length: 60000\r\n\r\n", b"x"),
    "body drips to its end": lambda: _dripped(OK + b"\r\n", b"x"),
    "chunks drip": lambda: _dripped(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "chunk sizes drip": lambda: _dripped(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "a chunk size without end": lambda: _flood(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 65536),
    "a chunk's name without end": lambda: _flood(OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 65536),
    "trailers drip": lambda: _dripped(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: x\r\n"),
    "trailers without end": lambda: _flood(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: x\r\n" * 1000),
    "body stops half-way": lambda: iter([(OK + b"Content-Length: 9\r\n\r\nx", 3600.0)]),
}


class Server:
    """Answers every connection in `kind`'s way; `well` answers with `body` and ends.

    Attributes:
        kind: read for each connection anew. asked: the first lines of the requests, in order.
    """

    def __init__(self, listener: socket.socket, kind: str, body: bytes) -> None:
        self.kind, self.body, self.asked = kind, body, list[bytes]()
        self._over, self._listener = threading.Event(), listener
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        self._listener.settimeout(0.05)
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._answer, args=(connection,)))
                self._threads[-1].start()

    def _parts(self) -> Parts:
        if self.kind in KINDS:
            return KINDS[self.kind]()
        return iter([(OK + b"Content-Length: %d\r\n\r\n" % len(self.body) + self.body, 0.0)])

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(1)
            self.asked.append(connection.recv(65536).partition(b"\r\n")[0])
            for data, pause in self._parts():
                connection.sendall(data)
                if self._over.wait(pause):
                    return

    def close(self) -> None:
        """End it and wait for its threads."""
        self._over.set()
        for thread in self._threads:
            thread.join(5)


@contextlib.contextmanager
def listening(where: Path | int, kind: str, body: bytes = b"{}") -> Iterator[Server]:
    """Serve on a unix socket's path or a port of 127.0.0.1 for the block."""
    family = socket.AF_UNIX if isinstance(where, Path) else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(str(where) if isinstance(where, Path) else ("127.0.0.1", where))
        listener.listen(64)
        server = Server(listener, kind, body)
        try:
            yield server
        finally:
            server.close()
