"""urllib3's connections that keep a pace (system.pace); apart, so that whoever fetches nothing loads no urllib3."""

from __future__ import annotations

import http.client
import io
import socket
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from goferry.system.pace import take

_LINE = 1 << 16
"""Bytes of a line, as http.client has it for a status and a header; urllib3 sets none for a chunk's size."""


class _Lines(io.BufferedReader):
    """What a server sends, whose lines end."""

    def readline(self, size: int | None = -1) -> bytes:
        line = super().readline(_LINE + 1 if size is None or size < 0 else size)
        if len(line) > _LINE:
            raise http.client.LineTooLong("line")
        return line


class _Response(http.client.HTTPResponse):
    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **more)
        self.fp = _Lines(self.fp.detach())


class _Plain(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        take(made.fileno())
        return made

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        if self.sock is not None:  # kept from an earlier request
            take(self.sock.fileno())
        super().putrequest(method, url, skip_host, skip_accept_encoding)


class _Secure(_Plain, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


def fitted(manager: urllib3.PoolManager) -> urllib3.PoolManager:
    """Let a manager make connections that keep a pace."""
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    return manager
