"""HTTP to a service: over its private control socket, or over TCP to one that knows nothing of Goferry.

Whatever a service sends, one question ends within its limit: the deadline holds for the whole of it, from the connect
to the last byte, and so does a bound on the bytes. A timeout on each read alone would be renewed by each byte that
drips in.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import time
from collections.abc import Callable, Mapping
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

from goferry.kernel import canonical
from goferry.kernel.errors import printable

SECONDS = 2.0
"""Seconds that one question to a service takes at most."""
LIMIT = 64 << 10
"""Bytes of an answer's body that are looked at."""
ROOM = 256 << 10
"""Bytes of a whole answer that are read, interim answers and headers included."""
_ALERT = "\x15\x03"
"""How TLS begins its answer to what is not TLS (RFC 8446, 5.1 and 6)."""


class Late(OSError):
    """No whole answer came in time."""


class NotHTTP(OSError):
    """What came is not an HTTP answer.

    Attributes:
        closed: it broke off. tls: it is TLS.
    """

    closed = False
    tls = False


class Limits(socket.socket):
    """A socket on which nothing happens after `until`, and from which no more than `room` bytes are read."""

    until = 0.0
    room = 0
    ended = False

    def left(self) -> None:
        """Let the next operation take what is left of the time."""
        left = self.until - time.monotonic()
        if left <= 0:
            # By this name: it is one class with TimeoutError only from Python 3.10 on.
            raise socket.timeout("timed out")
        self.settimeout(left)

    def recv_into(self, *words: object, **more: object) -> int:
        """Receive; http.client and its file objects read by this alone."""
        self.left()
        receive: Callable[..., int] = super().recv_into
        got = receive(*words, **more)
        self.room -= got
        self.ended = not got
        if self.room < 0:
            raise OSError("the answer does not end")
        return got

    def sendall(self, *words: object, **more: object) -> None:
        """Send; Python's own sendall takes its timeout as a total."""
        self.left()
        send: Callable[..., None] = super().sendall
        send(*words, **more)


class Connection(http.client.HTTPConnection):
    """HTTP/1.1 that is over `seconds` after its first connect, whatever the other side does."""

    def __init__(self, seconds: float, room: int) -> None:
        super().__init__("localhost")
        self.seconds, self._room = seconds, room

    def connect(self) -> None:
        """Connect."""
        self.sock = self._socket()
        self.sock.until, self.sock.room = time.monotonic() + self.seconds, self._room
        try:
            self.sock.left()
            self._reach(self.sock)
        except OSError:
            self.sock.close()
            raise

    def getresponse(self) -> http.client.HTTPResponse:
        """Return the answer, when its head is whole; the end of the stream passes for that in http.client."""
        sock = self.sock
        response = super().getresponse()
        if isinstance(sock, Limits) and sock.ended:
            response.close()
            raise http.client.IncompleteRead(b"")
        return response

    def _socket(self) -> Limits:
        raise NotImplementedError

    def _reach(self, sock: Limits) -> None:
        raise NotImplementedError


class UnixConnection(Connection):
    """A connection to a unix socket whose path may be longer than the 107 bytes that connect(2) takes.

    The folder is opened and the socket named through `/proc/self/fd`, which is short whatever the folder is.
    """

    def __init__(self, path: Path, seconds: float, room: int = ROOM) -> None:
        super().__init__(seconds, room)
        self._path = path

    def _socket(self) -> Limits:
        return Limits(socket.AF_UNIX, socket.SOCK_STREAM)

    def _reach(self, sock: Limits) -> None:
        folder = os.open(str(self._path.parent), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")
        finally:
            os.close(folder)


class PortConnection(Connection):
    """A connection to a port of an address; names are not looked up, for that has no limit."""

    def __init__(self, address: str, port: int, seconds: float, room: int = ROOM) -> None:
        super().__init__(seconds, room)
        self._address = (address, port)

    def _socket(self) -> Limits:
        return Limits(socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET, socket.SOCK_STREAM)

    def _reach(self, sock: Limits) -> None:
        sock.connect(self._address)


def ask(path: Path, method: str, target: str, seconds: float = SECONDS) -> tuple[int, bytes]:
    """Return (status, body) of one request on a unix socket.

    Raises:
        OSError: when no whole answer comes within `seconds`, or the answer is not HTTP.
    """
    answer = fetch(UnixConnection(path, seconds), method, target, {})
    return answer.status, answer.body


def ask_port(port: int, target: str, seconds: float = SECONDS, address: str = "127.0.0.1") -> tuple[int, bytes]:
    """Return (status, body) of one GET on a port of a numeric address.

    Raises:
        OSError: when no whole answer comes within `seconds`, or the answer is not HTTP.
    """
    answer = fetch(PortConnection(address, port, seconds), "GET", target, {})
    return answer.status, answer.body


class Answer(NamedTuple):
    """A whole answer: its status, its headers by any case of their names, and its body."""

    status: int
    headers: Message
    body: bytes


def fetch(connection: Connection, method: str, target: str, headers: Mapping[str, str]) -> Answer:
    """Make one request and return its answer.

    Raises:
        OSError: when no whole answer comes within the connection's time, or the answer is not HTTP.
    """
    with contextlib.closing(connection):
        try:
            connection.request(method, target, headers={"Connection": "close", "Content-Length": "0", **headers})
            with contextlib.closing(connection.getresponse()) as response:
                body = response.read(LIMIT)
                # With a size, http.client's read returns what came before the stream broke off.
                if response.length and len(body) < LIMIT:
                    raise http.client.IncompleteRead(body, response.length)
                return Answer(response.status, response.headers, body)
        except socket.timeout as error:
            raise Late(f"no whole answer within {connection.seconds:.2g} s") from error
        except (http.client.HTTPException, ValueError) as error:
            raise _not_http(error) from error


def _not_http(error: Exception) -> NotHTTP:
    made = NotHTTP(f"not an HTTP answer: {printable(str(error).strip(), 200)}")
    made.closed = isinstance(error, (http.client.RemoteDisconnected, http.client.IncompleteRead))
    made.tls = isinstance(error, http.client.BadStatusLine) and str(error).startswith(_ALERT)
    return made


class Health(NamedTuple):
    """What a service of the app contract says of itself, none of it believed; None is what it does not say.

    Attributes:
        http: the answer's HTTP status, 0 where it is not known. status: in words.
    """

    http: int = 0
    status: Any = None
    pid: Any = None
    version: Any = None
    digest: Any = None

    @classmethod
    def of(cls, answer: object, http: int = 0) -> Health:
        """Read it from an answer's JSON, which may be anything."""
        stated = answer if isinstance(answer, dict) else {}
        return cls(http, *(stated.get(name) for name in cls._fields[1:]))


def health(path: Path, target: str, seconds: float = SECONDS) -> Health:
    """Return the answer of a contract service's health; of an error page its HTTP status alone.

    Raises:
        OSError: when no whole answer comes. ValueError: when an answer of status 200 is not a JSON object.
    """
    status, body = ask(path, "GET", target, seconds)
    answer: Any = None
    with contextlib.suppress(ValueError):
        answer = canonical.loads(body)
    if status == 200 and not isinstance(answer, dict):
        raise ValueError("what it answers is not a JSON object")
    return Health.of(answer, status)
