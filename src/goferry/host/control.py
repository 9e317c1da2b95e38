"""HTTP to a service: over its private control socket, or over the loopback to one that knows nothing of Goferry."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
from pathlib import Path
from typing import Any, Dict, Tuple

from goferry.kernel import canonical

LIMIT = 64 << 10


class UnixConnection(http.client.HTTPConnection):
    """HTTP/1.1 over a unix socket whose path may be longer than the 107 bytes that connect(2) takes.

    The folder is opened and the socket named through `/proc/self/fd`, which is short whatever the folder is.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        folder = os.open(str(self._path.parent), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect("/proc/self/fd/%d/%s" % (folder, self._path.name))
        except OSError:
            self.sock.close()
            raise
        finally:
            os.close(folder)


def ask(path: Path, method: str, target: str, timeout: float = 2.0) -> Tuple[int, bytes]:
    """Return (status, body) of one request on a unix socket.

    Raises:
        OSError: when nothing answers in time or the answer is not HTTP.
    """
    return _exchange(UnixConnection(path, timeout), method, target)


def ask_port(port: int, target: str, timeout: float = 2.0) -> Tuple[int, bytes]:
    """Return (status, body) of one GET on 127.0.0.1.

    Raises:
        OSError: when nothing answers in time or the answer is not HTTP.
    """
    return _exchange(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout), "GET", target)


def _exchange(connection: http.client.HTTPConnection, method: str, target: str) -> Tuple[int, bytes]:
    with contextlib.closing(connection):
        try:
            connection.request(method, target, headers={"Connection": "close", "Content-Length": "0"})
            response = connection.getresponse()
            return response.status, response.read(LIMIT)
        except http.client.HTTPException as error:
            raise OSError("not an HTTP answer: %s" % error) from error


def health(path: Path, target: str, timeout: float = 2.0) -> Dict[str, Any]:
    """Return the answer of a contract service's health, with its HTTP status as `http`.

    Raises:
        OSError: when nothing answers. ValueError: when the answer is not a JSON object.
    """
    status, body = ask(path, "GET", target, timeout)
    answer = canonical.loads(body)
    if not isinstance(answer, dict):
        raise ValueError("not an object")  # noqa: TRY004  one kind of error for a bad answer
    return {**answer, "http": status}
